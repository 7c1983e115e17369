"""Our Persian corpus in data/: enough of each type, sound rows, and just the planted flaws that data/flaws.csv lists."""

import csv
import re
from collections import Counter
from pathlib import Path

import lib.offline  # noqa: F401

import pytest
import yaml

from lib import audit
from lib.cleaning import clean_row
from lib.dataset_folder import load_splits
from lib.ner_data import DatasetSpec, RawDataset

PROJECT = Path(__file__).parents[2]
DATA = PROJECT / "data"
SPLITS = ("train", "validation", "test")
TYPES = ("PER", "ORG", "LOC", "DAT", "TIM", "MON", "PCT", "EVE", "FAC", "PRO")
# the ids of AliFartout/PEYMA-ARMAN-Mixed on the hub
NAMES = [
    "B_LOC", "I_DAT", "B_PCT", "I_LOC", "I_PER", "I_MON", "B_ORG", "B_PRO", "B_PER", "O", "I_PCT",
    "I_ORG", "B_FAC", "B_DAT", "B_TIM", "I_TIM", "I_EVE", "B_MON", "I_PRO", "B_EVE", "I_FAC",
]  # fmt: skip
ZWNJ = "\u200c"
ARABIC_LETTER = re.compile("[\u064a\u0643\u0649\u0629]")
SPACE = re.compile(r"\s")
ZWNJ_VARIANT = re.compile(f"[\u200b\u200d-\u200f\u00ac\u00ad\u2060\ufeff]|{ZWNJ}{ZWNJ}|^{ZWNJ}|{ZWNJ}$")
TOKEN_KINDS = {"arabic_letter": ARABIC_LETTER, "stray_space": SPACE, "zwnj_variant": ZWNJ_VARIANT}


@pytest.fixture(scope="module")
def corpus():
    splits = load_splits(DATA / "persian_news")
    return {split: splits[split].to_list() for split in SPLITS}


@pytest.fixture(scope="module")
def flaws():
    with open(DATA / "flaws.csv", encoding="utf-8", newline="") as file:
        return [{**line, "row": int(line["row"])} for line in csv.DictReader(file)]


def places(flaws, *kinds):
    """(split, row) of the flaws of `kinds`."""
    return {(flaw["split"], flaw["row"]) for flaw in flaws if flaw["kind"] in kinds}


def every(corpus):
    """((split, row), what it holds)."""
    return [((split, number), row) for split in SPLITS for number, row in enumerate(corpus[split])]


def text(row):
    """What the copies of a sentence share, however it was typed."""
    letters = "".join(row["tokens"]).replace("\u064a", "ی").replace("\u0643", "ک")
    return re.sub(r"[^\w%٪]|_", "", letters)


def orphans(names):
    """Positions of tags that go on with an entity where there is none."""
    return [place for place, name in enumerate(names) if name[0] == "I" and (place == 0 or names[place - 1][1:] != name[1:])]


def entities(rows):
    return Counter(name[2:] for row in rows for name in row["ner_tags_names"] if name[0] == "B")


def test_features_are_those_of_the_hub_set():
    features = load_splits(DATA / "persian_news")["train"].features
    assert list(features) == ["tokens", "ner_tags", "ner_tags_names"]
    assert features["ner_tags"].feature.names == NAMES


def test_every_row_is_sound(corpus):
    for place, row in every(corpus):
        assert len(row["tokens"]) == len(row["ner_tags"]) == len(row["ner_tags_names"]) > 0, place
        assert [NAMES[tag] for tag in row["ner_tags"]] == row["ner_tags_names"], place
        assert all(token.strip() for token in row["tokens"]), place


def test_there_is_enough_of_each_type(corpus):
    distinct = {text(row): row for _, row in every(corpus)}
    assert len(distinct) >= 400
    assert min(entities(distinct.values())[label] for label in TYPES) >= 40
    assert set(entities(distinct.values())) == set(TYPES)
    assert min(entities(corpus["test"])[label] for label in TYPES) >= 10
    assert min(entities(corpus["validation"])[label] for label in TYPES) >= 5


def test_the_list_names_all_flaws_and_no_others(corpus, flaws):
    found = set()
    texts = {split: [text(row) for row in corpus[split]] for split in SPLITS}
    for (split, number), row in every(corpus):
        kinds = {kind for kind, pattern in TOKEN_KINDS.items() if any(map(pattern.search, row["tokens"]))}
        first = texts[split].index(texts[split][number])
        if first < number:
            kinds.add("duplicate_within")
            if corpus[split][first]["ner_tags"] != row["ner_tags"]:
                kinds.add("conflicting_tags")
        held_out = {"train": ("validation", "test"), "validation": ("test",), "test": ()}[split]
        if any(texts[split][number] in texts[other] for other in held_out):
            kinds.add("duplicate_across")
        if orphans(row["ner_tags_names"]):
            kinds.add("invalid_bio")
        found |= {(split, number, kind) for kind in kinds}
    listed = [(flaw["split"], flaw["row"], flaw["kind"]) for flaw in flaws]
    assert len(set(listed)) == len(listed)
    assert set(listed) == found


