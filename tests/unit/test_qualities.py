"""Length, copying, repetition and faithfulness of summaries."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

import qualities as script
from lib.labels import OUTSIDE
from lib.qualities import RATIOS, Article, EntityFinder, measured, numbers, qualities
from lib.records import write_jsonl
from lib.tagger import new_tagger
from summarizing import command_line, write_pairs
from tagged import make_backbone

ARTICLE = "The council of Elmbridge met on Monday. Mayor Ada Gray's plan costs $1,250.50, or 3.5% of 35,000 dollars; Ada Gray smiled."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,000 or 1000", {"1000"}),
        ("$1,250.50", {"1250.50"}),
        ("3.5% of 35,000,000", {"3.5", "35000000"}),
        ("۱۲٫۵ و ۱٬۲۰۰", {"12.5", "1200"}),
        ("in the 1990s, at 10:30.", {"1990", "10", "30"}),
        ("one, two", set()),
    ],
)
def test_numbers_are_those_written_in_digits(text, expected):
    assert numbers(text) == expected


def test_a_number_stands_in_the_article_as_a_whole_or_not_at_all():
    article = Article(ARTICLE)
    assert measured("It costs 1250.50 of 35000.", [], article)["faithful_numbers"] == (2, 2)
    assert measured("It costs 1250 of 5,000, that is 3.5 %.", [], article)["faithful_numbers"] == (1, 3)


def test_n_grams_are_of_words_without_case_and_punctuation():
    sums = measured("The Council of Elmbridge met, on Tuesday.", [], Article(ARTICLE))
    assert sums["words"] == (7, 1)
    assert sums["novel_unigrams"] == (1, 7)
    assert sums["novel_bigrams"] == (1, 6)
    assert sums["novel_trigrams"] == (1, 5)
    assert sums["repetition"] == (0, 5)
    assert sums["compression"] == (len(ARTICLE.split()) / 7, 1)


def test_different_n_grams_count_once_and_repeated_trigrams_each_time():
    sums = measured("a b c a b c a b c", [], Article("a b x"))
    assert sums["novel_unigrams"] == (1, 3)
    assert sums["novel_bigrams"] == (2, 3)
    assert sums["repetition"] == (7 - 3, 7)


def test_a_copy_has_nothing_novel_and_names_all_that_it_names():
    sums = measured(ARTICLE, [("ada", "gray"), ("elmbridge",)], Article(ARTICLE))
    assert [sums[f"novel_{name}"][0] for name in ("unigrams", "bigrams", "trigrams")] == [0, 0, 0]
    assert sums["faithful_entities"] == (2, 2)
    assert sums["faithful_numbers"] == (3, 3)


def test_an_entity_stands_in_the_article_word_by_word():
    article = Article(ARTICLE)
    assert article.names(("ada", "gray"))
    assert article.names(("gray",))
    assert not article.names(("elm",))
    assert not article.names(("gray", "ada"))
    assert not article.names(("ada", "council"))


def test_white_space_between_words_plays_no_part():
    assert Article("New  York\nCity").names(("york", "city"))


class Tagger:
    """Tags words that begin with a capital as people, and counts the sentences that it is given."""

    def __init__(self):
        self.seen = []

    def tag(self, sentences, languages):
        assert set(languages) <= {"en"}
        self.seen += sentences
        tags = []
        for sentence in sentences:
            names = [word[0].isupper() for word in sentence]
            inside = [before and name for before, name in zip([False, *names], names, strict=False)]
            tags.append([f"{'I' if within else 'B'}-PER" if name else OUTSIDE for name, within in zip(names, inside, strict=True)])
        return tags, None


def test_entities_are_found_once_a_sentence_and_named_once_a_text():
    tagger = Tagger()
    first, second = "we met Ada Gray.\nthen ADA GRAY left.", "then ADA GRAY left.\nit rained in York."
    finder = EntityFinder(tagger, "en", ["PER"], [first, second, "", " \n"])
    assert len(tagger.seen) == 3
    assert finder.entities(first) == [("ada", "gray")]
    assert finder.entities(second) == [("ada", "gray"), ("york",)]
    assert finder.entities("") == []


def test_entities_of_other_types_are_left_out():
    assert EntityFinder(Tagger(), "en", ["LOC"], ["we met Ada."]).entities("we met Ada.") == []


def test_a_block_pools_the_articles_and_counts_what_is_not_there():
    article = Article("one two three four")
    block = qualities([measured(text, [], article) for text in ("one two", "one two nine", "", " ")], seed=1)
    assert block["counts"] == {"summaries": 4, "empty": 2, "entities": 0, "numbers": 0}
    assert block["words"]["value"] == pytest.approx(5 / 4)
    assert block["compression"]["value"] == pytest.approx((4 / 2 + 4 / 3) / 2)
    assert block["novel_unigrams"]["value"] == pytest.approx(100 * 1 / 5)
    assert (block["faithful_entities"], block["faithful_numbers"]) == (None, None)
    assert set(block) == {*RATIOS, "counts"}


def test_a_system_that_says_nothing_has_a_block():
    block = qualities([measured("", [], Article(ARTICLE))] * 3, seed=1)
    assert block["words"] == {"value": 0, "low": 0, "high": 0}
    assert all(block[ratio] is None for ratio in RATIOS if ratio != "words")
    assert block["counts"] == {"summaries": 3, "empty": 3, "entities": 0, "numbers": 0}


@given(st.text(), st.text())
def test_any_text_is_measured(summary, text):
    for part, whole in measured(summary, [], Article(text)).values():
        assert part >= 0
        assert whole >= 0


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "متن ۱۲ فارسی", "中文文本", "word " * 100_000, "x" * 100_000, "1," * 50_000])
def test_odd_and_long_texts_are_measured(text):
    sums = measured(text, [], Article(text))
    assert sums["compression"][0] == 1
    assert [sums[f"novel_{name}"][0] for name in ("unigrams", "bigrams", "trigrams")] == [0, 0, 0]


# ------------------------------------------------------------------ the script

SYSTEMS = {"copy": [ARTICLE, "It rained."], "odd": ["", "<b>مریم</b> 7"]}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Random taggers in folders, by whether they know people and places."""
    folder = tmp_path_factory.mktemp("taggers")
    make_backbone(folder / "backbone")
    for name, labels in (("names", ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]), ("dates", ["O", "B-DAT", "I-DAT"])):
        torch.manual_seed(3)
        model = new_tagger(folder / "backbone", labels, 0.0, outside=0.5)
        model.classifier.weight.data *= 50  # so that it does not say the same of every word
        model.config.token_steps = ["normalize_letters", "remove_invisible"]
        model.save_pretrained(folder / name)
        AutoTokenizer.from_pretrained(folder / "backbone").save_pretrained(folder / name)
    return folder


