"""Two data sets with their own conventions become one: tags, sources, copies, samples, and what is refused."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lib.labels import LabelScheme
from lib.ner_data import DatasetSpec
from lib.records import read_json, read_parquet
from ner_clean import SCHEMA, main, taken
from tagged import ALL_ON, ENGLISH, PERSIAN, TAGS_EN, TAGS_FA, clean_arguments, sentence, write_dataset

ENGLISH_ROWS = {
    "train": ["Ada/B-PER Lovelace/I-PER wrote", "Rome/B-LOC burns", "Rome/B-LOC burns", "leaked", "shared"],
    "validation": ["Acme/B-ORG sells", "shared"],
    "test": ["Bob/B-PER sleeps", "leaked"],
}
PERSIAN_ROWS = {
    "train": ["علي/B_PER دیروز/B_DAT رفت", "برج/B_FAC میلاد/I_FAC", "یزد/B_LOC", "یزد/B_LOC", "قم/I_LOC شهر", "سپهر/B_PER"],
    "validation": ["اصفهان/B_LOC"],
    "test": ["شیراز/B_LOC", "علی/B_PER رفت"],
}


@pytest.fixture
def folders(tmp_path):
    return [
        write_dataset(tmp_path / "english", ENGLISH_ROWS, TAGS_EN),
        write_dataset(tmp_path / "persian", PERSIAN_ROWS, TAGS_FA),
    ]


@pytest.fixture
def clean(tmp_path, folders):
    """Run ner_clean.py; give rows by split, and the two JSON files."""

    def run(specs=(ENGLISH, PERSIAN), folders=folders, **options):
        main(clean_arguments(tmp_path, folders, list(specs), **options))
        columns = ["tokens", "ner_tags", "language", "source"]
        rows = {split: read_parquet(tmp_path / f"{split}.parquet", columns) for split in ("train", "validation", "test")}
        return rows, read_json(tmp_path / "labels.json"), read_json(tmp_path / "cleaning.json")

    return run


def texts(rows):
    return [" ".join(row["tokens"]) for row in rows]


def test_tags_have_one_spelling_and_their_own_names(clean):
    rows, labels, _ = clean()
    assert labels["labels"][:5] == ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"]
    assert labels["types"] == ["PER", "ORG", "LOC", "MISC", "DAT", "FAC", "PRO"]
    by_text = {" ".join(row["tokens"]): row for split in rows.values() for row in split}
    assert by_text["علی دیروز رفت"]["ner_tags"] == ["B-PER", "B-DAT", "O"]
    assert by_text["برج میلاد"]["ner_tags"] == ["B-FAC", "I-FAC"]
    assert by_text["Ada Lovelace wrote"]["ner_tags"] == ["B-PER", "I-PER", "O"]
    assert by_text["قم شهر"]["ner_tags"] == ["B-LOC", "O"]


def test_a_source_is_the_first_that_fits_the_data_as_downloaded(clean):
    rows, labels, report = clean()
    sources = {" ".join(row["tokens"]): row["source"] for split in rows.values() for row in split if row["language"] == "fa"}
    assert sources == {
        "علی دیروز رفت": "peyma",
        "برج میلاد": "arman",
        "یزد": "arman",  # it stands there twice, of which one copy is left
        "قم شهر": "undecided",
        "سپهر": "undecided",
        "اصفهان": "undecided",
        "شیراز": "undecided",
        "علی رفت": "undecided",
    }
    assert labels["sources"]["arman"] == {"dataset": "persian", "language": "fa", "types": ["PER", "ORG", "LOC", "FAC", "PRO"]}
    train = next(entry for entry in report["splits"] if (entry["dataset"], entry["split"]) == ("persian", "train"))
    assert train["sources"] == {
        "peyma": {"downloaded": 1, "kept": 1},
        "arman": {"downloaded": 3, "kept": 2},
        "undecided": {"downloaded": 2, "kept": 2},
    }


def test_no_sentence_stands_twice(clean):
    rows, _, _ = clean()
    everything = [text for split in rows.values() for text in texts(split)]
    assert len(everything) == len(set(everything))
    assert texts(rows["test"]) == ["Bob sleeps", "leaked", "شیراز", "علی رفت"]
    assert texts(rows["validation"]) == ["Acme sells", "shared", "اصفهان"]


def test_the_report_counts_what_each_step_did(clean):
    _, _, report = clean()
    changes = {step["step"]: step["changes"] for step in report["steps"]}
    assert changes["normalize_letters"] == [{"dataset": "persian", "split": "train", "rows": 1, "removed": 0, "tokens": 1}]
    assert changes["repair_bio"] == [{"dataset": "persian", "split": "train", "rows": 1, "removed": 0, "tokens": 1}]
    assert changes["deduplicate_within"] == [
        {"dataset": "english", "split": "train", "rows": 1, "removed": 1, "tokens": 2},
        {"dataset": "persian", "split": "train", "rows": 1, "removed": 1, "tokens": 1},
    ]
    assert changes["deduplicate_across"] == [{"dataset": "english", "split": "train", "rows": 2, "removed": 2, "tokens": 2}]
    assert all(step["on"] for step in report["steps"])


def test_steps_that_are_off_change_nothing(clean):
    rows, _, report = clean(cleaning=dict.fromkeys(ALL_ON, False))
    assert sum(map(len, rows.values())) == sum(len(split) for each in (ENGLISH_ROWS, PERSIAN_ROWS) for split in each.values())
    assert not any(step["changes"] or step["on"] for step in report["steps"])
    assert "علي دیروز رفت" in texts(rows["train"])
    assert ["I-LOC", "O"] in [row["ner_tags"] for row in rows["train"]]


def test_the_intersection_drops_types_that_some_source_lacks(clean):
    rows, labels, _ = clean(scheme="intersection")
    assert labels["types"] == ["PER", "ORG", "LOC"]
    assert {tag[2:] for split in rows.values() for row in split for tag in row["ner_tags"] if tag != "O"} == {"PER", "ORG", "LOC"}
    assert "برج میلاد" in texts(rows["train"])


def test_only_masked_union_is_silent_about_unannotated_types():
    specs = [DatasetSpec.of(ENGLISH), DatasetSpec.of(PERSIAN)]
    masked, union = (LabelScheme.of(name, specs) for name in ("masked_union", "union"))
    silent = {label for label, about in zip(masked.labels, masked.silent("english"), strict=True) if about}
    assert silent == {f"{prefix}-{label}" for label in ("DAT", "FAC", "PRO") for prefix in "BI"}
    assert not any(union.silent("english"))
    assert union.annotated("undecided") == {"PER", "ORG", "LOC"}


def test_types_are_mapped_onto_the_scheme(clean, tmp_path):
    folder = write_dataset(
        tmp_path / "german", {"train": ["Ada/B-PERSON", "Rom/B-LOC"], "validation": ["Ulm/B-LOC"], "test": ["Bob/B-PERSON"]}
    )
    german = ENGLISH | {"name": "german", "language": "de", "labels": {"PERSON": "PER", "LOC": "LOC"}}
    german["sources"] = [{"name": "german", "types": ["PER", "LOC"]}]
    rows, labels, _ = clean(specs=[german], folders=[folder])
    assert labels["types"] == ["PER", "LOC"]
    assert [row["ner_tags"] for row in rows["train"]] == [["B-PER"], ["B-LOC"]]


def test_a_limit_takes_a_seeded_sample_of_the_cleaned_rows(clean, tmp_path):
    folder = write_dataset(
        tmp_path / "many", {split: [f"{split} {number}" for number in range(50)] * 2 for split in ("train", "validation", "test")}
    )
    spec = ENGLISH | {"limit": {"train": 20, "validation": 5, "test": None}}
    rows, _, report = clean(specs=[spec], folders=[folder])
    assert [len(rows[split]) for split in ("train", "validation", "test")] == [20, 5, 50]
    numbers = [int(row["tokens"][1]) for row in rows["train"]]
    assert numbers == sorted(numbers) != list(range(20))
    assert [(entry["downloaded"]["rows"], entry["cleaned_rows"], entry["kept"]["rows"]) for entry in report["splits"]] == [
        (100, 50, 20),
        (100, 50, 5),
        (100, 50, 50),
    ]
    assert report["length_width"] == 1  # all that is used has two words
    assert [entry["kept"]["lengths"] for entry in report["splits"]] == [[0, 0, 20], [0, 0, 5], [0, 0, 50]]


def test_a_missing_validation_split_is_held_out_of_train(clean, tmp_path):
    folder = write_dataset(tmp_path / "two", {"train": [f"word {number % 20}" for number in range(40)], "test": ["other"]})
    rows, _, report = clean(specs=[ENGLISH], folders=[folder])
    assert len(rows["validation"]) == 2
    assert len(rows["train"]) == 18
    assert report["held_out"] == [{"dataset": "english", "from": "train", "to": "validation", "share": 0.1, "rows": 4}]


def test_the_same_input_gives_the_same_bytes(clean, tmp_path):
    def contents():
        clean()
        return {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}

    assert contents() == contents()


def refused(capsys, run):
    """The one line in which a script refuses its input."""
    with pytest.raises(SystemExit) as stopped:
        run()
    message = str(stopped.value)
    assert message.startswith("error: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"tokens": ["a", "b"], "ner_tags": ["O"]}, "data set english, split train, row 1: 2 tokens but 1 tags"),
        ({"tokens": ["a"], "ner_tags": ["B-FOO"]}, "row 1: tag 'B-FOO' has the type FOO, which ner.datasets.english.labels does not cover"),
        ({"tokens": ["a"], "ner_tags": ["PER"]}, "row 1: tag 'PER' is no IOB tag"),
        ({"tokens": None, "ner_tags": ["O"]}, "row 1: a missing value"),
        ({"tokens": ["a"], "ner_tags": [None]}, "row 1: a missing value"),
    ],
)
def test_a_bad_row_is_named(capsys, clean, tmp_path, row, expected):
    folder = write_dataset(tmp_path / "bad", {"train": ["fine", row], "validation": ["v"], "test": ["t"]})
    cleaning = ALL_ON | {"drop_unequal": False}
    assert expected in refused(capsys, lambda: clean(specs=[ENGLISH], folders=[folder], cleaning=cleaning))
    assert not list(tmp_path.glob("*.parquet")) + list(tmp_path.glob("*.json"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"columns": {"tokens": "words", "tags": "ner_tags"}}, "ner.datasets.english.columns.tokens: no column 'words'"),
        ({"columns": {"tokens": "tokens", "tags": "tokens_"}}, "ner.datasets.english.columns.tags: no column 'tokens_'"),
    ],
)
def test_a_missing_column_is_named(capsys, clean, folders, change, expected):
    assert expected in refused(capsys, lambda: clean(specs=[ENGLISH | change], folders=folders[:1]))


def test_ids_without_names_are_refused(capsys, clean, tmp_path):
    import datasets

    for split in ("train", "validation", "test"):
        rows = [{"tokens": ["a"], "ner_tags": [0]}]
        datasets.Dataset.from_list(rows).to_parquet(tmp_path / f"ids-{split}.parquet")
        (tmp_path / "ids" / "data").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"ids-{split}.parquet").rename(tmp_path / "ids" / "data" / f"{split}-00000-of-00001.parquet")
    assert "expected tag names, or ids of a ClassLabel" in refused(capsys, lambda: clean(specs=[ENGLISH], folders=[tmp_path / "ids"]))


def test_an_empty_sentence_is_refused_where_it_is_not_dropped(capsys, clean, tmp_path):
    folder = write_dataset(
        tmp_path / "empty", {"train": [sentence("a"), {"tokens": [], "ner_tags": []}], "validation": ["v"], "test": ["t"]}
    )
    rows, _, _ = clean(specs=[ENGLISH], folders=[folder])
    assert texts(rows["train"]) == ["a"]
    run = lambda: clean(specs=[ENGLISH], folders=[folder], cleaning=ALL_ON | {"drop_empty": False})  # noqa: E731
    assert "row 1: a sentence without tokens" in refused(capsys, run)


def test_a_missing_test_split_is_refused(capsys, clean, tmp_path):
    folder = write_dataset(tmp_path / "no_test", {"train": ["a"], "validation": ["v"]})
    assert "no split test" in refused(capsys, lambda: clean(specs=[ENGLISH], folders=[folder]))


def test_two_sources_of_one_name_are_refused(capsys, clean, folders):
    other = ENGLISH | {"name": "other"}
    assert "other has a source of that name" not in (message := refused(capsys, lambda: clean([ENGLISH, other], [folders[0]] * 2)))
    assert "ner.datasets.other.sources.english: english has a source of that name too" in message


def test_arguments_are_checked(capsys, tmp_path, folders):
    for argv in (
        clean_arguments(tmp_path, folders[:1], [ENGLISH, PERSIAN]),
        clean_arguments(tmp_path, folders[:1], [ENGLISH], cleaning={"drop_empty": True}),
        [*clean_arguments(tmp_path, folders[:1], [ENGLISH]), "--label-scheme", "other"],
        clean_arguments(tmp_path, folders[:1], [ENGLISH], train_languages=["fa"]),
        ["--datasets", json.dumps([ENGLISH])],
    ):
        with pytest.raises(SystemExit) as stopped:
            main(argv)
        assert stopped.value.code == 2
    capsys.readouterr()


NEWS = "the committee of ministers met in Geneva on Monday to talk about grain exports and port fees"
OTHER = "a storm from the north closed mountain roads and schools in four districts of the valley"
NEAR_ROWS = {
    "train": [f"{NEWS} again", NEWS.replace("Monday", "Sunday"), f"{OTHER} again", "something else entirely"],
    "validation": [f"{NEWS} too", f"{OTHER} too", "fine"],
    "test": [NEWS, f"{NEWS} indeed"],
}


def test_near_duplicates_of_test_and_validation_leave(clean, tmp_path):
    folder = write_dataset(tmp_path / "near", NEAR_ROWS)
    rows, _, report = clean(specs=[ENGLISH], folders=[folder])
    assert texts(rows["train"]) == ["something else entirely"]
    assert texts(rows["validation"]) == [f"{OTHER} too", "fine"]
    assert texts(rows["test"]) == NEAR_ROWS["test"]  # they resemble each other, and both stay
    [changes] = [step["changes"] for step in report["steps"] if step["step"] == "deduplicate_near"]
    assert changes == [
        {"dataset": "english", "split": "train", "rows": 3, "removed": 3, "tokens": 18 + 17 + 17},
        {"dataset": "english", "split": "validation", "rows": 1, "removed": 1, "tokens": 18},
    ]
    assert report["near_duplicates"] == {"threshold": 0.8, "characters": 5}


def test_a_validation_sentence_that_leaves_takes_nothing_with_it(clean, tmp_path):
    chain = [NEWS, f"{NEWS} twice over", f"{NEWS} twice over or thrice"]  # each resembles the next, the ends do not
    folder = write_dataset(tmp_path / "chain", {"train": [chain[2]], "validation": [chain[1], "fine"], "test": [chain[0]]})
    rows, _, _ = clean(specs=[ENGLISH], folders=[folder], near=(0.84, 5))
    assert [len(rows[split]) for split in ("train", "validation", "test")] == [1, 1, 1]


def test_the_threshold_decides_and_the_step_can_be_off(clean, tmp_path):
    folder = write_dataset(tmp_path / "near", NEAR_ROWS)
    rows, _, _ = clean(specs=[ENGLISH], folders=[folder], near=(0.99, 5))
    assert len(rows["train"]) == 4
    rows, _, report = clean(specs=[ENGLISH], folders=[folder], cleaning=ALL_ON | {"deduplicate_near": False})
    assert len(rows["train"]) == 4
    assert not next(step for step in report["steps"] if step["step"] == "deduplicate_near")["changes"]


def test_near_duplicates_of_another_data_sets_test_leave(clean, tmp_path):
    one = write_dataset(tmp_path / "one", {"train": [f"{NEWS} again", "else"], "validation": ["v"], "test": ["t"]})
    other = write_dataset(tmp_path / "other", {"train": ["more"], "validation": ["w"], "test": [NEWS]})
    second = ENGLISH | {"name": "second", "sources": [{"name": "second", "types": ["PER"]}]}
    rows, _, _ = clean(specs=[ENGLISH, second], folders=[one, other])
    assert texts(rows["train"]) == ["else", "more"]


def second_data_set(**overrides):
    return ENGLISH | {"name": "second", "sources": [{"name": "second", "types": ["PER"]}]} | overrides


def test_two_data_sets_share_no_sentence_of_a_split(clean, tmp_path):
    one = write_dataset(tmp_path / "one", {"train": ["a b", "both in train"], "validation": ["v"], "test": ["Ada/B-PER in test"]})
    other = write_dataset(tmp_path / "other", {"train": ["both in train", "c"], "validation": ["v"], "test": ["Ada in \u200btest", "t"]})
    rows, _, report = clean(specs=[ENGLISH, second_data_set()], folders=[one, other])
    assert [texts(rows[split]) for split in ("train", "validation", "test")] == [["a b", "both in train", "c"], ["v"], ["Ada in test", "t"]]
    assert rows["test"][0]["ner_tags"] == ["B-PER", "O", "O"], "the first data set's stays, whatever the other tags"
    [changes] = [step["changes"] for step in report["steps"] if step["step"] == "deduplicate_within"]
    assert {(change["dataset"], change["split"], change["removed"]) for change in changes} == {
        ("second", split, 1) for split in ("train", "validation", "test")
    }


def test_rows_are_taken_from_the_store_as_it_lies_there(tmp_path):
    rows = [{"tokens": [str(number)], "ner_tags": ["O"], "language": "en", "source": "s"} for number in range(95)]
    with pa.OSFile(str(tmp_path / "store"), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
        for start in range(0, 95, 10):
            writer.write_table(pa.Table.from_pylist(rows[start : start + 10], schema=SCHEMA))
    chosen = np.array([0, 9, 10, 11, 57, 94])
    batches = list(taken(tmp_path / "store", chosen))
    assert [len(batch) for batch in batches] == [2, 2, 1, 1], "as many as lie in each batch, and no batch without any"
    assert [int(tokens[0]) for batch in batches for tokens in batch["tokens"].to_pylist()] == chosen.tolist()


def test_a_near_duplicate_that_slipped_through_is_noticed(clean, tmp_path, monkeypatch):
    folder = write_dataset(tmp_path / "near", {"train": ["x", f"{OTHER} again"], "validation": [OTHER], "test": ["t"]})
    monkeypatch.setattr("ner_clean.deduplicate_near", lambda frame, *_: np.zeros(len(frame), dtype=bool))
    with pytest.raises(AssertionError, match="a near-duplicate of a sentence of validation is in train"):
        clean(specs=[ENGLISH], folders=[folder])


def test_copies_that_differ_in_joiners_only_do_not_contradict_each_other(clean, tmp_path):
    rows = ["کتاب\u200cها/B_PRO آمد", "کتابها/B_PRO آمد", "کتابها/B_PRO آمد"]
    folder = write_dataset(tmp_path / "zwnj", {"train": rows, "validation": ["v"], "test": ["t"]}, TAGS_FA)
    left, _, report = clean(specs=[PERSIAN], folders=[folder])
    assert texts(left["train"]) == ["کتاب\u200cها آمد"], "the first copy stays"
    assert not next(step for step in report["steps"] if step["step"] == "resolve_conflicts")["changes"]


def test_copies_stay_where_only_near_duplicates_leave(clean, tmp_path):
    folder = write_dataset(tmp_path / "copies", {"train": [NEWS, f"{NEWS} again"], "validation": ["v"], "test": [NEWS]})
    rows, _, _ = clean(specs=[ENGLISH], folders=[folder], cleaning=ALL_ON | {"deduplicate_across": False})
    assert texts(rows["train"]) == [NEWS]


def test_what_became_of_each_row_is_told(clean, tmp_path):
    train = [
        "kept",
        "kept",
        "Rome/I-LOC burns",
        {"tokens": ["a"], "ner_tags": []},
        f"{NEWS} again",
        NEWS,
        "\u200b",
        *(f"filler {number}" for number in range(20)),
    ]
    folder = write_dataset(tmp_path / "fates", {"train": train, "test": [NEWS]})
    _, _, report = clean(specs=[ENGLISH | {"limit": {"train": None, "validation": None, "test": None}}], folders=[folder])
    fates = pd.read_parquet(tmp_path / "cleaning_rows.parquet")
    assert list(fates.dataset.unique()) == ["english"]
    became = [{name for name in fates.columns[2:] if row[name]} - {"held_out"} for _, row in fates[fates.split == "train"].iterrows()]
    assert became == [
        {"kept"},
        {"deduplicate_within"},
        {"repair_bio", "kept"},
        {"drop_unequal"},
        {"deduplicate_near"},
        {"deduplicate_across"},
        {"remove_invisible", "drop_empty"},
        *[{"kept"}] * 20,
    ]
    assert fates.held_out.sum() == report["held_out"][0]["rows"]
    assert fates[fates.split == "test"].kept.all()


def test_a_sentence_of_unequal_lengths_is_dropped(clean, tmp_path):
    rows = ["fine", {"tokens": ["a", "b"], "ner_tags": ["O"]}, {"tokens": ["a"], "ner_tags": ["O", "B-PER"]}]
    folder = write_dataset(tmp_path / "unequal", {"train": rows, "validation": ["v"], "test": ["t"]})
    left, _, report = clean(specs=[ENGLISH], folders=[folder])
    assert texts(left["train"]) == ["fine"]
    [changes] = [step["changes"] for step in report["steps"] if step["step"] == "drop_unequal"]
    assert changes == [{"dataset": "english", "split": "train", "rows": 2, "removed": 2, "tokens": 3}]
    train = report["splits"][0]
    assert (train["downloaded"]["rows"], train["cleaned_rows"], train["sources"]) == (3, 1, {"english": {"downloaded": 1, "kept": 1}})


def test_training_on_one_language_tests_on_all(clean):
    rows, labels, report = clean(train_languages=["en"])
    assert {row["language"] for row in rows["train"] + rows["validation"]} == {"en"}
    assert texts(rows["test"]) == ["Bob sleeps", "leaked", "شیراز", "علی رفت"]
    assert labels["types"] == ["PER", "ORG", "LOC", "MISC"]
    assert labels["sources"]["arman"]["types"] == ["PER", "ORG", "LOC"]
    assert report["train_languages"] == ["en"]
    rows, labels, _ = clean(train_languages=["fa"])
    assert {row["language"] for row in rows["train"] + rows["validation"]} == {"fa"}
    assert labels["types"] == ["PER", "ORG", "LOC", "DAT", "FAC", "PRO"]
    assert clean(train_languages=["fa", "en"])[1]["types"] == clean()[1]["types"]


def test_a_source_may_have_none_of_the_types_that_are_trained():
    german = ENGLISH | {"name": "german", "language": "de", "sources": [{"name": "german", "types": ["DAT"]}]}
    scheme = LabelScheme.of("union", [DatasetSpec.of(ENGLISH), DatasetSpec.of(german)], ["en"])
    assert scheme.sources["german"]["types"] == []
    assert scheme.types == ("PER", "ORG", "LOC", "MISC")


def test_the_real_persian_set_loses_its_copies(clean, real_data):
    """FACTS of the set: 18,434 rows of train, of which 3,935 are different ones that test and validation lack."""
    persian = PERSIAN | {"labels": {label: label for label in ("PER", "ORG", "LOC", "FAC", "PRO", "EVE")}}
    persian["sources"] = [{"name": "arman", "types": ["PER", "ORG", "LOC", "FAC", "PRO", "EVE"]}]
    rows, _, report = clean(specs=[persian], folders=[real_data / "PEYMA-ARMAN-Mixed"])
    assert [len(rows[split]) for split in ("train", "validation", "test")] == [3935 - 3, 1674, 2059]  # three resemble a sentence held out
    assert [entry["downloaded"]["rows"] for entry in report["splits"]] == [18434, 2304, 2305]
