"""What evaluation says beside the scores of a split: rows of test that train lacks, and types that every source annotates."""

from types import SimpleNamespace

import numpy as np
import pytest

import ner_evaluate
from lib.labels import LabelScheme
from lib.records import write_parquet
from ner_clean import SCHEMA

SCHEME = LabelScheme(
    "masked_union",
    ("PER", "LOC", "DAT"),
    {
        "conll": {"dataset": "conll", "language": "en", "types": ["PER", "LOC"]},
        "peyma": {"dataset": "peyma", "language": "fa", "types": ["PER", "LOC", "DAT"]},
    },
)
NOTHING_SHARED = LabelScheme(
    "masked_union", ("DAT",), {name: source | {"types": ["DAT"] * (name == "peyma")} for name, source in SCHEME.sources.items()}
)
LONG = "The committee for the new harbour of Elmbridge met on Monday and agreed to raise its budget by a third until spring ."
TEST = [
    ("en", "conll", "Ada sleeps", "B-PER O"),
    ("en", "conll", LONG, " ".join(["O"] * 8 + ["B-LOC"] + ["O"] * 14)),
    ("fa", "peyma", "او در يزد است", "O O B-LOC O"),
    ("fa", "peyma", "دیروز مریم آمد", "B-DAT B-PER O"),
    ("en", "conll", "Ada sleeps", "B-PER O"),
]


def rows_of(sentences):
    return [
        {"tokens": text.split(), "ner_tags": tags.split(), "language": language, "source": source}
        for language, source, text, tags in sentences
    ]


@pytest.fixture
def args(tmp_path):
    """Train holds a copy of `Ada sleeps`, one of the sentence about Yazd in other letters, and the long one with one word changed."""
    texts = [("en", "Ada sleeps"), ("fa", "او در یزد است"), ("en", LONG.replace("Monday", "Sunday")), ("en", "Bob walks")]
    train = [{"tokens": text.split(), "ner_tags": ["O"] * len(text.split()), "language": code, "source": "conll"} for code, text in texts]
    write_parquet(tmp_path / "train.parquet", train, SCHEMA)
    return SimpleNamespace(train=tmp_path / "train.parquet", near_threshold=0.8, near_characters=5, seed=1)


def test_copies_and_near_duplicates_in_train_are_seen(args):
    copies, near = ner_evaluate.seen(args.train, rows_of(TEST), args.near_threshold, args.near_characters)
    assert copies.tolist() == [True, False, True, False, True]
    assert near.tolist() == [False, True, False, False, False]
    args.near_threshold = 0.99
    assert not ner_evaluate.seen(args.train, rows_of(TEST), args.near_threshold, args.near_characters)[1].any()


def test_shared_types_leave_out_what_a_source_does_not_annotate():
    rows = rows_of(TEST)
    tags = [row["ner_tags"] for row in rows]
    tags[3] = ["O", "B-PER", "O"]
    languages = np.array([row["language"] for row in rows])
    shared = ner_evaluate.split_metrics(rows, tags, np.zeros(len(rows)), SCHEME, 1)["shared_types"]
    assert shared["types"] == ["PER", "LOC"]
    assert shared["overall"]["f1"]["value"] == 1, "the date that was missed is of no shared type"
    assert {language: block["support"] for language, block in shared["by_language"].items()} == {"en": 3, "fa": 2}
    none = ner_evaluate.shared_types([row["ner_tags"] for row in rows], tags, languages, NOTHING_SHARED, 1)
    assert none == {"types": [], "overall": None, "by_language": {}}


def test_a_source_without_a_learned_type_is_scored_on_nothing():
    rows = rows_of(TEST[:2])
    rows = [row | {"ner_tags": ["O"] * len(row["tokens"])} for row in rows]
    tags = [["B-DAT", "O"], ["O"] * len(rows[1]["tokens"])]
    metrics = ner_evaluate.split_metrics(rows, tags, np.zeros(len(rows)), NOTHING_SHARED, 1)
    assert (metrics["overall"]["support"], metrics["overall"]["outside_annotation"], metrics["overall"]["f1"]["value"]) == (0, 1, 0)


@pytest.mark.parametrize("given", [["--train", "x"], ["--near-threshold", "0.8"], ["--near-threshold", "0.8", "--near-characters", "5"]])
def test_train_and_what_nearly_the_same_means_go_together(given, tmp_path, capsys):
    (tmp_path / "x").write_text("")
    given = [str(tmp_path / "x") if part == "x" else part for part in given]
    files = [part for name in ("validation", "test", "labels") for part in (f"--{name}", str(tmp_path / "x"))]
    outputs = [part for name in ("metrics", "predictions", "errors") for part in (f"--{name}", str(tmp_path / name))]
    (tmp_path / "model").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "model" / name).write_text("{}")
    options = ["--model", str(tmp_path / "model"), "--batch-size", "1", "--precision", "fp32", "--seed", "1"]
    with pytest.raises(SystemExit):
        ner_evaluate.main([*options, *files, *outputs, *given])
    assert "expected all or none" in capsys.readouterr().err
