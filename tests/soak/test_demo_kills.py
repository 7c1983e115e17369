"""The demo's trainings, killed and started again."""

import random

from demo_copy import OPTIONS, copy_with_assets
from demo_run import DEMO, demo  # noqa: F401
from kills import WAYS, ended, kill, nothing_partial, resumptions, seed_of_kills, started
from same_files import different

OFTEN = ["--set-resources", "finetune:checkpoint_minutes=0.2", "ner_train:checkpoint_minutes=0.2", "--"]
TRAINED = ["ner", *(f"summarization/systems/{name}" for name in ("smollm2_tuned", "smollm2_retuned", "smollm2_tuned_again"))]
KILLS = 3  # of each training
LONGEST = 20  # seconds from a checkpoint to the kill


def test_the_demo_s_trainings_killed(tmp_path, demo, record_property):  # noqa: F811
    seed = seed_of_kills()
    draw, folder, resumable, resumed = random.Random(seed), copy_with_assets(tmp_path), 0, 0
    for place in TRAINED:
        target = [*OPTIONS, *OFTEN, f"results/demo/{place}/model"]
        for _ in range(KILLS):
            resumable += bool(kill(folder, target, draw.choice(WAYS), draw.uniform(0, LONGEST), patience=1800))
            resumed += resumptions(folder)
        ended(started(folder, target), folder)
        resumed += resumptions(folder)
        assert different(DEMO / place / "model", folder / "results" / "demo" / place / "model") == []
    nothing_partial(folder)
    kills = KILLS * len(TRAINED)
    said = f"{kills} kills of {len(TRAINED)} trainings, {resumable} with a checkpoint to go on from, as {resumed} runs did (seed {seed})"
    record_property("found", f"{said}; the same models")
    assert resumed >= resumable / 2 > kills / 4
