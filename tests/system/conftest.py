"""The demo; two finished runs of the same configuration, the second with results/ and assets/ on another disk where there is one."""

import os
import tempfile
from pathlib import Path

import pytest

from demo_run import demo  # noqa: F401
from sources_run import finished_run

OTHER_DISK = Path("/dev/shm")


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
        yield finished_run(folder)
