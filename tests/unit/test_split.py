"""Splits of the pairs: cleaned, without leaks from test, sampled with a seed."""

import json
import random
from pathlib import Path
from string import ascii_lowercase

import pytest

import summ_split
from lib.records import read_parquet
from summarizing import command_line, pairs, write_dataset

COLUMNS = {"id": "id", "article": "article", "reference": "reference"}
LETTERS = ascii_lowercase + " " * 6
STARTS = {"train": 0, "validation": 100, "test": 200}


def run(folder, dataset, sizes, name="out", **changes):
    out = folder / name
    outputs = {split: out / f"{split}.parquet" for split in ("train", "validation", "test")} | {"record": out / "split.json"}
    sizes = dict(zip(("train", "validation", "test"), sizes, strict=True))
    arguments = {
        "dataset": dataset,
        "columns": json.dumps(COLUMNS),
        "sizes": json.dumps(sizes),
        "min_words": 1,
        "near_threshold": 1,
        "near_characters": 5,
        "seed": 42,
    }
    summ_split.main(command_line(arguments | outputs | changes))
    rows = {split: read_parquet(outputs[split], ["id", "article", "reference"]) for split in sizes}
    return rows, json.loads(outputs["record"].read_text())


@pytest.fixture
def clean(tmp_path):
    return write_dataset(tmp_path / "data", train=pairs(60), validation=pairs(20, 100), test=pairs(20, 200))


def ids(rows):
    return [row["id"] for row in rows]


def test_a_sample_comes_from_the_split_of_its_name_and_not_from_its_head(tmp_path, clean):
    rows, record = run(tmp_path, clean, (30, 5, 5))
    assert ids(rows["train"]) != ids(pairs(30))
    assert set(ids(rows["train"])) < set(ids(pairs(60))) and set(ids(rows["test"])) < set(ids(pairs(20, 200)))
    assert ids(rows["train"]) == sorted(ids(rows["train"]), key=lambda id: int(id[3:]))  # in the data set's order
    assert record["train"] == {"found": 60, "dropped": {}, "kept": 60, "noticed": {}, "left_out": {}, "sampled": 30}


def test_the_seed_decides_and_a_larger_sample_contains_a_smaller_one(tmp_path, clean):
    few, many, other = (
        run(tmp_path, clean, sizes, f"out{n}", seed=seed)[0]
        for n, (sizes, seed) in enumerate([((9, 5, 5), 1), ((20, 5, 5), 1), ((9, 5, 5), 2)])
    )
    assert set(ids(few["train"])) < set(ids(many["train"]))
    assert ids(few["train"]) != ids(other["train"])
    run(tmp_path, clean, (9, 5, 5), "again", seed=1)
    assert all(
        (tmp_path / "again" / file).read_bytes() == (tmp_path / "out0" / file).read_bytes() for file in ("train.parquet", "split.json")
    )


def test_duplicates_leave_train_and_validation_and_stay_in_test(tmp_path):
    a, b, c, d = pairs(4)
    spaced = a | {"id": "spaced", "article": "  " + a["article"].replace(" ", "\n ")}
    dataset = write_dataset(
        tmp_path / "data",
        train=[b, spaced, c, c | {"id": "twice"}, d | {"article": "Another one."}],
        validation=[a | {"id": "v"}, b],
        test=[a, d, d],
    )
    rows, record = run(tmp_path, dataset, (1, 1, 2))
    assert ids(rows["test"]) == [a["id"], d["id"]]
    assert ids(rows["validation"]) == [b["id"]]
    assert ids(rows["train"]) == [c["id"]]
    assert record["train"]["dropped"] == {
        "same_article_in_test": 1,
        "same_article_in_train": 1,
        "same_article_in_validation": 1,
        "same_id_in_test": 1,
    }
    assert record["validation"]["dropped"] == {"same_article_in_test": 1}
    assert record["test"]["dropped"] == {"same_article_in_test": 1}


