"""Two clean runs on one machine: the same data, weights, summaries, scores, tables and reports, byte for byte; under conda and not."""

import json
import shutil
import subprocess

from conda_run import snakemake_with_conda
from runs import CORES, planned
from same_files import different, is_timed, of_run
from sources_run import CONFIG, RUN, TARGETS

INSTALLED = "environment.json"  # lists the packages of the environment, of which conda's holds fewer
PAGES = [RUN / "report" / f"report.{language}.{format}" for language in ("en", "fa") for format in ("md", "html")]


def test_two_runs_make_the_same_files(finished, again, record_property):
    made = of_run(finished / RUN)
    assert made == of_run(again / RUN)
    assert {"ner/metrics.json", "ner/model/model.safetensors", "summarization/comparison.csv", "report/figures/scores.en.svg"} <= set(made)
    assert different(finished / RUN, again / RUN) == [INSTALLED]
    here, there = (json.loads((place / RUN / INSTALLED).read_text()) for place in (again, finished))
    assert here["packages"].items() < there["packages"].items()
    assert there["packages"].keys() - here["packages"].keys() == {"snakemake"}
    record_property("found", f"{len(made)} files, the same but for timings and for the list of what is installed")


def test_with_the_timings_of_the_other_a_run_makes_its_report(finished, again):
    for path in [*filter(is_timed, of_run(finished / RUN)), INSTALLED]:
        shutil.copy(finished / RUN / path, again / RUN / path)
    for place in ("benchmarks", "logs"):
        shutil.copytree(finished / place, again / place, dirs_exist_ok=True, copy_function=shutil.copy)  # older ones would run all again
    run = snakemake_with_conda(again, *CORES, *CONFIG, "--forcerun", "report", "--", *TARGETS)
    assert run.returncode == 0, run.stdout[-3000:]
    assert planned(run.stdout) == {"report": 1, "submission": 1, "all": 1}
    assert [page.name for page in PAGES if (finished / page).read_bytes() != (again / page).read_bytes()] == []


def test_a_run_on_another_disk_leaves_nothing_behind_on_this_one(again):
    for name in ("results", "assets"):
        assert (again / name).is_symlink()
    assert not [path for place in ("results", "assets") for path in (again / place).resolve().rglob(".part-*")]


def test_the_report_of_a_finished_run_survives_without_its_models(again):
    """The last of this file: it deletes the models."""
    pages = {page: (again / page).read_bytes() for page in PAGES}
    refused = subprocess.run(["make", "clean-models", "RUN=none"], cwd=again, text=True, capture_output=True, check=False)
    assert refused.returncode != 0
    assert "error: RUN: found 'none'; expected a finished run in results/" in refused.stderr
    subprocess.run(["make", "clean-models", "RUN=reruns"], cwd=again, check=True)
    assert not list((again / RUN).rglob("*.safetensors"))
    run = snakemake_with_conda(again, "-n", *CONFIG, "--", *TARGETS)
    assert "Nothing to be done" in run.stdout, run.stdout[-2000:]
    assert pages == {page: (again / page).read_bytes() for page in PAGES}
    (again / "name.yaml").write_text("student_name: Another\n")
    run = snakemake_with_conda(again, "-n", "--quiet", "rules", *CONFIG, "name.yaml", "--", *TARGETS)
    assert planned(run.stdout) == {"record_config": 1, "report": 1, "submission": 1, "all": 1}
