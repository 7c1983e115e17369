"""The audit finds each kind of flaw, counts it right, and names what was done about it."""

import json

import pytest

import ner_audit
import ner_clean
from lib.records import read_json, read_parquet
from tagged import ALL_ON, ENGLISH, PERSIAN, TAGS_EN, TAGS_FA, clean_arguments, make_backbone, near_arguments, write_dataset

MAX_LENGTH = 60
LONG = "long " * 20 + "sentence"


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return make_backbone(tmp_path_factory.mktemp("audit") / "backbone")


@pytest.fixture
def audited(tmp_path, backbone):
    """Clean and audit data sets; give the findings by id, and the whole file."""

    def run(folders, specs, **options):
        ner_clean.main(clean_arguments(tmp_path, folders, specs, **options))
        flags = ["--labels", str(tmp_path / "labels.json"), "--cleaning", str(tmp_path / "cleaning.json"), "--backbone", str(backbone)]
        flags += ["--rows", str(tmp_path / "cleaning_rows.parquet")]
        paths = ["--max-length", str(MAX_LENGTH), "--output", str(tmp_path / "audit.json"), *near_arguments()]
        ner_audit.main(["--folders", *map(str, folders), "--datasets", json.dumps(specs), *flags, *paths])
        audit = read_json(tmp_path / "audit.json")
        findings = {}
        for finding in audit["findings"]:
            findings.setdefault(finding["id"], []).append(finding)
        return findings, audit

    return run


def short(finding, *names):
    return tuple(finding[name] for name in ("split", "count", "of", *names))


@pytest.fixture
def findings(tmp_path, audited):
    english = write_dataset(
        tmp_path / "english",
        {
            "train": ["Rome/B-LOC burns", "Rome/B-LOC burns", "leaked words", "one", LONG],
            "validation": ["fine words"],
            "test": ["leaked words"],
        },
        TAGS_EN,
    )
    persian = write_dataset(
        tmp_path / "persian",
        {
            "train": [
                "علي/B_PER رفت",
                "یزد/I_LOC شهر",
                "برج/B_FAC شب/I_PER",
                "همین جا",
                "همین/B_LOC جا",
                "می\u200bرود \u200f",
                "سال ۱۴۰۲ و 3 و ۴",
            ],
            "test": ["\u200b"],
        },
        TAGS_FA,
    )
    with pytest.raises(SystemExit, match="no sentence is left in test"):
        audited([persian], [PERSIAN])
    persian = write_dataset(tmp_path / "persian", {"test": ["شیراز/B_LOC", "\u200b"]}, TAGS_FA)
    return audited([english, persian], [ENGLISH, PERSIAN])


def test_labels_and_sources(findings):
    found, _ = findings
    [tags] = found["tag_conventions"]
    assert (tags["dataset"], tags["count"], tags["of"], tags["fix"], tags["rows_changed"]) == ("persian", 5, 9, "unify_tags", 4)
    [ids] = found["id_orders"]
    assert ids["dataset"] == "persian"
    assert {"tag": "O", "ids": {"english": 0, "persian": 7}} in ids["examples"]
    silent = {finding["detail"]["source"]: finding["detail"]["silent_about"] for finding in found["label_sets"]}
    assert silent["english"] == ["DAT", "FAC", "PRO"]
    assert silent["undecided"] == ["MISC", "DAT", "FAC", "PRO"]
    [groups] = found["source_groups"]
    # two rows repeat the same tokens, one has a FAC
    assert groups["detail"]["sources"]["arman"] == {"train": 3, "test": 0}
    assert (groups["count"], groups["of"]) == (6, 9)
    [missing] = found["missing_split"]
    assert (missing["examples"], missing["fix"], missing["rows_changed"]) == ([{"split": "validation"}], "hold_out", 1)


def test_copies_and_conflicts(findings):
    found, _ = findings
    assert [short(finding, "rows_changed") for finding in found["duplicates_within"]] == [("train", 1, 5, 1), ("train", 1, 7, 0)]
    [across] = found["duplicates_across"]
    assert short(across, "share", "rows_changed") == ("test", 1, 1, 1.0, 1)
    assert (across["detail"]["in"], across["detail"]["unique_share"]) == ("train", 1.0)
    repeated = found["repeated_sentences"][0]
    assert (repeated["count"], repeated["of"], repeated["rows_changed"]) == (2, 7, 2)
    assert repeated["detail"]["sentences_by_copies"] == {"1": 3, "2": 2}
    [conflict] = found["conflicting_tags"]
    assert short(conflict, "fix", "fix_on", "rows_changed") == ("train", 2, 7, "resolve_conflicts", True, 1)
    assert {example["tags"] for example in conflict["examples"]} == {"O O", "B_LOC O"}


