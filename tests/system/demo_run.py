"""The demo of this checkout, which several of these tests read, made where it is not there."""

import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "results" / "demo"
PAGES = [DEMO / "report" / f"report.{language}.html" for language in ("en", "fa")]


def make(target):
    start = time.monotonic()
    run = subprocess.run(
        ["make", "--no-print-directory", target],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return run, time.monotonic() - start


@pytest.fixture(scope="session")
def demo():
    """What `make demo` printed; it makes what is not there."""
    run, seconds = make("demo")
    assert run.returncode == 0, run.stdout[-8000:]
    print(f"\nmake demo took {seconds / 60:.1f} minutes")
    return run.stdout
