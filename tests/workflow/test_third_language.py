"""A third data set in another language, a second training seed and a transfer: by configuration alone, from the data to the report."""

import json
import shutil
from itertools import product

import pandas as pd
import pytest
import yaml

from runs import CORES, copy_of_project, snakemake

PEOPLE, PLACES, FIRMS = ["Greta Holm", "Jonas Adler"], ["Lindau", "Bad Orb"], ["Nordwerk", "Alpen AG"]
SENTENCES = [
    ("{0} wohnt in {1} .", ("PERSON", "ORT")),
    ("Die Firma {2} zieht nach {1} um .", ("FIRMA", "ORT")),
    ("{0} leitet {2} .", ("PERSON", "FIRMA")),
    ("Heute kam {0} aus {1} zurück .", ("PERSON", "ORT")),
]
CONFIG = {
    "run": "third",
    "seeds": [42, 43],
    "datasets": {"german": {"title": "German sentences", "source": "local", "path": "german", "licence": "CC0"}},
    "ner": {
        "datasets": {
            "german": {
                "language": "de",
                "columns": {"tokens": "words", "tags": "tags"},
                "limit": {"train": None, "validation": None, "test": None},
                "labels": {"PERSON": "PER", "FIRMA": "ORG", "ORT": "LOC"},
                "sources": {"german": {"types": ["PER", "ORG", "LOC"]}},
            }
        },
        "variants": {"as_downloaded": None, "to_german": {"train_languages": ["en", "fa"]}},
        "sentences": [{"language": "de", "text": "Greta Holm wohnt in Lindau."}],
    },
    "summarization": {
        "systems": dict.fromkeys(["llama_zero_shot", "llama_few_shot", "smollm2_base", "smollm2_tuned_again"]),
        "compare_to": ["lead3", "smollm2_tuned"],
    },
}


def tagged(pattern, types, names):
    """A row: the words of the pattern with names in their places, and a tag for each."""
    words, tags, left = [], [], list(types)
    for word in pattern.split():
        if word.startswith("{"):
            name, kind = names[int(word[1])].split(), left.pop(0)
            words += name
            tags += [f"B-{kind}"] + [f"I-{kind}"] * (len(name) - 1)
        else:
            words.append(word)
            tags.append("O")
    return {"words": words, "tags": tags}


def make_german(folder):
    """A data set of tag names, not ids, with other names for the types and without a validation split."""
    rows = [tagged(*sentence, names) for sentence, names in product(SENTENCES, product(PEOPLE, PLACES, FIRMS))]
    rows = list({" ".join(row["words"]): row for row in rows}.values())
    (folder / "data").mkdir(parents=True)
    for split, part in (("train", rows[::2]), ("test", rows[1::2])):
        pd.DataFrame(part).to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")


@pytest.fixture(scope="module")
def results(smoke, tmp_path_factory):
    folder = copy_of_project(tmp_path_factory.mktemp("third"))
    shutil.copytree(smoke / "assets", folder / "assets")
    make_german(folder / "german")
    (folder / "third.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    run = snakemake(folder, *CORES, "--show-failed-logs", "--configfile", "presets/smoke.yaml", "third.yaml")
    assert run.returncode == 0, run.stdout[-6000:]
    return folder / "results" / "third"


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_third_language_is_trained_scored_and_tagged(results):
    assert read(results / "ner" / "labels.json")["sources"]["german"] == {
        "dataset": "german",
        "language": "de",
        "types": ["PER", "ORG", "LOC"],
    }
    rows = pd.read_parquet(results / "ner" / "train.parquet")
    assert set(rows.language) == {"en", "fa", "de"}
    tags = {tag for tags in rows[rows.language == "de"].ner_tags for tag in tags}
    assert {"O", "B-PER", "I-PER", "B-ORG", "B-LOC"} <= tags <= {"O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"}
    german = read(results / "ner" / "metrics.json")["test"]["by_language"]["de"]
    assert german["support"] > 0
    assert "Greta" in read(results / "ner" / "sentences.json")[0]["tokens"]


def test_a_transfer_trains_without_the_language_that_it_is_tested_on(results):
    folder = results / "ner" / "variants" / "to_german"
    for split in ("train", "validation"):
        assert set(pd.read_parquet(folder / f"{split}.parquet").language) == {"en", "fa"}
    assert set(pd.read_parquet(folder / "test.parquet").language) == {"en", "fa", "de"}
    assert read(folder / "metrics.json")["test"]["by_language"]["de"]["support"] > 0


def test_every_trained_model_repeats_for_the_second_seed(results):
    seeds = {path.parent.relative_to(results).as_posix() for path in results.rglob("seeds/43")}
    trained = {f"summarization/systems/smollm2_{name}/seeds" for name in ("tuned", "pruned", "retuned")}
    assert seeds == {"ner/seeds", "ner/variants/to_german/seeds", *trained}
    for folder, scores in (("ner", "metrics.json"), ("summarization/systems/smollm2_tuned", "scores.json")):
        first, second = ((results / folder / part / "model" / "model.safetensors").read_bytes() for part in (".", "seeds/43"))
        assert first != second
        assert read(results / folder / "seeds" / "43" / scores)
    assert not (results / "ner" / "seeds" / "43" / "train.parquet").exists()
    card = (results / "summarization" / "systems" / "smollm2_retuned" / "seeds" / "43" / "model" / "README.md").read_text()
    assert "smollm2_pruned/seeds/43" in card, "each repetition goes on from its parent's"


@pytest.mark.parametrize(("language", "name"), [("en", "German"), ("fa", "آلمانی")])
def test_the_report_names_the_language_and_shows_both_seeds(results, language, name):
    text = (results / "report" / f"report.{language}.md").read_text(encoding="utf-8")
    assert name in text
    assert "ner/seeds/*/metrics.json" in text
    assert (results / "report" / f"report.{language}.html").stat().st_size > 100_000
