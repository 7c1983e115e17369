"""A module of a package alone, and afterwards the package whole."""

import subprocess
import sys

import pytest

from lib.bare import bare
from runs import ROOT

NAMES = ("outer", "outer.inner")


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A package in a package, both of which say when they are imported, and a module in the inner one."""
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    for folder in (inner.parent, inner):
        (folder / "__init__.py").write_text("WHOLE = True\n")
    (inner / "module.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("lib.bare.version", lambda name: "1.2")
    yield
    for name in (*NAMES, "outer.inner.module"):
        sys.modules.pop(name, None)


def test_a_module_comes_alone_and_the_package_afterwards(packages):
    with bare(*NAMES):
        import outer
        from outer.inner import module

        assert module.VALUE == 1 and outer.__version__ == "1.2"
        assert not [name for name in NAMES if hasattr(sys.modules[name], "WHOLE")]
    assert not [name for name in NAMES if name in sys.modules]
    import outer.inner

    assert outer.WHOLE and outer.inner.WHOLE
    from outer.inner import module as again

    assert again is module


def test_what_is_whole_stays_so(packages):
    import outer.inner

    with bare(*NAMES):
        assert sys.modules["outer"] is outer and outer.inner.WHOLE
    assert sys.modules["outer"] is outer


def test_an_error_within_leaves_nothing_empty(packages):
    with pytest.raises(ImportError), bare(*NAMES):
        import outer.inner.nothing  # noqa: F401
    assert not [name for name in NAMES if name in sys.modules]


@pytest.mark.parametrize(
    ("script", "unwanted"),
    [("score", "scipy sklearn pandas matplotlib"), ("ner_audit", "scipy"), ("ner_clean", "scipy"), ("summ_split", "scipy")],
)
def test_a_script_loads_no_more_than_it_needs(script, unwanted):
    code = f"import {script}, sys; print(sorted(set({unwanted.split()}) & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "scripts", capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
