"""The index of near-duplicates finds what plain comparison of all pairs finds."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.near_duplicates import NearDuplicates, rows_of_a_band

ZWNJ = "\u200c"


def plain(one, other, characters):
    """Jaccard similarity by Python's sets."""
    grams = [
        {text[start : start + characters] for start in range(max(1, len(text) - characters + 1))} for text in ("".join(one), "".join(other))
    ]
    return len(grams[0] & grams[1]) / len(grams[0] | grams[1])


def index_of(sentences, threshold=0.8, characters=5, language="en"):
    index = NearDuplicates(threshold, characters, lambda number: (sentences[number], language))
    for number, sentence in enumerate(sentences):
        index.add(number, sentence, language)
    return index


def sentences(count, seed=1):
    """Random sentences, and of each a version with one word changed."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghij", k=draw.randint(2, 8))) for _ in range(400)]
    originals = [draw.choices(words, k=draw.randint(4, 30)) for _ in range(count)]
    changed = [list(sentence) for sentence in originals]
    for sentence in changed:
        sentence[draw.randrange(len(sentence))] = draw.choice(words)
    return originals, changed


def test_it_finds_what_the_comparison_of_all_pairs_finds():
    originals, changed = sentences(150)
    index = index_of(originals)
    pairs = {(a, b) for a, one in enumerate(changed) for b, other in enumerate(originals) if plain(one, other, 5) >= 0.8}
    found = {(a, b) for a, one in enumerate(changed) for b in index.matches(one, "en")}
    assert len(pairs) > 50
    assert found <= pairs  # candidates are checked
    assert len(found) >= 0.97 * len(pairs)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.9, 1.0])
def test_bands_find_pairs_at_the_threshold(threshold):
    rows = rows_of_a_band(threshold)
    assert 1 - (1 - threshold**rows) ** (64 // rows) >= 0.99
    if rows < 64:
        assert 1 - (1 - threshold ** (rows + 1)) ** (64 // (rows + 1)) < 0.99


@given(st.lists(st.text(max_size=9), max_size=8), st.lists(st.text(max_size=9), max_size=8), st.integers(1, 7))
def test_similarity_is_that_of_the_sets_of_n_grams(one, other, characters):
    index = index_of([other], threshold=1e-9, characters=characters, language="xx")
    [similarity] = [similarity for _, similarity in index.similar(other, "xx")]
    assert similarity == 1.0
    bare = [[char for char in "".join(tokens) if char.isalnum() and char.isascii()] for tokens in (one, other)]
    grams = [index._grams(tokens, "xx") for tokens in bare]
    shared = len(set(grams[0].tolist()) & set(grams[1].tolist()))
    assert shared / (len(grams[0]) + len(grams[1]) - shared) == plain(*bare, characters)


def test_copies_that_are_typed_otherwise_are_the_same():
    index = index_of([["كتاب", "ها", "را", "خواندم"]], language="fa")
    assert list(index.similar([f"کتاب{ZWNJ}ها\u200f", "را", "خواندم"], "fa")) == [(0, 1.0)]


def test_short_sentences_are_their_own_n_gram():
    index = index_of([["No"], ["Yes"], ["N", "o"], ["\u200b"], []])
    assert index.matches(["No"], "en") == [0, 2]
    assert index.matches(["Ye"], "en") == []
    assert index.matches([], "en") == [3, 4]
    assert index.matches(["Nobody"], "en") == []


def test_more_can_be_added_after_a_question():
    originals, _ = sentences(20)
    index = NearDuplicates(0.8, 5, lambda number: (originals[number // 10], "en"))
    assert index.matches(originals[0], "en") == []
    for number, sentence in enumerate(originals):
        index.add(number * 10, sentence, "en")
        assert index.matches(sentence, "en") == [number * 10]
    assert index.matches(originals[3], "en") == [30]
    assert not index.has_match(["nothing", "like", "that"], "en")


def test_who_asks_can_leave_numbers_out():
    index = index_of([["just", "the", "same"]] * 3)
    assert [number for number, _ in index.similar(["just", "the", "same"], "en", lambda numbers: numbers != 1)] == [0, 2]


def test_it_takes_little_memory():
    originals, _ = sentences(2000)
    index = index_of(originals)
    index.matches(originals[0], "en")
    held = index.bands.nbytes + index.places.nbytes + index.numbers.itemsize * len(index)
    assert held / len(index) <= 200  # bytes a sentence
