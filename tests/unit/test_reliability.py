"""The page of the long proofs is written from pytest's own record of them, and only when all have passed."""

import subprocess
import sys

import pytest

import reliability

WHERE = {"date": "2026-01-02", "commit": "abc", "cores": 2, "gigabytes": 1, "python": "?", "torch": "?", "snakemake": "?"}
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
    """Run TESTS under pytest and let the tool read its record; the page it would write."""

    def run(more):
        (tmp_path / "test_it.py").write_text(TESTS.format(more=more))
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml", "soak.xml", "test_it.py"]
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        monkeypatch.setattr(reliability, "RECORD", tmp_path / "soak.xml")
        monkeypatch.setattr(reliability, "PAGE", tmp_path / "page.md")
        monkeypatch.setattr(reliability, "ROOT", tmp_path)
        monkeypatch.setattr(reliability, "circumstances", lambda: WHERE)
        return tmp_path / "page.md"

    return run


def test_the_page_says_what_each_proof_found(record):
    page = record("pass")
    assert reliability.age() == "page.md: not there; the long proofs (make soak) have not passed yet"
    reliability.write()
    rows = ["| it | a demo's kills | 3 kills | 0.0 |", "| it | more | as it says | 0.0 |", "| it | many | 3 cases | 0.0 |"]
    assert page.read_text().splitlines()[-3:] == rows
    assert reliability.age().startswith("page.md: of commit abc, 2026-01-02, ")


@pytest.mark.parametrize("more", ["assert False", "pytest.skip()"])
def test_there_is_no_page_of_a_proof_that_failed_or_was_skipped(record, more):
    page = record(more)
    with pytest.raises(SystemExit, match="found a proof that failed or was skipped"):
        reliability.write()
    assert not page.exists()