def test_tags_and_tokens(findings):
    found, _ = findings
    [bio] = found["invalid_bio"]
    assert short(bio, "fix", "rows_changed") == ("train", 2, 7, "repair_bio", 2)
    assert bio["detail"] == {"tokens": 2, "type_changes": 1}
    assert [short(finding) for finding in found["empty_tokens"]] == [("train", 1, 7), ("test", 1, 2)]
    assert [short(finding, "fix", "rows_changed") for finding in found["empty_sentences"]] == [("test", 1, 2, "drop_empty", 1)]
    assert [short(finding) for finding in found["one_token_sentences"]] == [("train", 1, 5), ("test", 2, 2)]
    [long] = found["long_sentences"]
    assert short(long, "fix") == ("train", 1, 5, "split_between_words")
    assert long["detail"]["longest"] == 20 * 5 + 9 + 2
    assert [short(finding, "fix") for finding in found["no_subwords"]] == [
        ("train", 1, 7, "unknown_token"),
        ("test", 1, 2, "unknown_token"),
    ]


def test_letters_and_invisible_characters(findings):
    found, _ = findings
    [letters] = found["letter_variants"]
    assert short(letters, "rows_changed") == ("train", 1, 7, 1)
    assert letters["detail"]["characters"] == {"ي": 1}
    [first, second] = found["invisible_characters"]
    assert short(first) == ("train", 1, 7)
    assert first["detail"]["characters"] == {"U+200B": 1, "U+200F": 1}
    assert first["examples"][0]["token"] == "می\\u200bرود"
    assert short(second) == ("test", 1, 2)
    [digits] = found["digit_scripts"]
    assert digits["detail"] == {"tokens": 1, "script": "ascii", "tokens_by_script": {"ascii": 1, "persian": 2, "arabic_indic": 0}}
    assert digits["fix"] is None, "cleaning leaves ASCII digits"


def test_balance(findings):
    found, audit = findings
    train = found["class_imbalance"][0]
    assert (train["dataset"], train["split"], train["unit"], train["count"], train["of"]) == ("english", "train", "tokens", 26, 28)
    assert train["detail"]["entities"] == {"LOC": 2, "PER": 0, "ORG": 0, "MISC": 0} or train["detail"]["entities"] == {"LOC": 2}
    rare = {finding["dataset"]: finding for finding in found["rare_types"]}
    assert {"type": "LOC", "entities": 1} in rare["persian"]["examples"]
    assert audit["nothing_found"] == [
        *("duplicates_between", "near_duplicates_within", "near_duplicates_across", "conflicting_tags_across", "unequal_lengths")
    ]


def test_every_finding_has_the_same_keys(findings):
    _, audit = findings
    keys = {"id", "dataset", "split", "unit", "count", "of", "share", "fix", "fix_on", "rows_changed", "examples", "detail"}
    for finding in audit["findings"]:
        assert set(finding) == keys
        assert len(finding["examples"]) <= 5 or finding["id"] == "rare_types"  # which names them all
        assert finding["share"] == pytest.approx(finding["count"] / finding["of"])


def test_a_step_that_is_off_is_named_so(tmp_path, audited):
    folder = write_dataset(tmp_path / "x", {"train": ["a b", "a b"], "validation": ["v"], "test": ["t"]})
    cleaning = dict.fromkeys(ALL_ON, False)
    found, _ = audited([folder], [ENGLISH], cleaning=cleaning)
    assert short(found["duplicates_within"][0], "fix_on", "rows_changed") == ("train", 1, 2, False, 0)


NEWS = "the committee of ministers met in Geneva on Monday to talk about grain exports and port fees"
OTHER = "a storm from the north closed mountain roads and schools in four districts of the valley"


def test_near_duplicates(tmp_path, audited):
    train = [NEWS, f"{NEWS} again", f"{NEWS} again", OTHER, "something else entirely"]
    folder = write_dataset(
        tmp_path / "x", {"train": train, "validation": [f"{OTHER} today", OTHER], "test": [f"{NEWS} too", NEWS.replace(" ", "\u200b ")]}
    )
    found, audit = audited([folder], [ENGLISH])
    # the second row differs from the first; the third is a copy, and counted as such
    [within_train, within_validation, within_test] = found["near_duplicates_within"]
    assert short(within_train, "fix", "rows_changed") == ("train", 1, 5, None, None)
    [example] = within_train["examples"]
    assert (example["row"], example["text"][:13], example["near"][:13]) == (1, NEWS[:13], NEWS[:13])
    assert example["similarity"] == pytest.approx(72 / 77, abs=0.001)  # 76 characters without spaces, 81 with "again"
    assert [short(within_validation), short(within_test)] == [("validation", 1, 2), ("test", 1, 2)]
    # the second row of test resembles a row of train, and is a copy of another: it counts there
    across = {(finding["split"], finding["detail"]["in"]): finding for finding in found["near_duplicates_across"]}
    assert {places: finding["count"] for places, finding in across.items()} == {("test", "train"): 1, ("validation", "train"): 1}
    assert [example["row"] for example in across["test", "train"]["examples"]] == [0]
    assert across["test", "train"]["fix"] == "deduplicate_near"
    # one copy of each leaves train by deduplicate_across, one by deduplicate_within; what is left and similar, by deduplicate_near
    assert across["test", "train"]["rows_changed"] == 1
    assert across["validation", "train"]["detail"] == {"in": "train", "threshold": 0.8, "characters": 5}


