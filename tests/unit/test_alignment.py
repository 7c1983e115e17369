"""Words and subwords: whatever the words and the tags, what is aligned and read back is what was given."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.alignment import ALIGNMENTS, IGNORED, aligned_labels, by_sentence, windows
from lib.random_models import ARCHITECTURES

LABELS = ["O", *(f"{prefix}-{label}" for label in ("PER", "ORG", "LOC") for prefix in "BI")]
IDS = {label: number for number, label in enumerate(LABELS)}

WORD = st.one_of(
    st.text(alphabet="abcXYZ0123.,'-", min_size=1, max_size=12),
    st.text(alphabet="آابپتیکگهء\u200c۰۱۲٠١يكة،؟", min_size=1, max_size=12),
    st.text(max_size=5),  # anything: other scripts, control characters, spaces, nothing at all
    st.just("\u200b"),
    st.text(alphabet="ab", min_size=30, max_size=60),  # longer than a window
)
SENTENCES = st.lists(st.lists(st.tuples(WORD, st.sampled_from(LABELS)), max_size=20), min_size=1, max_size=4)


@cache
def tokenizer():
    return ARCHITECTURES["xlm_roberta"][0]()


def read_back(found, sentences, alignment):
    """The tags of each sentence as they stand on the first subwords."""
    values = []
    for window in found:
        labels = aligned_labels(window, sentences[window.sentence][1], IDS, alignment)
        values.append([LABELS[labels[start]] for start in window.starts])
    return by_sentence(values, [window.sentence for window in found], len(sentences))


@settings(max_examples=80, deadline=None)
@given(SENTENCES, st.sampled_from(ALIGNMENTS), st.integers(8, 40))
def test_whatever_is_aligned_comes_back(pairs, alignment, max_length):
    sentences = [([word for word, _ in sentence], [tag for _, tag in sentence]) for sentence in pairs]
    found = list(windows(tokenizer(), [words for words, _ in sentences], max_length))
    assert read_back(found, sentences, alignment) == [tags for _, tags in sentences]
    assert all(len(window.input_ids) == len(window.words) <= max_length for window in found)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.tuples(WORD, st.sampled_from(LABELS)), max_size=12), max_size=3), st.sampled_from(ALIGNMENTS))
def test_windows_of_one_subword_lose_nothing(pairs, alignment):
    sentences = [([word for word, _ in sentence], [tag for _, tag in sentence]) for sentence in pairs]
    found = list(windows(tokenizer(), [words for words, _ in sentences], 3))
    assert all(len(window.input_ids) == 3 for window in found)
    assert read_back(found, sentences, alignment) == [tags for _, tags in sentences]


@settings(max_examples=40, deadline=None)
@given(SENTENCES, st.integers(8, 40))
def test_each_word_starts_once_and_in_order(pairs, max_length):
    """A window's positions name the words they belong to; over the windows every word has one start, whatever was cut."""
    words = [[word for word, _ in sentence] for sentence in pairs]
    found = list(windows(tokenizer(), words, max_length))
    starts = [[window.words[start] for start in window.starts] for window in found]
    assert by_sentence(starts, [window.sentence for window in found], len(words)) == [list(range(len(each))) for each in words]
    assert all(window.words[0] is window.words[-1] is None and None not in window.words[1:-1] for window in found)


@settings(max_examples=40, deadline=None)
@given(SENTENCES, st.integers(8, 40))
def test_labels_of_all_subwords_are_the_words_own(pairs, max_length):
    """With `all`, an entity's B- stands on its first subword only, and every other subword has its word's type."""
    words, tags = [[word for word, _ in sentence] for sentence in pairs], [[tag for _, tag in sentence] for sentence in pairs]
    for window in windows(tokenizer(), words, max_length):
        labels = aligned_labels(window, tags[window.sentence], IDS, "all")
        for position, (word, label) in enumerate(zip(window.words, labels, strict=True)):
            if word is None:
                assert label == IGNORED
                continue
            tag = tags[window.sentence][word]
            assert LABELS[label][2:] == tag[2:]
            assert not (LABELS[label].startswith("B-") and position not in window.starts)


def test_an_entity_across_a_cut_is_one_entity():
    sentence, tags = ["abcd"] * 6, ["O", "B-LOC", "I-LOC", "I-LOC", "O", "B-PER"]
    found = list(windows(tokenizer(), [sentence], 12))  # two words in a window, so the entity lies in two
    assert len(found) == 3
    for alignment in ALIGNMENTS:
        assert read_back(found, [(sentence, tags)], alignment) == [tags]


@settings(max_examples=40, deadline=None)
@given(SENTENCES, st.integers(8, 40))
def test_no_subword_is_lost_at_a_cut(pairs, max_length):
    words = [[word for word, _ in sentence] for sentence in pairs]
    cut, whole = ([list(windows(tokenizer(), [sentence], length)) for sentence in words] for length in (max_length, 10_000))
    for parts, one in zip(cut, whole, strict=True):
        assert [subword for part in parts for subword in part.input_ids[1:-1]] == [
            subword for part in one for subword in part.input_ids[1:-1]
        ]


def test_first_subword_carries_the_label_and_the_others_none():
    [window] = windows(tokenizer(), [["Ada", "in", "یزد"]], 64)
    labels = aligned_labels(window, ["B-PER", "O", "B-LOC"], IDS, "first")
    assert [labels[start] for start in window.starts] == [IDS["B-PER"], IDS["O"], IDS["B-LOC"]]
    assert all(labels[at] == IGNORED for at in range(len(labels)) if at not in window.starts)


def test_all_subwords_carry_the_label_and_an_entity_begins_once():
    [window] = windows(tokenizer(), [["Ada", "in", "یزد"]], 64)
    labels = aligned_labels(window, ["B-PER", "O", "B-LOC"], IDS, "all")
    assert labels[0] == labels[-1] == IGNORED
    assert labels.count(IDS["B-PER"]) == labels.count(IDS["B-LOC"]) == 1
    assert labels.count(IDS["I-PER"]) + 1 == window.words.count(0)
    assert labels.count(IDS["O"]) == window.words.count(1)


def test_a_word_without_subwords_keeps_its_place_as_the_unknown_token():
    [window] = windows(tokenizer(), [["a", "\u200b", "b"]], 64)
    assert len(window.starts) == 3
    assert window.input_ids[window.starts[1]] == tokenizer().unk_token_id


def test_a_long_sentence_is_cut_between_words():
    found = list(windows(tokenizer(), [["abcd"] * 10], 12))  # five subwords a word, ten in a window
    assert [len(window.starts) for window in found] == [2] * 5
    assert all(window.input_ids[1:-1] == found[0].input_ids[1:-1] for window in found)


@pytest.mark.parametrize("sentences", [[], [[]], [[], ["a"], []]])
def test_sentences_without_words_have_no_window(sentences):
    found = list(windows(tokenizer(), sentences, 16))
    assert [window.sentence for window in found] == [number for number, words in enumerate(sentences) if words]
    assert by_sentence([window.starts for window in found], [window.sentence for window in found], len(sentences)) == [
        [1] if words else [] for words in sentences
    ]
