"""The assignment's own chain on real test data: config.yaml with local copies in place of the hub's, and random models."""

import json
import os
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))
from runs import ROOT, copy_of_project, snakemake

SMOKE = yaml.safe_load((ROOT / "presets" / "smoke.yaml").read_text())
NO_HUB = {"repository": None, "revision": None, "config": None, "files": None}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    data = os.environ.get("KARGAH_REAL_DATA")
    if not data:
        pytest.skip("KARGAH_REAL_DATA names no folder: the chain was not run on real test data")
    demo = yaml.safe_load((ROOT / "presets" / "demo.yaml").read_text())
    local = {
        "run": "real",
        "models": SMOKE["models"],
        "datasets": {
            "conll2003": demo["datasets"]["conll2003"],
            "peyma_arman": {"source": "local", "path": f"{data}/PEYMA-ARMAN-Mixed", **NO_HUB},
            "cnn_dailymail": {"source": "local", "path": f"{data}/cnn_dailymail", **NO_HUB, "config": "3.0.0"},
        },
        # all rows are audited and cleaned; training takes a sample, for time
        "ner": {"datasets": {name: {"limit": {"train": 600, "validation": 100, "test": 200}} for name in ("conll2003", "peyma_arman")}},
        "summarization": {
            "splits": {"train": 160, "validation": 40, "test": 100},
            "bertscore": {"layer": 2},
        },
    }
    folder = copy_of_project(tmp_path_factory.mktemp("real"))
    (folder / "real.yaml").write_text(yaml.safe_dump(local))
    run = snakemake(folder, "--cores", "2", "--configfile", "real.yaml", "--show-failed-logs", timeout=2400)
    assert run.returncode == 0, run.stdout[-6000:]
    return folder / "results" / "real"


def test_the_chain_reaches_its_report(results):
    for language in ("en", "fa"):
        assert (results / "report" / f"report.{language}.html").stat().st_size > 100_000


def test_no_test_sentence_is_in_train(results):
    splits = {name: pd.read_parquet(results / "ner" / f"{name}.parquet") for name in ("train", "validation", "test")}
    sentences = {name: {" ".join(tokens) for tokens in rows.tokens} for name, rows in splits.items()}
    assert not sentences["test"] & (sentences["train"] | sentences["validation"])
    cleaned = json.loads((results / "ner" / "cleaning.json").read_text())["splits"]
    train = next(entry for entry in cleaned if entry["dataset"] == "peyma_arman" and entry["split"] == "train")
    assert train["downloaded"]["rows"] == 18434
    assert train["cleaned_rows"] == 3935  # unique, and not in validation or test


def test_the_sizes_are_the_configured_ones(results):
    sizes = {name: len(pd.read_parquet(results / "summarization" / f"{name}.parquet")) for name in ("train", "validation", "test")}
    assert sizes == {"train": 160, "validation": 40, "test": 100}
