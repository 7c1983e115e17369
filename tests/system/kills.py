"""Runs of Snakemake that a test looks in on while they last: killed while a training is at work, and started again."""

import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from lib.checkpoints import LOCK, folder_digest
from runs import TOKEN, environment

WAYS = ("kill all", "kill Snakemake", "kill the scripts", "ask all to stop", "ask the scripts to stop")
LETS_JOBS_END = "ask Snakemake to stop"


def seed_of_kills():
    """KARGAH_KILLS_SEED, where it is set to draw the moments of a run before this one again."""
    return int(os.environ.get("KARGAH_KILLS_SEED", random.randrange(10**6)))


def started(folder, options, **variables):
    """Snakemake in `folder`, with more environment variables, as a process that is still running; output.txt there gets what it prints."""
    with open(folder / "output.txt", "w") as output:
        command = [sys.executable, "-m", "snakemake", *options]
        own = environment(HF_TOKEN=TOKEN) | variables
        return subprocess.Popen(command, cwd=folder, env=own, stdout=output, stderr=output, start_new_session=True)


def ended(run, folder, code=0, seconds=3600):
    """What a run that was started in `folder` wrote until its end, which has this exit code."""
    found = run.wait(seconds)
    output = (folder / "output.txt").read_text()
    assert found == code, output[-6000:]
    return output


def kill(folder, options, how, moment, patience=0, **variables):
    """Run for `moment` seconds and then kill, in one of WAYS or by LETS_JOBS_END; the checkpoints that this left to go on from.

    With `patience`, the moment is counted from when a training has made a checkpoint, for which it waits as many seconds at most.
    """
    before = checkpoints(folder)
    run = started(folder, options, **variables)
    deadline = time.monotonic() + patience
    while checkpoints(folder) == before and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    with suppress(subprocess.TimeoutExpired):
        run.wait(moment)
    signal_number = signal.SIGKILL if how.startswith("kill") else signal.SIGTERM
    with suppress(ProcessLookupError, psutil.NoSuchProcess):
        if " all" in how:
            os.killpg(run.pid, signal_number)
        elif "Snakemake" in how:
            run.send_signal(signal_number)
        else:
            for script in scripts_of(run):
                script.send_signal(signal_number)
    run.wait(900)  # without its scripts, or asked to stop, Snakemake ends with the jobs that it has begun
    wait_for_orphans(folder)
    return checkpoints(folder)


def scripts_of(run, patience=30):
    """The processes of scripts that a run of Snakemake has begun, once there are any."""
    deadline = time.monotonic() + patience
    while run.poll() is None and time.monotonic() < deadline:
        with suppress(psutil.NoSuchProcess):
            found = [child for child in psutil.Process(run.pid).children(recursive=True) if is_script(child)]
            if found:
                return found
        time.sleep(0.05)
    return []


def is_script(process):
    return any(part.startswith("scripts/") for part in process.cmdline()[1:2])


def checkpoints(folder):
    """{folder of a training under work/: the step of its newest whole checkpoint}."""
    found = {}
    for place, names, _ in os.walk(folder / "work"):  # which does not mind what disappears meanwhile
        for name in names:
            with suppress(OSError):
                if name.startswith("step-") and name.endswith(f"-{folder_digest(Path(place, name))}"):
                    training = Path(place).relative_to(folder / "work").as_posix()
                    found[training] = max(found.get(training, 0), int(name.split("-")[1]))
    return found


def lost(before, after):
    """The trainings that fell back to an earlier step; one without a checkpoint has ended, or its end was cut off."""
    return [training for training, step in after.items() if step < before.get(training, 0)]


def resumptions(folder):
    """How often a training said that it went on from a checkpoint, in the last run that was started in `folder`."""
    return (folder / "output.txt").read_text().count("resumed from step")


def wait_for_orphans(folder):
    """Trainings that outlived their Snakemake are told to stop, and hold the lock of their work folder until then."""
    for place, _, names in os.walk(folder / "work"):
        if LOCK in names:
            with suppress(FileNotFoundError), open(Path(place, LOCK), "rb+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)


def nothing_partial(folder):
    """Assert that no run left anything half done in a folder: no part of an output or a download, nothing unzipped, no checkpoint."""
    assert not [path for path in folder.rglob("*") if path.name.startswith(".part-")]
    cache = folder / "assets" / ".cache"
    assert not [path for path in (*cache.glob(".*"), *cache.glob("wheels/.*")) if path.is_dir()]
    assert not [path for path in (folder / "work").rglob("*") if path.is_file()]
