"""Snakemake's lock on a working directory, when the Snakemake that took it was killed."""

import fcntl
import socket
from contextlib import suppress
from pathlib import Path

from lib.publish import remove


def alive(folder=Path(".snakemake")):
    """Mark this process as a living Snakemake, remove the locks of dead ones, and return what must be kept open for as long as it lives.

    Snakemake's own locks are files, which outlast a kill, so that the next run is refused. The system's lock on the mark ends with
    whoever holds it. Where the disk knows no such locks, nothing is removed; nor where the mark names another machine, since a disk that
    machines share may keep such locks to each of them.
    """
    folder.mkdir(exist_ok=True)
    mark, locks, here = open(folder / "alive", "a+"), folder / "locks", socket.gethostname()  # noqa: SIM115
    with suppress(OSError):  # there is another one alive, or no such lock
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mark.seek(0)
        if mark.read() in ("", here):
            remove(locks)
        if not list(locks.glob("*")):
            mark.truncate(0)
            mark.write(here)
            mark.flush()
    with suppress(OSError):
        fcntl.flock(mark, fcntl.LOCK_SH)
    return mark
