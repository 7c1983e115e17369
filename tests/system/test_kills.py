"""The smoke preset with longer trainings, killed and started again twenty times: it ends with the files of a run that was left alone.

KARGAH_KILLS_SEED=n draws the moments that a run of this test has printed.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress

import yaml

from runs import TOKEN, copy_of_project, environment

KILLS = 20
OPTIONS = ["--cores", "2", "--configfile", "presets/smoke.yaml", "longer.yaml", "--show-failed-logs"]
LONGER = {"num_train_epochs": 10}  # some seconds with a checkpoint after every step, so that kills meet trainings
EVERY_STEP = ["--set-resources", "finetune:checkpoint_minutes=0", "ner_train:checkpoint_minutes=0", "--"]
TIMED = {"speed.json", "preflight.json"}  # and what shows them
MARKERS = {".snakemake_timestamp"}  # Snakemake's own, in a folder that it saw finished; a job that outlived its Snakemake leaves none


def test_a_run_that_was_killed_again_and_again_ends_as_one_that_was_not(tmp_path):
    seed = int(os.environ.get("KARGAH_KILLS_SEED", random.randrange(10**6)))
    draw = random.Random(seed)
    print(f"\nKARGAH_KILLS_SEED={seed}")
    alone, killed = (copy_with_longer_trainings(tmp_path / name) for name in ("alone", "killed"))
    start = time.monotonic()
    finished(alone)
    seconds = time.monotonic() - start
    resumed = 0
    for number in range(KILLS):
        resumed += kill(killed, draw, seconds, number)
    finished(killed)
    assert resumed > 0, "no kill met a training"
    same(alone, killed)
    assert not [path for path in killed.rglob("*") if path.name.startswith(".part-")]
    assert not [path for path in (killed / "work").rglob("*") if path.is_file()]


def copy_with_longer_trainings(folder):
    copy_of_project(folder)
    (folder / "longer.yaml").write_text(yaml.safe_dump({"ner": {"training": LONGER}, "summarization": {"training": LONGER}}))
    return folder


def started(folder):
    with open(folder / "output.txt", "w") as output:
        command = [sys.executable, "-m", "snakemake", *OPTIONS, *EVERY_STEP]
        return subprocess.Popen(command, cwd=folder, env=environment(HF_TOKEN=TOKEN), stdout=output, stderr=output, start_new_session=True)


def finished(folder):
    run = started(folder)
    assert run.wait(3600) == 0, (folder / "output.txt").read_text()[-6000:]


def kill(folder, draw, seconds, number):
    """Run for a while, then kill; whether that left a checkpoint to go on from.

    Every second time, the while begins when a training has made a checkpoint.
    """
    moment, how = draw.uniform(0, 2 * seconds / KILLS), draw.choice(["kill all", "kill Snakemake", "ask all to stop"])
    before = checkpoints(folder)
    run = started(folder)
    if number % 2:
        moment = draw.uniform(0, 1)
        deadline = time.monotonic() + seconds
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
    left = checkpoints(folder)
    print(f"{number}: {how} after {moment:.2f} s; checkpoints: {', '.join(sorted(left)) or 'none'}")
    return len(left)


def checkpoints(folder):
    return {str(path.relative_to(folder / "work")) for path in (folder / "work").rglob("step-*")}


def same(alone, killed):
    """All files of both runs but logs and timings, byte for byte."""
    kept = [
        {path.relative_to(folder): path for place in ("results", "assets") for path in (folder / place).rglob("*") if compared(path)}
        for folder in (alone, killed)
    ]
    assert set(kept[0]) == set(kept[1])
    assert len(kept[0]) > 100
    different = [str(name) for name, path in kept[0].items() if content(path) != content(kept[1][name])]
    assert not different


def compared(path):
    return path.is_file() and path.name not in TIMED | MARKERS and "report" not in path.parts and ".cache" not in path.parts


def content(path):
    if path.name == "training_log.jsonl":
        return [{**json.loads(line), "seconds": None} for line in path.read_text().splitlines()]
    return path.read_bytes()
