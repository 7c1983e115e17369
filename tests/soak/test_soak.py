"""The long proofs, on the demo: made twice, its trainings killed, under conda, and the study on its models. `make soak` runs them."""

import random

import pytest
import yaml

from conda_run import under_conda
from demo_run import DEMO, ROOT, demo  # noqa: F401
from kills import WAYS, ended, kill, nothing_partial, seed_of_kills, started
from runs import copy_of_project, snakemake
from same_files import different, of_run

OPTIONS = ["--cores", "2", "--configfile", "presets/demo.yaml", "--show-failed-logs"]
OFTEN = ["--set-resources", "finetune:checkpoint_minutes=0.2", "ner_train:checkpoint_minutes=0.2", "--"]
STUDY = [*OPTIONS[:-1], "presets/study.yaml", OPTIONS[-1]]
TRAINED = ["ner", *(f"summarization/systems/{name}" for name in ("smollm2_tuned", "smollm2_retuned", "smollm2_tuned_again"))]
KILLS = 3  # of each training
LONGEST = 20  # seconds from a checkpoint to the kill


@pytest.fixture(scope="module")
def again(tmp_path_factory, demo):  # noqa: F811
    """A copy of the project in which the demo has run a second time."""
    folder = copy_with_assets(tmp_path_factory.mktemp("again"))
    ended(started(folder, OPTIONS), folder)
    return folder


def copy_with_assets(folder):
    copy_of_project(folder)
    (folder / "assets").symlink_to(ROOT / "assets")
    return folder


def test_the_demo_made_twice(again, record_property):
    made = of_run(DEMO)
    assert made == of_run(again / "results" / "demo")
    assert different(DEMO, again / "results" / "demo") == []
    record_property("found", f"{len(made)} files of data, weights, summaries, scores and figures; all the same but for timings")


def test_the_demo_s_trainings_killed(tmp_path, demo, record_property):  # noqa: F811
    seed = seed_of_kills()
    draw, folder, resumed = random.Random(seed), copy_with_assets(tmp_path), 0
    for place in TRAINED:
        target = [*OPTIONS, *OFTEN, f"results/demo/{place}/model"]
        for _ in range(KILLS):
            resumed += bool(kill(folder, target, draw.choice(WAYS), draw.uniform(0, LONGEST), patience=1800))
        ended(started(folder, target), folder)
        assert different(DEMO / place / "model", folder / "results" / "demo" / place / "model") == []
    nothing_partial(folder)
    kills = KILLS * len(TRAINED)
    record_property(
        "found", f"{kills} kills of {len(TRAINED)} trainings, {resumed} with a checkpoint to go on from (seed {seed}); the same models"
    )
    assert resumed > kills / 2


def test_the_demo_under_conda(tmp_path, demo, record_property):  # noqa: F811
    folder = under_conda(copy_with_assets(tmp_path), "presets/demo.yaml", "demo_conda")
    made = folder / "results" / "demo_conda"
    scores = [path for path in of_run(DEMO) if path.endswith(("predictions.jsonl", "scores.json", "metrics.json"))]
    assert [path for path in scores if (DEMO / path).read_bytes() != (made / path).read_bytes()] == []
    record_property("found", f"{len(scores)} files of predictions and scores, the same as from the environment of the lock")


def test_the_study_on_the_demo_s_models(again, record_property):
    """After the comparison of the two demos, whose second it goes on from."""
    ended(started(again, STUDY), again)
    settings = yaml.safe_load((again / "presets" / "study.yaml").read_text(encoding="utf-8"))["summarization"]
    results = again / "results" / "demo" / "summarization"
    missing = [name for name in settings["systems"] if not (results / "systems" / name / "scores.json").is_file()]
    missing += [name for name in settings["studies"] if not (results / "studies" / f"{name}.csv").is_file()]
    assert missing == []
    assert "Nothing to be done" in snakemake(again, "-n", *STUDY).stdout
    record_property(
        "found", f"{len(settings['systems'])} further systems in {len(settings['studies'])} studies, to their tables and the report"
    )