def run(folder, model, systems=SYSTEMS, ids=("a", "b")):
    references = ["Elmbridge met 2 times.", ""]
    test = [{"id": id, "article": text, "reference": ref} for id, text, ref in zip("ab", [ARTICLE, " "], references, strict=True)]
    for system, predictions in systems.items():
        (folder / system).mkdir(parents=True, exist_ok=True)
        rows = [{"id": id, "prediction": text, "reference": ref} for id, text, ref in zip(ids, predictions, references, strict=True)]
        write_jsonl(folder / system / "predictions.jsonl", rows)
    arguments = {"test": write_pairs(folder / "test.parquet", test), "systems_folder": folder, "systems": list(systems), "model": model}
    arguments |= {"precision": "fp32", "batch_size": 4, "language": "en", "seed": 42, "output": folder / "qualities.json"}
    script.main(command_line(arguments))
    return (folder / "qualities.json").read_bytes()


def test_every_system_and_the_references_have_a_block(tmp_path, models):
    written = run(tmp_path, models / "names")
    result = json.loads(written)
    assert list(result["systems"]) == ["copy", "odd"]
    assert (result["entity_types"], result["reason"]) == (["PER", "LOC"], None)
    copy, odd, reference = result["systems"]["copy"], result["systems"]["odd"], result["reference"]
    assert copy["counts"]["entities"] > 0, "the random tagger finds something"
    assert 0 <= copy["faithful_entities"]["low"] <= copy["faithful_entities"]["value"] <= copy["faithful_entities"]["high"] <= 100
    assert copy["faithful_numbers"]["value"] == 100
    assert (odd["counts"]["empty"], odd["faithful_numbers"]["value"]) == (1, 0)
    assert (reference["counts"]["summaries"], reference["counts"]["empty"]) == (2, 1)
    assert run(tmp_path, models / "names") == written


def test_a_tagger_without_these_types_leaves_entities_out_and_says_so(tmp_path, models):
    result = json.loads(run(tmp_path, models / "dates"))
    assert result["entity_types"] == []
    assert result["reason"] == "the tagger knows none of PER, ORG, LOC: it finds DAT"
    assert result["systems"]["copy"]["faithful_entities"] is None
    assert result["systems"]["copy"]["faithful_numbers"]["value"] == 100


def test_summaries_of_other_articles_are_refused(tmp_path, models):
    with pytest.raises(SystemExit, match="the summaries are not of the articles in"):
        run(tmp_path, models / "dates", ids=("a", "c"))
    assert not (tmp_path / "qualities.json").exists()
