"""The smoke preset on a Slurm cluster of three nodes; and jobs that are cancelled, short of memory, or on a node that dies."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from kills import checkpoints, ended, started
from runs import copy_of_project, planned, snakemake
from slurm_cluster import Cluster, wait_until

ON_NODES = Path(__file__).parent / "on_nodes"
HERE = ("preflight.py", "fetch.py", "provenance.py", "record_config.py")  # what runs where Snakemake does
HERE += ("lead.py", "text_statistics.py", "compare_systems.py", "report.py")
ON_GPU = ("ner_train.py", "ner_evaluate.py", "finetune.py", "generate.py", "score.py", "qualities.py")
TUNED = "results/smoke/summarization/systems/smollm2_tuned"

# nodes of one or two processors: jobs of one thread, of which some wait in the cluster's queue; and not the time between two looks at it
OPTIONS = ("--jobs", "10", "--max-threads", "1", "--configfile", "presets/smoke.yaml")
SLURM = ("--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "3", *OPTIONS)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster")) as up:
        yield up


@pytest.fixture(scope="module")
def finished(cluster, tmp_path_factory):
    """A copy of the project in which the smoke preset has run on the cluster."""
    folder = copy_of_project(tmp_path_factory.mktemp("finished"))
    (folder / "places").mkdir()
    run = snakemake(folder, *SLURM, PYTHONPATH=str(ON_NODES), KARGAH_PLACES=str(folder / "places"))
    assert run.returncode == 0, run.stdout[-6000:]
    return folder


@pytest.fixture
def copy(finished, tmp_path):
    """A function: another copy of the finished run, from which files of it are gone."""

    def without(*files):
        folder = tmp_path / "run"
        shutil.copytree(finished, folder, symlinks=True)
        for file in files:
            (folder / file).unlink()
        return folder

    return without


def test_the_smoke_preset_ends_with_a_report_and_nothing_to_do(finished):
    for language in ("en", "fa"):
        assert (finished / "results" / "smoke" / "report" / f"report.{language}.html").stat().st_size > 100_000
    again = snakemake(finished, "-n", *SLURM)
    assert "Nothing to be done" in again.stdout, again.stdout[-3000:]


def test_jobs_with_a_gpu_run_where_there_is_one_and_small_ones_here(finished):
    places = [json.loads(path.read_text()) for path in (finished / "places").iterdir()]
    found = {}
    for place in places:
        found.setdefault(place["script"], set()).add((place["node"], place["gpu"] is not None))
    assert len(found) > 15
    for script, nodes in found.items():
        expected = {("", False)} if script in HERE else {("n3", True)} if script in ON_GPU else {("n1", False), ("n2", False)}
        assert nodes <= expected, script
    assert {node for nodes in found.values() for node, _ in nodes} == {"", "n1", "n2", "n3"}
    assert all(place["offline"] for place in places if place["node"])
    assert all(place["own_snakemake"] for place in places), "a job follows a Snakemake of another machine to its end"


def test_shards_are_jobs_of_their_own(cluster, copy):
    predictions, folder = "results/smoke/summarization/systems/smollm2_base/predictions.jsonl", copy()
    before = ids_of(folder / predictions)
    run = snakemake(folder, *SLURM, "--set-scatter", "generation=2", "--", predictions, PYTHONPATH=str(ON_NODES))
    assert run.returncode == 0, run.stdout[-6000:]
    assert planned(run.stdout) == {"generate": 2, "gather_predictions": 1}
    jobs = [job for job in cluster.jobs() if job["rule"].startswith("rule_generate")][-2:]
    assert [(job["state"], job["node"]) for job in jobs] == [("COMPLETED", "n3")] * 2
    assert ids_of(folder / predictions) == before


def test_a_cancelled_training_is_reported_and_goes_on_from_its_checkpoint(cluster, copy):
    sentences = "results/smoke/ner/sentences.json"
    folder = copy(f"{TUNED}/training.json", sentences)
    before = (folder / TUNED / "model" / "model.safetensors").read_bytes()
    profile = folder / "profiles" / "slurm" / "config.v8+.yaml"
    profile.write_text(profile.read_text().replace("finetune: *gpu", "finetune: {<<: *gpu, checkpoint_minutes: 0}"))
    command = (*SLURM, "--", f"{TUNED}/training.json", sentences)
    first = started(folder, ["--retries", "0", *command], PYTHONPATH=str(ON_NODES), KARGAH_SLOW="finetune.py:0.5")
    wait_until(lambda: checkpoints(folder), "no checkpoint", 300)
    job = running(cluster, "rule_finetune")
    subprocess.run(["scancel", job["id"]], check=True)
    output = ended(first, folder, 1)
    assert f"SLURM-job '{job['id']}' failed, SLURM status is: 'CANCELLED'" in output
    assert "stopped by SIGTERM after step" in log_of(folder, "finetune/smollm2_tuned.log")
    assert (folder / sentences).exists()
    again = snakemake(folder, *command)
    assert again.returncode == 0, again.stdout[-6000:]
    assert "resumed from step" in log_of(folder, "finetune/smollm2_tuned.log")
    assert (folder / TUNED / "model" / "model.safetensors").read_bytes() == before


def test_a_job_out_of_memory_succeeds_with_more(cluster, copy):
    lengths = "results/smoke/summarization/lengths/llama.json"
    folder = copy(lengths)
    run = snakemake(folder, *SLURM, "--", lengths, PYTHONPATH=str(ON_NODES), KARGAH_TAKES="length_statistics.py:1800")
    assert run.returncode == 0, run.stdout[-6000:]
    jobs = [job for job in cluster.jobs() if job["rule"].startswith("rule_token_lengths")][-2:]
    assert [(job["state"], job["memory"]) for job in jobs] == [("FAILED", "2000M"), ("COMPLETED", "4000M")]
    logs = folder / ".snakemake" / "slurm_logs" / "rule_token_lengths" / "llama"
    assert "exceeded memory limit" in (logs / f"{jobs[0]['id']}.log").read_text()
    assert (folder / lengths).exists()


def test_jobs_of_a_node_that_dies_run_on_another(cluster, copy):
    sentences = [f"results/smoke/ner/{place}sentences.json" for place in ("", "variants/as_downloaded/")]
    folder = copy(*sentences)
    run = started(folder, [*SLURM, "--", *sentences], PYTHONPATH=str(ON_NODES), KARGAH_HANGS="n1")
    wait_until(lambda: [job for job in cluster.jobs("RUNNING") if job["node"] == "n1"], "nothing runs on n1", 300)
    cluster.kill_node("n1")
    output = ended(run, folder, 0)
    assert "SLURM status is: 'NODE_FAIL'" in output
    jobs = [job for job in cluster.jobs() if job["rule"].startswith("rule_ner_predict")][-3:]
    assert sorted((job["state"], job["node"]) for job in jobs) == [("COMPLETED", "n2"), ("COMPLETED", "n2"), ("NODE_FAIL", "n1")]
    assert all((folder / path).exists() for path in sentences)


def ids_of(predictions):
    return [json.loads(line)["id"] for line in predictions.read_text().splitlines()]


def running(cluster, rule):
    return next(job for job in cluster.jobs("RUNNING") if job["rule"].startswith(rule))


def log_of(folder, name):
    return (folder / "logs" / "smoke" / name).read_text()


# ------------------------------------------------------------------ the fallback profile


def test_any_cluster_with_a_submit_command(cluster, tmp_path):
    folder = copy_of_project(tmp_path / "run")
    splits = ["results/smoke/ner/test.parquet", "results/smoke/summarization/test.parquet"]
    generic = ("--profile", "profiles/cluster-generic", "--seconds-between-status-checks", "3", *OPTIONS)
    before = {job["id"] for job in cluster.jobs()}
    run = snakemake(folder, *generic, "--", *splits)
    assert run.returncode == 0, run.stdout[-6000:]
    assert [job["state"] for job in cluster.jobs() if job["id"] not in before] == ["COMPLETED"] * 2
    assert all((folder / path).exists() for path in splits)