def test_each_finding_counts_its_own_rows(tmp_path, audited):
    """Two findings with one fix share no rows, and rows that move to validation count where they came from."""
    train = ["copy one", "copy one", "copy two", "of test", "of test", *(f"filler {number}" for number in range(20))]
    folder = write_dataset(tmp_path / "x", {"train": train, "test": ["of test", "t/I-LOC", "t/I-LOC"]})
    found, _ = audited([folder], [ENGLISH])
    assert [short(finding, "rows_changed") for finding in found["duplicates_within"]] == [("train", 2, 25, 2), ("test", 1, 3, 1)]
    [across] = found["duplicates_across"]
    assert short(across, "rows_changed") == ("test", 1, 3, 1), "the other copy left by deduplicate_within"
    [bio] = found["invalid_bio"]
    assert short(bio, "rows_changed") == ("test", 2, 3, 2)
    [missing] = found["missing_split"]
    assert missing["rows_changed"] > 0
    assert found["repeated_sentences"][0]["rows_changed"] == 4


def test_data_sets_that_share_sentences(tmp_path, audited):
    one = write_dataset(tmp_path / "one", {"train": ["in both", f"{NEWS} again"], "validation": ["v"], "test": ["of one", "t"]})
    other = write_dataset(tmp_path / "other", {"train": ["in both", "of one", "c"], "validation": ["w"], "test": [NEWS, "t"]})
    second = ENGLISH | {"name": "second", "sources": [{"name": "second", "types": ["PER"]}]}
    found, _ = audited([one, other], [ENGLISH, second])
    between = {(f["dataset"], f["split"], f["detail"]["in_dataset"], f["detail"]["in"]): f for f in found["duplicates_between"]}
    assert {place: (f["count"], f["fix"], f["rows_changed"]) for place, f in between.items()} == {
        ("second", "train", "english", "train"): (1, "deduplicate_within", 1),
        ("second", "test", "english", "test"): (1, "deduplicate_within", 1),
        ("english", "test", "second", "train"): (1, "deduplicate_across", 1),
    }
    [near] = found["near_duplicates_across"]
    assert (near["dataset"], near["count"], near["rows_changed"]) == ("second", 1, 1)
    assert near["detail"]["in_dataset"] == "english"
    german = second | {"language": "de"}
    found, audit = audited([one, other], [ENGLISH, german])
    assert "duplicates_between" not in found, "sentences of two languages are no copies of each other"
    assert not [f for f in audit["findings"] if f["fix"] and f["fix"].startswith("deduplicate")]
    assert [len(read_parquet(tmp_path / f"{split}.parquet", ["tokens"])) for split in ("train", "validation", "test")] == [5, 2, 4]


def test_digits_of_an_arabic_data_set_are_no_letter_variants(tmp_path, audited):
    folder = write_dataset(tmp_path / "ar", {"train": ["سنة ٢٠٢٠"], "validation": ["سنة ٢٠٢١"], "test": ["سنة ٢٠٢٢"]})
    found, _ = audited([folder], [ENGLISH | {"language": "ar"}])
    assert not {"letter_variants", "digit_scripts"} & set(found)


def test_digits_that_cleaning_replaces_are_named_however_common(tmp_path, audited):
    folder = write_dataset(tmp_path / "fa", {"train": ["سال ٢٠٢٠", "سال ٢٠٢١", "سال ۱۴۰۲"], "validation": ["و"], "test": ["ت"]}, TAGS_FA)
    found, _ = audited([folder], [PERSIAN])
    [digits] = found["digit_scripts"]
    assert short(digits, "fix", "rows_changed") == ("train", 2, 3, "normalize_letters", 2)
    assert digits["detail"]["script"] == "arabic_indic"


def test_a_sentence_that_cleaning_shortens_is_not_split(tmp_path, audited):
    long = " ".join(["word"] * 10 + ["\u200b"] * 20)  # a token that has no subword takes the unknown one's place
    folder = write_dataset(tmp_path / "x", {"train": ["a", long, LONG], "validation": ["v"], "test": ["t"]})
    found, _ = audited([folder], [ENGLISH])
    assert short(found["long_sentences"][0], "rows_changed") == ("train", 2, 3, 1)


