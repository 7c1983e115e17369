"""Our scores against other people's: nervaluate's strict schema, and the rules of conlleval, the script of the CoNLL shared tasks.

All three agree on valid IOB2. On an I- tag that goes on with nothing they part: conlleval and nervaluate begin an entity there, the
strict reading of IOB2 (ours, seqeval's) does not.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nervaluate import Evaluator

from lib.cleaning import repair_bio
from lib.ner_scores import Scores

TYPES = ["PER", "LOC", "ORG"]
TAG = st.sampled_from(["O", "O", *(f"{prefix}-{label}" for label in TYPES for prefix in "BI")])
PAIRS = st.lists(st.lists(st.tuples(TAG, TAG), min_size=1, max_size=12), min_size=1, max_size=6)


def valid(pairs):
    """Gold and predicted tags of each sentence, in valid IOB2."""
    return [[repair_bio([tags[side] for tags in sentence]) for sentence in pairs] for side in (0, 1)]


def ours(gold, found):
    scores = Scores(gold, found, [set(TYPES)] * len(gold), TYPES)
    block, by_type = scores.summary(seed=1)
    return {name: block[name]["value"] for name in ("precision", "recall", "f1")}, by_type


def conlleval(gold, found):
    """Precision, recall and F1 of conlleval.pl, version 2004-01-26: its startOfChunk, endOfChunk, and its loop over tokens."""

    def parts(tag):
        return ("O", "") if tag == "O" else tag.split("-")

    def starts(before, tag):
        (previous, previous_kind), (here, kind) = parts(before), parts(tag)
        return here == "B" or (previous == "O" and here == "I") or (here != "O" and previous_kind != kind)

    def ends(before, tag):
        (previous, previous_kind), (here, kind) = parts(before), parts(tag)
        return previous != "O" and (here in "BO" or previous_kind != kind)

    correct = guessed = there = 0
    for right, guess in zip(gold, found, strict=True):
        in_correct, before_right, before_guess = False, "O", "O"
        for tag, other in zip([*right, "O"], [*guess, "O"], strict=True):  # each sentence ends with an empty line, that is O
            if in_correct:
                both_end, one_ends = (
                    ends(before_right, tag) and ends(before_guess, other),
                    ends(before_right, tag) != ends(before_guess, other),
                )
                if both_end and parts(before_right)[1] == parts(before_guess)[1]:
                    in_correct, correct = False, correct + 1
                elif one_ends or parts(tag)[1] != parts(other)[1]:
                    in_correct = False
            if starts(before_right, tag) and starts(before_guess, other) and parts(tag)[1] == parts(other)[1]:
                in_correct = True
            there += starts(before_right, tag)
            guessed += starts(before_guess, other)
            before_right, before_guess = tag, other
    precision, recall = correct / guessed if guessed else 0.0, correct / there if there else 0.0
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / (precision + recall) if correct else 0.0}


@given(PAIRS)
def test_conlleval_agrees_on_valid_tags(pairs):
    gold, found = valid(pairs)
    assert ours(gold, found)[0] == pytest.approx(conlleval(gold, found))


@settings(max_examples=60)
@given(PAIRS)
def test_nervaluate_agrees_on_valid_tags(pairs):
    gold, found = valid(pairs)
    theirs = Evaluator(gold, found, tags=TYPES, loader="list").evaluate()
    overall, by_type = ours(gold, found)
    strict = theirs["overall"]["strict"]
    assert overall == pytest.approx({"precision": strict.precision, "recall": strict.recall, "f1": strict.f1})
    for kind, block in by_type.items():
        if block["support"]:
            assert block["recall"]["value"] == pytest.approx(theirs["entities"][kind]["strict"].recall)


def test_an_entity_without_a_beginning_is_where_the_scorers_part():
    gold, found = [["B-PER", "I-PER", "O"]], [["I-PER", "I-PER", "O"]]
    assert conlleval(gold, found)["f1"] == 1
    assert ours(gold, found)[0]["f1"] == 0
