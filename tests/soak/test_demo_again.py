"""The demo made a second time, and the study on the models of that run."""

import pytest
import yaml

from demo_copy import OPTIONS, copy_with_assets
from demo_run import DEMO, demo  # noqa: F401
from kills import ended, started
from runs import snakemake
from same_files import different, of_run

STUDY = [*OPTIONS[:-1], "presets/study.yaml", OPTIONS[-1]]


@pytest.fixture(scope="module")
def again(tmp_path_factory, demo):  # noqa: F811
    """A copy of the project in which the demo has run a second time."""
    folder = copy_with_assets(tmp_path_factory.mktemp("again"))
    ended(started(folder, OPTIONS), folder)
    return folder


def test_the_demo_made_twice(again, record_property):
    made = of_run(DEMO)
    assert made == of_run(again / "results" / "demo")
    assert different(DEMO, again / "results" / "demo") == []
    record_property("found", f"{len(made)} files of data, weights, summaries, scores and figures; all the same but for timings")


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
