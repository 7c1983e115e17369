"""The assignment's own chain on real test data: config.yaml with local copies in place of the hub's, and random models."""

import json
import os
import sys
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))
from runs import CORES, ROOT, copy_of_project, snakemake

SMOKE = yaml.safe_load((ROOT / "presets" / "smoke.yaml").read_text())
PERSIAN_DIGITS = str.maketrans("0123456789.", "۰۱۲۳۴۵۶۷۸۹٫")
PLAIN = {"gradient_checkpointing": False}  # the models are small
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
        # all rows are audited and cleaned; training takes all Persian ones, and a sample of the English ones, for time
        "ner": {
            "datasets": {"conll2003": {"limit": {"train": 600, "validation": 100, "test": 200}}},
            "training": PLAIN,
        },
        "summarization": {
            "splits": {"train": 80, "validation": 20, "test": 40},
            "training": PLAIN,
            "bertscore": {"layer": 2},
        },
    }
    folder = copy_of_project(tmp_path_factory.mktemp("real"))
    (folder / "real.yaml").write_text(yaml.safe_dump(local))
    run = snakemake(folder, *CORES, "--configfile", "real.yaml", "--show-failed-logs", timeout=2400)
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
    assert train["cleaned_rows"] == 3932  # 3,935 are unique and not in validation or test; 3 of them differ little from one there


def findings(results, name, dataset="peyma_arman", **detail):
    """The audit's findings of one kind in a data set, those whose detail holds these values."""
    return [
        finding
        for finding in json.loads((results / "ner" / "audit.json").read_text())["findings"]
        if (finding["id"], finding["dataset"]) == (name, dataset) and finding["detail"].items() >= detail.items()
    ]


def test_the_audit_names_what_is_wrong_with_the_persian_set(results):
    (repeated,) = findings(results, "repeated_sentences")
    copies = repeated["detail"]["sentences_by_copies"]
    assert set(copies) <= {"3", "6", "9", "12", "15"}, "every sentence stands in it three times, or a multiple of that"
    assert copies["3"] > 0.98 * sum(copies.values())
    (leak,) = (finding for finding in findings(results, "duplicates_across", **{"in": "train"}) if finding["split"] == "test")
    assert round(leak["share"], 3) == 0.967
    assert round(leak["detail"]["unique_share"], 3) == 0.977
    assert leak["fix"] == "deduplicate_across"
    assert leak["fix_on"]
    assert leak["rows_changed"] > 0
    assert findings(results, "tag_conventions", separator="_")
    (silent,) = findings(results, "label_sets", source="arman")
    assert set(silent["detail"]["silent_about"]) == {"MISC", "DAT", "TIM", "MON", "PCT"}
    near = {
        (finding["split"], finding["detail"]["in"]): finding["count"]
        for finding in findings(results, "near_duplicates_across", "conll2003")
    }
    assert near == {("test", "train"): 12, ("test", "validation"): 4, ("validation", "train"): 57}
    assert not findings(results, "near_duplicates_across"), "what resembles a test sentence there is a copy of one"


def test_the_leak_stands_beside_the_clean_score(results):
    leaky = json.loads((results / "ner" / "variants" / "as_downloaded" / "metrics.json").read_text())
    seen = leaky["test_unseen"]["seen"]
    clean = json.loads((results / "ner" / "metrics.json").read_text())
    downloaded = pd.read_parquet(results / "ner" / "variants" / "as_downloaded" / "test.parquet")
    assert seen["rows"] == len(downloaded)
    assert seen["copies"] > 0.96 * (downloaded.language == "fa").sum()
    assert leaky["test_unseen"]["overall"]["sentences"] == seen["rows"] - seen["copies"] - seen["near"]
    leak = "(../ner/variants/as_downloaded/metrics.json)"
    for language in ("en", "fa"):
        report = (results / "report" / f"report.{language}.md").read_text(encoding="utf-8")
        (table,) = [block for block, source in pairwise(report.split("\n\n")) if block.startswith("| ") and leak in source]
        for block in (leaky["test"]["overall"], leaky["test_unseen"]["overall"], clean["test"]["overall"]):
            shown = f"{block['f1']['value']:.3f}".translate({} if language == "en" else PERSIAN_DIGITS)
            assert shown in table, shown


def test_the_sizes_are_the_configured_ones(results):
    sizes = {name: len(pd.read_parquet(results / "summarization" / f"{name}.parquet")) for name in ("train", "validation", "test")}
    assert sizes == {"train": 80, "validation": 20, "test": 40}
