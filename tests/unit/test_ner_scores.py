"""Scores: as seqeval has them in its strict mode, on the types that each source annotates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOB2, Entities

from lib.ner_scores import Scores, compare, confusion, entities

TYPES = ["PER", "LOC", "ORG"]
TAG = st.sampled_from(["O", *(f"{prefix}-{label}" for label in TYPES for prefix in "BI")])
PAIRS = st.lists(st.lists(st.tuples(TAG, TAG), min_size=1, max_size=12), min_size=1, max_size=6)
ALL = set(TYPES)


def split(pairs):
    return [[gold for gold, _ in sentence] for sentence in pairs], [[found for _, found in sentence] for sentence in pairs]


@given(st.lists(TAG, min_size=1, max_size=15))
def test_entities_are_seqevals(tags):
    theirs = [(entity.tag, entity.start, entity.end) for entity in Entities([tags], IOB2).entities[0]]
    assert entities(tags) == theirs


@settings(deadline=None)
@given(PAIRS)
def test_scores_are_seqevals(pairs):
    gold, found = split(pairs)
    point = Scores(gold, found, [ALL] * len(gold), TYPES).point()
    if not any(entities(tags) for tags in gold + found):  # seqeval raises
        assert point["f1"] == 0
        return
    for name, score in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        assert point[name] == pytest.approx(score(gold, found, mode="strict", scheme=IOB2, zero_division=0))
    assert point["accuracy"] == pytest.approx(np.mean([one == other for sentence in pairs for one, other in sentence]))


def test_types_that_a_source_lacks_are_counted_apart():
    gold = [["B-PER", "O", "O", "B-ORG"], ["B-PER", "O", "O", "B-ORG"]]
    found = [["B-PER", "B-LOC", "I-LOC", "B-ORG"]] * 2
    scores = Scores(gold, found, [{"PER"}, ALL], TYPES)
    assert scores.outside.tolist() == [2, 0]
    assert Scores(gold[:1], found[:1], [{"PER"}], TYPES).point() == {"accuracy": 1.0, "precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert scores.point()["precision"] == pytest.approx(3 / 4)
    assert scores.point()["accuracy"] == pytest.approx(6 / 8)


def test_intervals_hold_the_value_and_repeat():
    generator = np.random.default_rng(0)
    gold = [["B-PER" if generator.random() < 0.5 else "O" for _ in range(8)] for _ in range(60)]
    found = [[tag if generator.random() < 0.8 else "O" for tag in tags] for tags in gold]
    scores = Scores(gold, found, [ALL] * 60, TYPES)
    block, by_type = scores.summary(seed=1)
    for name in ("accuracy", "precision", "recall", "f1"):
        assert block[name]["low"] <= block[name]["value"] <= block[name]["high"]
        assert block[name]["value"] == pytest.approx(scores.point()[name])
    assert block["f1"]["high"] - block["f1"]["low"] > 0.01
    assert by_type["PER"]["f1"] == block["f1"]
    assert by_type["LOC"] == {name: {"value": 0.0, "low": 0.0, "high": 0.0} for name in ("precision", "recall", "f1")} | {"support": 0}
    assert scores.summary(seed=1) == (block, by_type)
    assert scores.summary(seed=2)[0]["f1"] != block["f1"]


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Of 200 test sets drawn from a tagger that is right on 70 % of the entities, about 95 % have its recall in their interval."""
    generator, hits = np.random.default_rng(0), 0
    for seed in range(200):
        right = generator.random((80, 3)) < 0.7  # entities of a sentence
        gold = [["B-PER", "O"] * 3] * 80
        found = [[tag for known in row for tag in ("B-PER" if known else "O", "O")] for row in right]
        interval = Scores(gold, found, [ALL] * 80, TYPES).summary(seed)[0]["recall"]
        hits += interval["low"] <= 0.7 <= interval["high"]
    assert 0.90 <= hits / 200 <= 0.99


def test_copies_of_a_sentence_make_no_interval_narrower():
    gold = [["B-PER"]] * 40
    found = [["B-PER"] if number % 3 else ["O"] for number in range(40)]
    once = Scores(gold, found, [ALL] * 40, TYPES).summary(1)[0]
    keys = [number % 40 for number in range(120)]
    thrice = Scores(gold * 3, found * 3, [ALL] * 120, TYPES, keys).summary(1)[0]
    assert thrice["recall"] == once["recall"]
    assert (thrice["sentences"], thrice["different_sentences"], once["different_sentences"]) == (120, 40, 40)
    assert Scores(gold * 3, found * 3, [ALL] * 120, TYPES).summary(1)[0]["recall"]["low"] > once["recall"]["low"]


def test_a_part_of_the_sentences_is_scored_by_itself():
    gold, found = [["B-PER"], ["B-PER"], ["B-LOC"]], [["B-PER"], ["O"], ["B-LOC"]]
    scores = Scores(gold, found, [ALL] * 3, TYPES)
    block, _ = scores.summary(1, np.array([True, False, True]))
    assert block["f1"]["value"] == 1
    assert (block["support"], block["sentences"], block["tokens"]) == (2, 2, 2)


@pytest.mark.parametrize(
    ("gold", "found", "expected"),
    [
        ("B-PER I-PER O", "B-PER I-PER O", []),
        ("B-PER I-PER O", "O O O", [("missed", ("PER", 0, 2), None)]),
        ("O O O", "O B-LOC O", [("spurious", None, ("LOC", 1, 2))]),
        ("B-PER I-PER O", "B-PER O O", [("boundary", ("PER", 0, 2), ("PER", 0, 1))]),
        ("B-PER I-PER O", "B-LOC I-LOC O", [("type", ("PER", 0, 2), ("LOC", 0, 2))]),
        ("B-PER I-PER O", "B-LOC O O", [("type_and_boundary", ("PER", 0, 2), ("LOC", 0, 1))]),
        (
            "B-PER I-PER I-PER",
            "B-PER I-PER B-LOC",
            [("boundary", ("PER", 0, 3), ("PER", 0, 2)), ("spurious", None, ("LOC", 2, 3))],
        ),
    ],
)
def test_kinds_of_errors(gold, found, expected):
    assert compare(gold.split(), found.split()) == expected


@given(PAIRS)
def test_every_entity_stands_in_the_confusion_table_once(pairs):
    gold, found = split(pairs)
    table = np.array(confusion(gold, found, TYPES)["counts"])
    assert table[:-1].sum() == sum(len(entities(tags)) for tags in gold)
    assert table[-1].sum() + sum(table[row, column] for row in range(3) for column in range(3)) >= sum(
        len(entities(tags)) for tags in found
    )
    errors = sum(len(compare(*both)) for both in zip(gold, found, strict=True))
    assert table[-1].sum() + table[:, -1].sum() <= errors
    assert table[-1, -1] == 0