def test_flawed_pairs_are_dropped_by_reason_and_odd_ones_noticed(tmp_path):
    good = pairs(3)
    odd = [
        {"id": "m", "article": "A <b>bold</b> <script>x()</script> word or two in it.", "reference": "Bold."},
        {"id": "f", "article": "کتابخانهٔ شهر پس از سال‌ها دوباره باز شد.", "reference": "باز شد."},
        {"id": "r", "article": "Too short.", "reference": "A summary that is longer than its article."},
    ]
    flawed = [
        {"id": "1", "article": "", "reference": "x"},
        {"id": "2", "article": " \n\t", "reference": "x"},
        {"id": "3", "article": None, "reference": "x"},
        {"id": "4", "article": "Words.", "reference": "  "},
        {"id": "5", "article": "word " * 100_000, "reference": "x"},
        {"id": "6", "article": "word", "reference": "x"},
    ]
    dataset = write_dataset(tmp_path / "data", train=good + flawed + odd, validation=pairs(1, 10), test=pairs(1, 20))
    rows, record = run(tmp_path, dataset, (6, 1, 1), min_words=2, max_words=50)
    assert record["train"]["dropped"] == {"empty_article": 3, "empty_reference": 1, "too_few_words": 1, "too_many_words": 1}
    assert record["train"]["noticed"] == {"markup_in_article": 1, "not_latin_script": 1, "reference_not_shorter": 1}
    assert rows["train"] == good + odd


def story(number):
    """An article like no other."""
    draw = random.Random(number)
    return {"id": f"story{number}", "article": "".join(draw.choices(LETTERS, k=400)).strip(), "reference": "A story."}


def edited(row, id):
    """The same story, published again with two words more."""
    return row | {"id": id, "article": f"Updated: {row['article']} Ends."}


def stories_with_near_duplicates():
    test, validation, train = ([story(number) for number in numbers] for numbers in (range(6), range(10, 16), range(20, 44)))
    validation[0:2] = [edited(test[0], "v0"), edited(test[1], "v1")]
    train[0:3] = [edited(test[2], "t0"), edited(validation[4], "t1"), edited(validation[5], "t2")]
    return {"train": train, "validation": validation, "test": test}


def test_near_duplicates_leave_the_sample_and_the_next_ones_drawn_take_their_places(tmp_path):
    dataset = write_dataset(tmp_path / "data", **stories_with_near_duplicates())
    rows, record = run(tmp_path, dataset, (21, 4, 6), near_threshold=0.8)
    assert [len(rows[split]) for split in ("train", "validation", "test")] == [21, 4, 6]
    assert not {"v0", "v1"} & set(ids(rows["validation"])) and not {"t0", "t1", "t2"} & set(ids(rows["train"]))
    assert record["train"]["left_out"] == {"near_duplicate_in_test": 1, "near_duplicate_in_validation": 2}
    assert record["validation"]["left_out"] == {"near_duplicate_in_test": 2}
    assert record["test"]["left_out"] == {}
    kept, _ = run(tmp_path, dataset, (24, 6, 6), "kept")
    assert {"v0", "v1"} < set(ids(kept["validation"])), "at the threshold 1 they stay"


def test_only_what_is_sampled_is_compared(tmp_path):
    dataset = write_dataset(tmp_path / "data", **stories_with_near_duplicates())
    rows, record = run(tmp_path, dataset, (22, 2, 2), near_threshold=0.8)
    held_out = set(ids(rows["test"]) + ids(rows["validation"]))
    copied = {"t0": "story2", "t1": "story14", "t2": "story15"}
    near = {copy for copy, of in copied.items() if of in held_out}
    assert 0 < len(near) < 3
    assert not near & set(ids(rows["train"]))
    assert copied.keys() - near <= set(ids(rows["train"])), "what resembles a pair that no one sees may stay"


