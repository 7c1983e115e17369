"""The demo; two finished runs of one configuration, the second under conda and on another disk, if there is one."""

import os
import tempfile
import time
from pathlib import Path

import pytest

from conda_run import snakemake_with_conda
from demo_run import demo  # noqa: F401
from sources_run import finished_run

OTHER_DISK = Path("/dev/shm")
UNTIL = float(os.environ.get("KARGAH_UNTIL", "inf"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """No test starts after KARGAH_UNTIL (seconds since 1970), which .ci/run sets: on a slow machine the last ones are listed as not run."""
    if time.time() > UNTIL:
        with open(os.environ.get("KARGAH_NOT_RUN", os.devnull), "a", encoding="utf-8") as file:
            print(item.nodeid, file=file)
        pytest.skip("NOT RUN: out of time on this machine")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="session")
def again(tmp_path_factory):
    folder = tmp_path_factory.mktemp("again")
    with tempfile.TemporaryDirectory(dir=OTHER_DISK if os.access(OTHER_DISK, os.W_OK) else None) as disk:
        for name in ("results", "assets"):
            (Path(disk) / name).mkdir()
            (folder / name).symlink_to(Path(disk) / name)
        yield finished_run(folder, snakemake_with_conda)
