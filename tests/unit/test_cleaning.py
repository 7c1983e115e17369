"""The steps of cleaning: what each changes, and what it leaves alone."""

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lib.cleaning import (
    RULES,
    clean_row,
    deduplicate_across,
    deduplicate_within,
    held_out,
    is_iob2,
    key_of,
    resolve_conflicts,
    sample,
    tagging_of,
)
from lib.letters import normalize_letters, remove_invisible

ZWNJ = "\u200c"
TAGS = ["O", *(f"{prefix}-{label}" for label in ("PER", "LOC") for prefix in "BI")]
TOKEN = st.one_of(st.text(max_size=4), st.text(alphabet="می يك\u200c\u200b\u200f\u00ac \u064b۱٢3", max_size=6))
SENTENCE = st.lists(st.tuples(TOKEN, st.sampled_from(TAGS)), max_size=12)


@pytest.mark.parametrize(
    ("token", "language", "expected"),
    [
        ("كتابي", "fa", "کتابی"),
        ("موسى", "fa", "موسی"),
        ("دايرة", "fa", "دایره"),
        ("٤٢", "fa", "۴۲"),
        ("42", "fa", "42"),
        ("\ufefb", "fa", "لا"),  # a presentation form: the ligature lam-alef
        ("\ufb90\ufee2", "fa", "کم"),
        ("cafe\u0301", "en", "café"),
        ("كتابي", "ar", "كتابي"),  # right in Arabic
    ],
)
def test_letters(token, language, expected):
    assert normalize_letters(token, language) == expected


@pytest.mark.parametrize(
    ("token", "language", "expected"),
    [
        (f"می{ZWNJ}رود", "fa", f"می{ZWNJ}رود"),
        (f"می{ZWNJ}{ZWNJ}رود", "fa", f"می{ZWNJ}رود"),
        (f"{ZWNJ}رود{ZWNJ}", "fa", "رود"),
        ("می\u200bرود", "fa", f"می{ZWNJ}رود"),
        ("می\u00acرود", "fa", f"می{ZWNJ}رود"),
        ("می\u00adرود", "fa", f"می{ZWNJ}رود"),
        ("می رود", "fa", f"می{ZWNJ}رود"),
        ("می \u200fرود", "fa", f"می{ZWNJ}رود"),
        (f"۱۳{ZWNJ}ساله", "fa", f"۱۳{ZWNJ}ساله"),
        (f"بی{ZWNJ}.", "fa", "بی."),
        (" رود\t", "fa", "رود"),
        ("رود\u200f", "fa", "رود"),
        ("\ufeffLondon\u200e", "en", "London"),
        ("New\u00a0 York", "en", "New York"),
        ("a¬b", "en", "a¬b"),
        ("co\u00adop", "en", "coop"),
        ("\u200b", "en", ""),
        ("क्\u200dष", "hi", "क्\u200dष"),  # the joiner that Hindi spelling needs
        ("\u06dd۱", "fa", "\u06dd۱"),  # of Unicode's invisible category, but drawn
    ],
)
def test_invisible_characters(token, language, expected):
    assert remove_invisible(token, language) == expected


@given(TOKEN, st.sampled_from(["fa", "en"]))
@example("3 \u200b 3", "en")
def test_a_cleaned_token_is_clean(token, language):
    once = remove_invisible(normalize_letters(token, language), language)
    assert remove_invisible(normalize_letters(once, language), language) == once


@given(SENTENCE, st.sampled_from(["fa", "en"]))
def test_a_cleaned_row_is_sound(pairs, language):
    tokens, tags, changed = clean_row([token for token, _ in pairs], [tag for _, tag in pairs], language, list(RULES))
    assert len(tokens) == len(tags)
    assert all(token.strip() for token in tokens)
    assert is_iob2(tags)
    assert clean_row(tokens, tags, language, list(RULES)) == (tokens, tags, {})
    assert set(changed) <= {"normalize_letters", "remove_invisible", "drop_empty", "repair_bio"}


@given(SENTENCE)
def test_without_steps_a_row_stays(pairs):
    tokens, tags = [token for token, _ in pairs], [tag for _, tag in pairs]
    assert clean_row(tokens, tags, "fa", []) == (tokens, tags, {})


