"""The smoke preset with longer trainings, killed and started again twenty times: it ends with the files of a run that was left alone.

KARGAH_KILLS_SEED=n draws the moments that a run of this test has printed.
"""

import json
import random
import time

import yaml

from kills import WAYS, finished, kill, nothing_partial, seed_of_kills
from runs import copy_of_project

KILLS = 20
OPTIONS = ["--cores", "2", "--configfile", "presets/smoke.yaml", "longer.yaml", "--show-failed-logs"]
EVERY_STEP = ["--set-resources", "finetune:checkpoint_minutes=0", "ner_train:checkpoint_minutes=0", "--"]
LONGER = {"num_train_epochs": 10}  # some seconds with a checkpoint after every step, so that kills meet trainings
TIMED = {"speed.json", "preflight.json"}  # and what shows them
MARKERS = {".snakemake_timestamp"}  # Snakemake's own, in a folder that it saw finished; a job that outlived its Snakemake leaves none


def test_a_run_that_was_killed_again_and_again_ends_as_one_that_was_not(tmp_path, record_property):
    seed = seed_of_kills()
    draw = random.Random(seed)
    print(f"\nKARGAH_KILLS_SEED={seed}")
    alone, killed = (copy_with_longer_trainings(tmp_path / name) for name in ("alone", "killed"))
    start = time.monotonic()
    finished(alone, [*OPTIONS, *EVERY_STEP])
    seconds = time.monotonic() - start
    resumed = 0
    for number in range(KILLS):
        how, of_a_training = draw.choice(WAYS), number % 2
        moment = draw.uniform(0, 1 if of_a_training else 2 * seconds / KILLS)
        left = kill(killed, [*OPTIONS, *EVERY_STEP], how, moment, patience=seconds if of_a_training else 0)
        print(f"{number}: {how} after {moment:.2f} s; checkpoints: {', '.join(sorted(left)) or 'none'}")
        resumed += bool(left)
    finished(killed, [*OPTIONS, *EVERY_STEP])
    record_property("found", f"{KILLS} kills, {resumed} of them with a checkpoint to go on from (seed {seed}); the same files at the end")
    assert resumed > 0, "no kill met a training"
    same(alone, killed)
    nothing_partial(killed)


def copy_with_longer_trainings(folder):
    copy_of_project(folder)
    (folder / "longer.yaml").write_text(yaml.safe_dump({"ner": {"training": LONGER}, "summarization": {"training": LONGER}}))
    return folder


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
