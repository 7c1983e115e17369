"""The demo, as a new user gets it."""

import json
import subprocess
import sys

import pandas as pd
import pytest
import yaml

from demo_run import DEMO, PAGES, ROOT, make


def test_it_ends_with_the_report_s_path(demo):
    assert demo.rstrip().splitlines()[-2:] == ["  results/demo/report/report.en.html", "  results/demo/report/report.fa.html"]
    assert all(page.is_file() for page in PAGES)


def test_a_second_time_has_nothing_to_do(demo):
    run, seconds = make("demo")
    assert run.returncode == 0
    assert "Nothing to be done" in run.stdout
    assert seconds < 20


def test_the_numbers_mean_something(demo):
    metrics = json.loads((DEMO / "ner" / "metrics.json").read_text())["test"]
    assert metrics["by_language"]["en"]["f1"]["value"] >= 0.6
    assert metrics["by_language"]["fa"]["f1"]["value"] >= 0.4
    for system in ("smollm2_pruned", "smollm2_retuned"):
        table = pd.read_csv(DEMO / "summarization" / "systems" / system / "sparsity.csv").set_index("layer")
        assert table.loc["prunable", "sparsity"] == pytest.approx(0.3, abs=0.0005)
    scores = pd.read_csv(DEMO / "summarization" / "comparison.csv").set_index("system")
    assert (scores.rouge1 > 5).all()


def test_the_saved_tagger_gives_its_scores_again(demo, tmp_path):
    """In a fresh process, to the digit."""
    ner = DEMO / "ner"
    command = [sys.executable, "scripts/ner_evaluate.py", "--model", ner / "model", "--labels", ner / "labels.json"]
    command += ["--validation", ner / "validation.parquet", "--test", ner / "test.parquet"]
    config = yaml.safe_load((DEMO / "config.yaml").read_text())
    command += ["--batch-size", config["ner"]["training"]["per_device_eval_batch_size"], "--precision", config["ner"]["precision"]]
    command += ["--seed", config["seed"], "--predictions", tmp_path / "predictions.jsonl", "--errors", tmp_path / "errors.json"]
    run = subprocess.run(
        [*map(str, command), "--metrics", tmp_path / "metrics.json"], cwd=ROOT, text=True, capture_output=True, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    for name in ("metrics.json", "predictions.jsonl", "errors.json"):
        assert (tmp_path / name).read_bytes() == (ner / name).read_bytes(), name
