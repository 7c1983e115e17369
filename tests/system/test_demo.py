"""The demo, as a new user gets it, and its report in a browser."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "results" / "demo"
PAGES = [DEMO / "report" / f"report.{language}.html" for language in ("en", "fa")]


def make(target):
    start = time.monotonic()
    run = subprocess.run(
        ["make", "--no-print-directory", target],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return run, time.monotonic() - start


@pytest.fixture(scope="module")
def demo():
    """The demo, made if it is not there, and how long that took."""
    run, seconds = make("demo")
    assert run.returncode == 0, run.stdout[-8000:]
    print(f"\nmake demo took {seconds / 60:.1f} minutes")
    return run.stdout


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_browser_opens_the_report_without_a_network(demo, page, tmp_path):
    chromium = shutil.which("chromium")
    assert chromium, "chromium is missing: apt-get install chromium"
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
        "--disable-sync", "--no-first-run", f"--user-data-dir={tmp_path / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND",
        "--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    run = subprocess.run(command, text=True, capture_output=True, timeout=120, check=False, env=os.environ | {"HOME": str(tmp_path)})
    assert run.returncode == 0, run.stderr[-2000:]
    assert 'id="P8"' in run.stdout
    assert not re.findall(r".*CONSOLE.*", run.stderr)
