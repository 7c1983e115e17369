"""Runs of Snakemake that a test looks in on while they last: killed while a training is at work, and started again."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress

from runs import TOKEN, environment

WAYS = ("kill all", "kill Snakemake", "ask all to stop")


def seed_of_kills():
    """KARGAH_KILLS_SEED, where it is set to draw the moments of a run before this one again."""
    return int(os.environ.get("KARGAH_KILLS_SEED", random.randrange(10**6)))


def started(folder, options, **variables):
    """Snakemake in `folder`, with more environment variables, as a process that is still running; output.txt there gets what it prints."""
    with open(folder / "output.txt", "w") as output:
        command = [sys.executable, "-m", "snakemake", *options]
        own = environment(HF_TOKEN=TOKEN) | variables
        return subprocess.Popen(command, cwd=folder, env=own, stdout=output, stderr=output, start_new_session=True)


def finished(folder, options, seconds=3600):
    run = started(folder, options)
    assert run.wait(seconds) == 0, (folder / "output.txt").read_text()[-6000:]


def kill(folder, options, how, moment, patience=0):
    """Run for `moment` seconds and then kill, in one of WAYS; the checkpoints that this left to go on from, as relative paths.

    With `patience`, the moment is counted from when a training has made a checkpoint, for which it waits as many seconds at most.
    """
    before = checkpoints(folder)
    run = started(folder, options)
    deadline = time.monotonic() + patience
    while checkpoints(folder) == before and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    with suppress(subprocess.TimeoutExpired):
        run.wait(moment)
    if how == "kill Snakemake":
        run.kill()  # and its jobs end by themselves
    else:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL if how == "kill all" else signal.SIGTERM)
    run.wait(300)
    return checkpoints(folder)


def checkpoints(folder):
    return {str(path.relative_to(folder / "work")) for path in (folder / "work").rglob("step-*")}


def nothing_partial(folder):
    """Assert that no run left anything half done in a folder: no part of an output, no checkpoint."""
    assert not [path for path in folder.rglob("*") if path.name.startswith(".part-")]
    assert not [path for path in (folder / "work").rglob("*") if path.is_file()]
