"""Small data sets of tagged sentences, and the specifications that the rules would pass, for the tests of named entity recognition."""

import json

import datasets

from lib.cleaning import RULES
from lib.random_models import make

TAGS_EN = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]
TAGS_FA = ["B_LOC", "I_DAT", "I_LOC", "I_PER", "B_ORG", "B_PRO", "B_PER", "O", "I_ORG", "B_FAC", "B_DAT", "I_PRO", "I_FAC"]
ALL_ON = dict.fromkeys(RULES, True)
NEAR = (0.8, 5)  # threshold and characters of near-duplicates

ENGLISH = {
    "name": "english",
    "config": None,
    "language": "en",
    "columns": {"tokens": "tokens", "tags": "ner_tags"},
    "limit": {"train": None, "validation": None, "test": None},
    "labels": {label: label for label in ("PER", "ORG", "LOC", "MISC")},
    "sources": [{"name": "english", "types": ["PER", "ORG", "LOC", "MISC"]}],
}
PERSIAN = {
    **ENGLISH,
    "name": "persian",
    "language": "fa",
    "labels": {label: label for label in ("PER", "ORG", "LOC", "DAT", "FAC", "PRO")},
    "sources": [
        {"name": "peyma", "types": ["PER", "ORG", "LOC", "DAT"], "has_type": ["DAT"]},
        {"name": "arman", "types": ["PER", "ORG", "LOC", "FAC", "PRO"], "has_type": ["FAC", "PRO"], "repeated": True},
        {"name": "undecided", "types": ["PER", "ORG", "LOC"]},
    ],
}


def sentence(text):
    """`Ada/B-PER sleeps` as tokens and tags: a token without a tag is O."""
    pairs = [token.split("/") if "/" in token else (token, "O") for token in text.split(" ")]
    return {"tokens": [token for token, _ in pairs], "ner_tags": [tag for _, tag in pairs]}


def write_dataset(folder, splits, names=None):
    """A data set in the hub's layout from {split: [texts for `sentence`, or rows]}; tags become ids of a ClassLabel with `names`."""
    tag = datasets.Value("string") if names is None else datasets.ClassLabel(names=names)
    features = datasets.Features({"tokens": datasets.List(datasets.Value("string")), "ner_tags": datasets.List(tag)})
    for split, rows in splits.items():
        rows = [sentence(row) if isinstance(row, str) else row for row in rows]
        (folder / "data").mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_list(rows, features=features).to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def clean_arguments(out, folders, specs, cleaning=ALL_ON, scheme="masked_union", near=NEAR, train_languages=()):
    """Arguments of ner_clean.py that writes to the folder `out`."""
    return [
        *("--folders", *map(str, folders)),
        *("--datasets", json.dumps(specs), "--cleaning", json.dumps(cleaning), "--label-scheme", scheme, "--seed", "42"),
        *near_arguments(near),
        *(("--train-languages", *train_languages) if train_languages else ()),
        *(part for split in ("train", "validation", "test") for part in (f"--{split}", str(out / f"{split}.parquet"))),
        *("--labels", str(out / "labels.json"), "--report", str(out / "cleaning.json")),
        *("--rows", str(out / "cleaning_rows.parquet")),
    ]


def near_arguments(near=NEAR):
    return ["--near-threshold", str(near[0]), "--near-characters", str(near[1])]


def make_backbone(folder):
    make("xlm_roberta", folder, seed=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    return folder
