"""The page of the long proofs is written from pytest's own record of a part of them, and only when all of it have passed."""

import subprocess
import sys
from pathlib import Path

import pytest

import reliability

WHERE = {"date": "2026-01-02", "commit": "abc+", "cores": 2, "gigabytes": 1, "processor": "?"}
WHERE |= {"python": "?", "torch": "?", "snakemake": "?"}
TESTS = """
import pytest

def test_a_demo_s_kills(record_property):
    record_property("found", "3 kills")

def test_more():
    {more}

@pytest.mark.parametrize("number", range(3))
def test_many(number):
    pass
"""


@pytest.fixture
def record(tmp_path, monkeypatch):
    """Run TESTS under pytest; the record of them, for a tool whose page lies beside it."""
    monkeypatch.setattr(reliability, "ROOT", tmp_path)
    monkeypatch.setattr(reliability, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(reliability, "circumstances", lambda: WHERE)

    def run(more, name="it"):
        (tmp_path / f"test_{name}.py").write_text(TESTS.format(more=more))
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml", f"{name}.xml", f"test_{name}.py"]
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        return tmp_path / f"{name}.xml"

    return run


def test_the_page_says_what_each_proof_found(record, tmp_path):
    proofs = [Path("tests/test_it.py"), Path("tests/test_other.py")]
    assert reliability.age(proofs) == "page.md: not there; the long proofs (make soak) have not passed yet"
    reliability.write(record("pass"))
    rows = ["| a demo's kills | 3 kills | 0.0 |", "| more | as it says | 0.0 |", "| many | 3 cases | 0.0 |"]
    page = (tmp_path / "page.md").read_text()
    assert page.splitlines()[-3:] == rows
    assert reliability.age(proofs).startswith("page.md: the oldest of its 1 sections, it, is of commit abc+, 2026-01-02, ")
    assert reliability.age(proofs).endswith(" days ago; not there: other")
    assert reliability.age(proofs[:1]).endswith(" days ago")


def test_a_part_leaves_the_sections_of_others_as_they_are(record, tmp_path, monkeypatch):
    reliability.write(record("pass"))
    before = reliability.old_sections()
    monkeypatch.setattr(reliability, "circumstances", lambda: WHERE | {"date": "2026-01-03", "commit": "def"})
    reliability.write(record("pass", "other"))
    after = reliability.old_sections()
    assert list(after) == ["it", "other"] and after["it"] == before["it"]
    reliability.write(record("pass"))
    assert list(reliability.old_sections()) == ["it", "other"] and "commit def" in reliability.old_sections()["it"]
    assert (tmp_path / "page.md").read_text() == reliability.HEAD + "".join(reliability.old_sections().values())


@pytest.mark.parametrize("more", ["assert False", "pytest.skip()"])
def test_a_proof_that_failed_or_was_skipped_is_not_written(record, tmp_path, more):
    with pytest.raises(SystemExit, match="found a proof that failed or was skipped"):
        reliability.write(record(more))
    assert not (tmp_path / "page.md").exists()