def test_splits_that_contradict_each_other(tmp_path, audited):
    rows = {"train": ["Rome burns", "Oslo/B-LOC sleeps", "left"], "validation": ["Oslo/B-LOC sleeps", "v"], "test": ["Rome/B-LOC burns"]}
    found, _ = audited([write_dataset(tmp_path / "x", rows)], [ENGLISH])
    [finding] = found["conflicting_tags_across"]
    assert short(finding, "fix", "rows_changed") == (None, 2, 6, "deduplicate_across", 1)
    assert {(example["split"], example["tags"]) for example in finding["examples"]} == {("train", "O O"), ("test", "B-LOC O")}


def test_what_a_scheme_changes(tmp_path, audited):
    rows = ["علی/B_PER دیروز/B_DAT رفت", "یزد/B_LOC زیباست", "قم/B_LOC شهر است"]
    folder = write_dataset(tmp_path / "fa", {"train": rows, "validation": ["v"], "test": ["t"]}, TAGS_FA)
    english = write_dataset(tmp_path / "en", {"train": ["a b"], "validation": ["c d"], "test": ["e f"]})
    changed = {}
    for scheme in ("masked_union", "intersection", "union"):
        found, _ = audited([english, folder], [ENGLISH, PERSIAN], scheme=scheme)
        changed[scheme] = {f["detail"]["source"]: (f["fix_on"], f["rows_changed"]) for f in found["label_sets"]}
    assert changed["masked_union"] == {"english": (True, 3), "peyma": (True, 1), "undecided": (True, 4)}
    assert changed["intersection"] == {"english": (True, 0), "peyma": (True, 1), "undecided": (True, 0)}
    assert changed["union"] == {"english": (False, 0), "peyma": (False, 0), "undecided": (False, 0)}


@pytest.mark.parametrize("tags", [["B-PER"], ["B-PER", "nonsense", "O"]])
def test_unequal_lengths(tmp_path, audited, tags):
    row = {"tokens": ["Ada", "sleeps"], "ner_tags": tags}
    folder = write_dataset(tmp_path / "x", {"train": ["a", row, "b"], "validation": ["v"], "test": ["t"]})
    found, audit = audited([folder], [ENGLISH])
    [finding] = found["unequal_lengths"]
    assert short(finding, "fix", "fix_on", "rows_changed") == ("train", 1, 3, "drop_unequal", True, 1)
    assert finding["examples"] == [{"row": 1, "text": "Ada sleeps"}]
    assert "invalid_bio" in audit["nothing_found"]


def test_subwords_of_words(tmp_path, audited):
    folder = write_dataset(tmp_path / "x", {"train": ["abcd ab", "ab"], "validation": ["longer"], "test": ["longest"]})
    _, audit = audited([folder], [ENGLISH])
    # the random tokenizer has a subword for each character and one for a word's beginning
    assert audit["subwords"] == {"en": {"words": 3, "subwords": 11, "per_word": 11 / 3, "longest": 5}}


def test_the_real_persian_set(audited, real_data):
    """FACTS of the set: every sentence three times; 96.7 % of the rows of test in train, 97.7 % of its different sentences."""
    persian = PERSIAN | {"labels": {label: label for label in ("PER", "ORG", "LOC", "FAC", "PRO", "EVE")}}
    persian["sources"] = [
        {"name": "arman", "types": ["PER", "ORG", "LOC", "FAC", "PRO", "EVE"], "has_type": ["FAC", "PRO", "EVE"], "repeated": True},
        {"name": "undecided", "types": ["PER", "ORG", "LOC"]},
    ]
    found, audit = audited([real_data / "PEYMA-ARMAN-Mixed"], [persian])
    [repeated] = found["repeated_sentences"]
    copies = repeated["detail"]["sentences_by_copies"]
    assert (repeated["of"], repeated["detail"]["unique"]) == (23043, 7668)
    assert all(int(number) % 3 == 0 for number in copies)
    assert copies["3"] > 7600
    assert repeated["rows_changed"] == repeated["count"]
    leak = next(finding for finding in found["duplicates_across"] if finding["split"] == "test" and finding["detail"]["in"] == "train")
    assert round(100 * leak["share"], 1) == 96.7
    assert round(100 * leak["detail"]["unique_share"], 1) == 97.7
    assert found["tag_conventions"][0]["detail"]["separator"] == "_"
    assert found["source_groups"][0]["count"] == 0  # every sentence is repeated, so all are ARMAN's
    assert {"invalid_bio", "missing_split", "unequal_lengths"} <= set(audit["nothing_found"])