def test_details_say_where_a_flaw_is(corpus, flaws):
    for flaw in flaws:
        row, kind, detail = corpus[flaw["split"]][flaw["row"]], flaw["kind"], flaw["detail"]
        if kind in TOKEN_KINDS or kind == "invalid_bio":
            named = [int(place) for place in re.match(r"tokens? ([\d ]+):", detail)[1].split()]
            if kind == "invalid_bio":
                assert orphans(row["ner_tags_names"]) == named, flaw
            else:
                assert [place for place, token in enumerate(row["tokens"]) if TOKEN_KINDS[kind].search(token)] == named, flaw
        else:
            split, number = re.match(r"copy of (\w+) row (\d+)", detail).groups()
            assert corpus[split][int(number)]["tokens"] == row["tokens"], flaw
            assert (corpus[split][int(number)]["ner_tags"] == row["ner_tags"]) == (
                (flaw["split"], flaw["row"]) not in places(flaws, "conflicting_tags")
            )


def test_cleaning_changes_the_flawed_rows_alone(corpus, flaws):
    steps = ("normalize_letters", "remove_invisible", "drop_empty", "repair_bio")
    changed = {step: set() for step in steps}
    for place, row in every(corpus):
        tokens, tags, steps_used = clean_row(row["tokens"], [name.replace("_", "-") for name in row["ner_tags_names"]], "fa", steps)
        for step in steps_used:
            changed[step].add(place)
        assert not any(pattern.search(token) for pattern in TOKEN_KINDS.values() for token in tokens), place
        assert not orphans(tags), place
    assert changed == {
        "normalize_letters": places(flaws, "arabic_letter"),
        "remove_invisible": places(flaws, "stray_space", "zwnj_variant"),
        "drop_empty": set(),
        "repair_bio": places(flaws, "invalid_bio"),
    }


def test_the_readme_counts_what_is_there(corpus, flaws):
    lines = (DATA / "persian_news" / "README.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines if re.search(r"(\| [\d,]+ ){4}\|$", line)]
    table = {cells[0]: cells[-4:] for cells in rows}
    expected = {
        "rows": {split: len(corpus[split]) for split in SPLITS},
        "tokens": {split: sum(len(row["tokens"]) for row in corpus[split]) for split in SPLITS},
        "rows without an entity": {split: sum(set(row["ner_tags_names"]) == {"O"} for row in corpus[split]) for split in SPLITS},
        **{label: {split: entities(corpus[split])[label] for split in SPLITS} for label in TYPES},
        **{
            kind: {split: sum((flaw["split"], flaw["kind"]) == (split, kind) for flaw in flaws) for split in SPLITS}
            for kind in {flaw["kind"] for flaw in flaws}
        },
    }
    for name, counts in expected.items():
        assert table[name] == [f"{count:,}" for count in [*counts.values(), sum(counts.values())]], name


def test_the_audit_finds_what_is_listed(flaws):
    entry = yaml.safe_load((PROJECT / "presets" / "demo.yaml").read_text(encoding="utf-8"))["ner"]["datasets"]["persian_news"]
    sources = [{"name": name, **source} for name, source in entry["sources"].items()]
    spec = DatasetSpec.of({"name": "persian_news", "config": None, **entry, "sources": sources})
    dataset = audit.AuditedDataset(RawDataset(spec, DATA / "persian_news"))
    audited = audit.Audit([dataset], scheme=None, cleaning=None, subwords=None, max_length=None, near=(0.8, 5), rows=None)

    def found(check):
        return {(split.name, row) for finding in check(audited) for _, split, rows in finding.fixed for row in rows.tolist()}

    def copied(*kinds):
        return {
            (split, int(row))
            for flaw in flaws
            if flaw["kind"] in kinds
            for split, row in re.findall(r"copy of (\w+) row (\d+)", flaw["detail"])
        }

    assert found(audit.letter_variants) == places(flaws, "arabic_letter")
    assert found(audit.invisible_characters) == places(flaws, "stray_space", "zwnj_variant")
    assert found(audit.duplicates_within) == places(flaws, "duplicate_within") | copied("duplicate_within")
    assert found(audit.duplicates_across) == places(flaws, "duplicate_across")
    assert found(audit.conflicting_tags) == places(flaws, "conflicting_tags") | copied("conflicting_tags")
    assert found(audit.invalid_bio) == places(flaws, "invalid_bio")
    for check in (audit.missing_split, audit.unequal_lengths, audit.empty_tokens, audit.one_token_sentences, audit.digit_scripts):
        assert not list(check(audited)), check.__name__
