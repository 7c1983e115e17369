"""Snakemake's lock on a working directory, when the Snakemake that took it was killed."""

import fcntl
from contextlib import suppress
from pathlib import Path

from lib.publish import remove


def alive(folder=Path(".snakemake")):
    """Mark this process as a living Snakemake, remove the locks of dead ones, and return what must be kept open for as long as it lives.

    Snakemake's own locks are files, which outlast a kill, so that the next run is refused. The system's lock on the mark ends with
    whoever holds it. Where the disk knows no such locks, nothing is removed.
    """
    folder.mkdir(exist_ok=True)
    mark = open(folder / "alive", "a")  # noqa: SIM115
    with suppress(OSError):  # there is another one alive, or no such lock
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove(folder / "locks")
    with suppress(OSError):
        fcntl.flock(mark, fcntl.LOCK_SH)
    return mark
