"""A run killed and started again twenty times: it ends with the files of one that was left alone.

KARGAH_KILLS_SEED=n draws the moments that a run of this test has printed.
"""

import json
import random

from kills import LETS_JOBS_END, WAYS, ended, kill, lost, nothing_partial, resumptions, seed_of_kills, started
from lib.manifest import files_of
from runs import CORES
from same_files import different, of_run
from sources_run import CONFIG, RUN, TARGETS, sources

KILLS = 20
EVERY_WAY = (*WAYS, LETS_JOBS_END)
OPTIONS = [*CORES, "--show-failed-logs", *CONFIG]
EVERY_STEP = ["--set-resources", "finetune:checkpoint_minutes=0", "ner_train:checkpoint_minutes=0", "--", *TARGETS]


def test_a_run_that_was_killed_again_and_again_ends_as_one_that_was_not(finished, tmp_path, record_property):
    seed, seconds, resumable, resumed = seed_of_kills(), float((finished / "seconds.txt").read_text()), 0, 0
    draw = random.Random(seed)
    print(f"\nKARGAH_KILLS_SEED={seed}")
    before = {}
    with sources(tmp_path) as variables:
        for number in range(KILLS):
            how, of_a_training = EVERY_WAY[number // 2 % len(EVERY_WAY)], number % 2
            moment = draw.uniform(0, 1 if of_a_training else 2 * seconds / KILLS)
            left = kill(tmp_path, [*OPTIONS, *EVERY_STEP], how, moment, seconds if of_a_training else 0, **variables)
            said = ", ".join(f"{place} step {step}" for place, step in sorted(left.items()))
            print(f"{number}: {how} after {moment:.2f} s; checkpoints: {said or 'none'}")
            assert lost(before, left) == []
            before = left
            resumable += bool(left)
            resumed += resumptions(tmp_path)
        ended(started(tmp_path, [*OPTIONS, *EVERY_STEP], **variables), tmp_path)
        resumed += resumptions(tmp_path)
    said = f"{KILLS} kills, {resumable} of them with a checkpoint to go on from, as trainings did {resumed} times (seed {seed})"
    record_property("found", f"{said}; the same files at the end")
    print(said)
    assert resumed >= resumable / 2 > 0
    assert of_run(finished / RUN) == of_run(tmp_path / RUN)
    assert different(finished / RUN, tmp_path / RUN) == []
    logs = [path.relative_to(finished) for path in (finished / RUN).rglob("training_log.jsonl")]
    assert len(logs) > 3
    assert [log for log in logs if steps(finished / log) != steps(tmp_path / log)] == []
    assert fetched(finished) == fetched(tmp_path)
    nothing_partial(tmp_path)


def steps(log):
    return [{**json.loads(line), "seconds": None} for line in log.read_text().splitlines()]


def fetched(project):
    """{path: content} of the files in the folders of assets."""
    folders = project.glob("assets/[!.]*/*/")
    return {
        (folder.relative_to(project) / file).as_posix(): (folder / file).read_bytes() for folder in folders for file in files_of(folder)
    }