@pytest.mark.parametrize(
    ("tokens", "tags", "expected"),
    [
        (["\u200b", "Ada", "Lovelace"], ["B-PER", "I-PER", "I-PER"], (["Ada", "Lovelace"], ["B-PER", "I-PER"])),
        (["Ada", "", "Lovelace"], ["B-PER", "I-PER", "I-PER"], (["Ada", "Lovelace"], ["B-PER", "I-PER"])),
        (["", "", "Ada"], ["B-PER", "I-PER", "I-PER"], (["Ada"], ["B-PER"])),
        (["Rome", "", "Ada"], ["B-LOC", "B-PER", "I-PER"], (["Rome", "Ada"], ["B-LOC", "B-PER"])),
        (["", "sleeps"], ["B-PER", "O"], (["sleeps"], ["O"])),
    ],
)
def test_an_entity_survives_the_loss_of_an_empty_token(tokens, tags, expected):
    assert clean_row(tokens, tags, "en", ["remove_invisible", "drop_empty"])[:2] == expected


def test_orphans_become_beginnings():
    tags = clean_row(["a"] * 6, ["I-PER", "I-PER", "O", "I-LOC", "I-PER", "B-PER"], "en", ["repair_bio"])[1]
    assert tags == ["B-PER", "I-PER", "O", "B-LOC", "B-PER", "B-PER"]


def test_counts_are_of_changed_tokens():
    changed = clean_row(["يك", " كه", "شد", "\u200f"], ["O", "I-PER", "O", "O"], "fa", list(RULES))[2]
    assert changed == {"normalize_letters": 2, "remove_invisible": 2, "drop_empty": 1, "repair_bio": 1}


def test_copies_share_a_key_however_they_are_typed():
    assert key_of(["كتاب", "ها"], "fa") == key_of([f"کتاب{ZWNJ}ها\u200f"], "fa")
    assert key_of(["کتاب"], "fa") != key_of(["کتب"], "fa")


def frame(rows):
    """A frame from (split, text, tagging), each with one data set."""
    return pd.DataFrame(
        [
            {"dataset": "d", "split": split, "key": key_of([text], "en"), "tagging": tagging_of([text], [tag], "en")}
            for split, text, tag in rows
        ]
    )


def test_the_commonest_tagging_of_a_sentence_stays():
    rows = [("train", "x", "B-PER"), ("train", "x", "O"), ("train", "x", "O"), ("train", "y", "O"), ("test", "x", "B-PER")]
    assert resolve_conflicts(frame(rows)).tolist() == [True, False, False, False, False]


def test_on_a_tie_the_first_tagging_stays():
    rows = [("train", "x", "B-PER"), ("train", "x", "O"), ("train", "x", "B-PER"), ("train", "x", "O")]
    assert resolve_conflicts(frame(rows)).tolist() == [False, True, False, True]


def test_the_first_copy_in_a_split_stays():
    rows = [("train", "x", "O"), ("test", "x", "O"), ("train", "x", "O"), ("train", "y", "O")]
    assert deduplicate_within(frame(rows)).tolist() == [False, False, True, False]


def test_test_keeps_its_sentences_and_validation_keeps_its_from_train():
    rows = [
        ("train", "x", "O"),
        ("validation", "x", "O"),
        ("test", "x", "O"),
        ("train", "y", "O"),
        ("validation", "y", "O"),
        ("train", "z", "O"),
    ]
    assert deduplicate_across(frame(rows)).tolist() == [True, True, False, True, False, False]


def test_a_sentence_of_one_data_sets_test_leaves_the_others_train():
    rows = frame([("train", "x", "O"), ("test", "x", "O")]).assign(dataset=["one", "other"])
    assert deduplicate_across(rows).tolist() == [True, False]


def test_copies_are_held_out_together():
    keys = frame([("train", str(number % 30), "O") for number in range(90)])["key"].to_numpy()
    chosen = held_out(keys, 42, "d/validation")
    assert chosen.sum() == 9
    assert not set(keys[chosen]) & set(keys[~chosen])


def test_a_sample_is_seeded_and_in_order():
    one = sample(1000, 50, 42, "d/train")
    assert one.tolist() == sorted(set(one.tolist())) == sample(1000, 50, 42, "d/train").tolist()
    assert one.tolist() != sample(1000, 50, 42, "d/test").tolist()
    assert len(sample(10, 50, 42, "d/train")) == len(sample(10, None, 42, "d/train")) == 10