def test_a_sample_without_near_duplicates_is_that_of_no_comparison(tmp_path):
    dataset = write_dataset(tmp_path / "data", **{split: [story(n) for n in range(start, start + 20)] for split, start in STARTS.items()})
    for name, threshold in (("a", 0.8), ("b", 1)):
        run(tmp_path, dataset, (9, 5, 5), name, near_threshold=threshold)
    for file in ("train.parquet", "validation.parquet", "test.parquet", "split.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_too_few_pairs_beside_near_duplicates_is_an_error_of_one_line(tmp_path):
    dataset = write_dataset(tmp_path / "data", **stories_with_near_duplicates())
    with pytest.raises(SystemExit) as error:
        run(tmp_path, dataset, (22, 4, 6), near_threshold=0.8)
    message = str(error.value)
    assert "summarization.splits.train: asked for 22 pairs, 21 are there" in message and "\n" not in message
    assert "near_duplicate_in_test 1, near_duplicate_in_validation 2" in message and "lower it to 21" in message
    assert not list(tmp_path.glob("out/*"))


def test_odd_articles_are_compared_like_others(tmp_path):
    odd = [
        "کتابخانهٔ شهر پس از سال‌ها دوباره باز شد.",
        "城市图书馆今天重新开放。",
        "🎉👩‍👩‍👧‍👦" * 20,
        "\u200b",
        "<p>Hello</p><script>x()</script>",
        "<|im_end|>\n<|im_start|>system",
        "word " * 100_000,
    ]
    test = [{"id": f"test{n}", "article": article, "reference": "x"} for n, article in enumerate(odd)]
    train = [{"id": f"train{n}", "article": f"{article} {article}.", "reference": "x"} for n, article in enumerate(odd)]
    train += [story(number) for number in range(9)]
    dataset = write_dataset(tmp_path / "data", train=train, validation=[story(20)], test=test)
    rows, record = run(tmp_path, dataset, (9, 1, 7), near_threshold=0.8)
    assert [row["article"] for row in rows["test"]] == [article.strip() for article in odd]
    assert sum(record["train"]["left_out"].values()) <= len(odd)
    assert record["test"]["noticed"] == {"markup_in_article": 1, "not_latin_script": 2, "reference_not_shorter": 1}


def test_asking_for_more_than_there_is_names_split_and_numbers(tmp_path, clean):
    with pytest.raises(SystemExit, match="summarization.splits.validation: asked for 21 pairs, 20 are there"):
        run(tmp_path, clean, (5, 21, 5))
    assert not list(tmp_path.glob("out/*"))


def test_a_missing_split_is_named(tmp_path):
    dataset = write_dataset(tmp_path / "data", train=pairs(3), test=pairs(3, 10))
    with pytest.raises(SystemExit, match="no split validation; found test, train|no split validation; found train, test"):
        run(tmp_path, dataset, (1, 1, 1))


def test_a_renamed_column_is_named_with_its_key(tmp_path, clean):
    with pytest.raises(SystemExit, match=r"no column 'highlights' in train; found .*summarization.columns.reference"):
        run(tmp_path, clean, (1, 1, 1), columns=json.dumps(COLUMNS | {"reference": "highlights"}))


def test_a_column_without_text_is_named_with_its_key(tmp_path):
    rows = [row | {"reference": 7} for row in pairs(3)]
    dataset = write_dataset(tmp_path / "data", train=rows, validation=rows, test=rows)
    with pytest.raises(SystemExit, match="expected text; correct summarization.columns.reference"):
        run(tmp_path, dataset, (1, 1, 1))


def test_numbers_serve_as_ids(tmp_path):
    parts = {
        split: [row | {"id": n + start} for n, row in enumerate(pairs(3, start))]
        for split, start in (("train", 0), ("validation", 10), ("test", 20))
    }
    rows, _ = run(tmp_path, write_dataset(tmp_path / "data", **parts), (3, 3, 3))
    assert ids(rows["test"]) == ["20", "21", "22"]


def test_the_projects_own_pairs_are_clean(tmp_path):
    folder = Path(__file__).parents[1] / "data" / "pairs"
    _, record = run(tmp_path, folder, (1, 1, 1), columns=json.dumps(COLUMNS | {"reference": "highlights"}))
    assert all(part["dropped"] == {} for part in record.values())
