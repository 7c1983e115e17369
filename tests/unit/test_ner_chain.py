"""Training, evaluation and prediction with a tiny encoder: a task that it can learn, and what stands in the files."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoConfig, AutoTokenizer

import ner_clean
import ner_evaluate
import ner_predict
import ner_train
from lib.records import read_json, read_jsonl, read_parquet
from lib.tagger import Collator
from lib.words import words
from tagged import ENGLISH, PERSIAN, TAGS_EN, TAGS_FA, clean_arguments, make_backbone, write_dataset

TRAINING = {
    "num_train_epochs": 6,
    "per_device_train_batch_size": 8,
    "per_device_eval_batch_size": 16,
    "gradient_checkpointing": True,
    "weight_decay": 0.01,
    "learning_rate": 5e-3,
    "lr_scheduler_type": "linear",
    "warmup_steps": 0.1,
    "eval_steps": 20,
    "logging_steps": 10,
    "eval_accumulation_steps": 10,
    "train_sampling_strategy": "group_by_length",
}
NAMES, VERBS = ["Ada", "Bob", "Cleo", "Dora", "Emil", "Fritz"], ["sleeps", "walks", "reads", "sings"]
PLACES_FA = ["یزد", "قم", "کرج", "ساری"]


def english(numbers):
    return [f"{NAMES[n % 6]}/B-PER {VERBS[n % 4]} in {n}" for n in numbers]


def persian(numbers):
    return [f"او {n} در {PLACES_FA[n % 4]}/B_LOC است" for n in numbers]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with merged data and a backbone."""
    folder = tmp_path_factory.mktemp("chain")
    numbers = {"train": range(10, 50), "validation": range(50, 60), "test": range(60, 80)}
    folders = [
        write_dataset(folder / "english", {split: english(part) for split, part in numbers.items()}, TAGS_EN),
        write_dataset(folder / "persian", {split: persian(part) for split, part in numbers.items()}, TAGS_FA),
    ]
    ner_clean.main(clean_arguments(folder, folders, [ENGLISH, PERSIAN]))
    make_backbone(folder / "backbone")
    return folder


def train(data, out, rows="used", training=TRAINING, token_steps=("normalize_letters", "remove_invisible"), **flags):
    options = {"alignment": "first", "max-length": 32, "dropout": 0.1, "head-learning-rate": 1e-2, "precision": "fp32", "seed": 42}
    options |= {"checkpoint-minutes": 60} | flags
    ner_train.main(
        [
            *(
                "--backbone",
                str(data / "backbone"),
                "--train",
                str(data / "train.parquet"),
                "--validation",
                str(data / "validation.parquet"),
            ),
            *("--labels", str(data / "labels.json"), "--training", json.dumps(training), "--embedding-rows", rows, "--start", "tiny"),
            *(part for name, value in options.items() for part in (f"--{name}", str(value))),
            *("--token-steps", *token_steps),
            *("--work", str(out / "work")),
            *("--output", str(out / "model"), "--log", str(out / "training_log.jsonl"), "--summary", str(out / "training.json")),
        ]
    )
    return out


def evaluation(data, model, out, batch_size=16):
    """Arguments of ner_evaluate.py that scores `model` and writes to the folder `out`."""
    return [
        *("--model", str(model), "--validation", str(data / "validation.parquet"), "--test", str(data / "test.parquet")),
        *("--labels", str(data / "labels.json"), "--batch-size", str(batch_size), "--precision", "fp32", "--seed", "42"),
        *(part for name in ("metrics.json", "errors.json") for part in (f"--{name[:-5]}", str(out / name))),
        *("--predictions", str(out / "predictions.jsonl")),
    ]


def evaluate(data, out, batch_size=16):
    ner_evaluate.main(evaluation(data, out / "model", out, batch_size))
    return read_json(out / "metrics.json")


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    return train(data, tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def metrics(data, trained):
    return evaluate(data, trained)


def test_the_tagger_learns(metrics):
    assert metrics["test"]["overall"]["f1"]["value"] > 0.8


def test_the_metrics_file_has_its_form(metrics):
    for split in ("validation", "test"):
        part = metrics[split]
        assert set(part) == {"overall", "by_language", "by_type", "majority_baseline", "shared_types"}
        assert set(part["by_language"]) == {"en", "fa"}
        for block in (part["overall"], part["majority_baseline"], *part["by_language"].values()):
            for name in ("accuracy", "precision", "recall", "f1"):
                assert set(block[name]) == {"value", "low", "high"}
            assert block["support"] > 0
        assert {"loss", "outside_annotation"} <= set(part["overall"])
        assert set(part["by_type"]) == {"PER", "ORG", "LOC", "MISC", "DAT", "FAC", "PRO"}
        assert all(set(block) == {"precision", "recall", "f1", "support"} for block in part["by_type"].values())
        assert part["overall"]["support"] == sum(block["support"] for block in part["by_language"].values())


def test_the_majority_baseline_is_accurate_and_finds_nothing(metrics):
    baseline = metrics["test"]["majority_baseline"]
    assert baseline["accuracy"]["value"] > 0.7
    assert baseline["f1"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_the_last_validation_of_the_log_is_that_of_the_metrics(trained, metrics):
    rows = read_jsonl(trained / "training_log.jsonl")
    validations = [row for row in rows if "validation_loss" in row]
    assert [row["step"] for row in validations] == [20, 40, 60]
    assert set(validations[0]) == {"step", "epoch", "validation_loss", "accuracy", "precision", "recall", "f1"}
    steps = [row for row in rows if "loss" in row]
    assert set(steps[0]) == {"step", "epoch", "loss", "learning_rate", "seconds"}
    assert steps[-1]["loss"] < steps[0]["loss"]
    overall = metrics["validation"]["overall"]
    assert validations[-1]["validation_loss"] == pytest.approx(overall["loss"], rel=1e-5)
    assert validations[-1]["f1"] == overall["f1"]["value"]


def test_what_was_trained_is_told(data, trained):
    summary = read_json(trained / "training.json")
    assert summary["sentences"] == {"train": 80, "validation": 20}
    assert (summary["steps"], summary["effective_batch"], summary["out_of_memory"]) == (60, 8, [])
    assert summary["embedding_rows"]["trained"] < summary["embedding_rows"]["all"]
    assert summary["aligned"]
    for sentence in summary["aligned"].values():
        assert any(len(word["subwords"]) > 1 and word["tag"] != "O" for word in sentence)
        assert all(word["labels"] == [word["tag"], *[None] * (len(word["subwords"]) - 1)] for word in sentence)
    card = (trained / "model" / "README.md").read_text(encoding="utf-8")
    assert "The encoder `tiny` with" in card
    assert "undecided (fa, from persian): PER ORG LOC" in card
    config = AutoConfig.from_pretrained(trained / "model")
    assert list(config.id2label.values()) == read_json(data / "labels.json")["labels"]
    assert AutoTokenizer.from_pretrained(trained / "model").model_max_length == 32
    for file in (trained / "model").glob("*.json"):
        assert str(trained) not in file.read_text(encoding="utf-8")


def test_predictions_stand_beside_the_gold_tags(data, trained, metrics):
    predictions = read_jsonl(trained / "predictions.jsonl")
    assert [row["split"] for row in predictions] == ["validation"] * 20 + ["test"] * 40
    gold = [row["ner_tags"] for row in read_parquet(data / "test.parquet", ["ner_tags"])]
    assert [row["gold"] for row in predictions[20:]] == gold
    assert all(len(row["gold"]) == len(row["predicted"]) for row in predictions)
    wrong = read_json(trained / "errors.json")
    assert set(wrong) == {"split", "kinds", "commonest", "confusion"}
    assert wrong["confusion"]["labels"][-1] == "none"


def test_the_same_seed_gives_the_same_files(data, trained, tmp_path):
    again = train(data, tmp_path)
    for name in ("model/model.safetensors", "training.json"):
        assert (again / name).read_bytes() == (trained / name).read_bytes()
    predictions = (trained / "predictions.jsonl").read_bytes()
    evaluate(data, trained)
    assert (trained / "predictions.jsonl").read_bytes() == predictions


def test_the_saved_tagger_gives_its_scores_again_in_a_fresh_process(data, trained, metrics, tmp_path):
    script = Path(ner_evaluate.__file__)
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}  # sums of another order end in other digits
    run = subprocess.run(
        [sys.executable, str(script), *evaluation(data, trained / "model", tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    for name in ("metrics.json", "predictions.jsonl", "errors.json"):
        assert (tmp_path / name).read_bytes() == (trained / name).read_bytes()


def test_batches_grouped_by_length_hold_little_padding(data, tmp_path, monkeypatch):
    """What the collator made in training: of sentences of very different lengths, batches by length are mostly real subwords."""
    shares = {}
    folder = uneven(data, tmp_path)
    monkeypatch.setattr(ner_train.TaggerTrainer, "training_step", lambda *args, **kwargs: torch.tensor(0.0))  # what is drawn counts
    for strategy in ("random", "group_by_length"):
        seen = []

        class Watching(Collator):
            def __call__(self, windows, seen=seen):
                batch = super().__call__(windows)
                if len(windows) == 8:  # of training; validation has larger ones
                    seen.append((batch["attention_mask"].sum().item(), batch["attention_mask"].numel()))
                return batch

        monkeypatch.setattr(ner_train, "Collator", Watching)
        once = TRAINING | {"num_train_epochs": 1, "eval_steps": 100, "train_sampling_strategy": strategy}
        train(folder, tmp_path / strategy, training=once, **{"max-length": 256})
        shares[strategy] = sum(total for _, total in seen) / sum(real for real, _ in seen)
    assert shares["group_by_length"] < 1.25
    assert shares["random"] > 1.5


def uneven(data, folder):
    """A folder with the data's sentences, every fourth of them four times as long."""
    for name in ("validation.parquet", "labels.json", "backbone"):
        (folder / name).symlink_to(data / name)
    table = pq.read_table(data / "train.parquet")
    rows = [dict(row) for row in table.to_pylist() * 5]  # the sampler groups within some batches, and in small data within few
    for row in rows[::4]:
        row["tokens"], row["ner_tags"] = row["tokens"] * 4, row["ner_tags"] * 4
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), folder / "train.parquet")
    return folder


def test_memory_that_runs_out_halves_the_batch(data, tmp_path, monkeypatch):
    monkeypatch.setattr("accelerate.utils.memory.clear_device_cache", lambda **_: None)  # slow where other tests left much behind
    step = ner_train.TaggerTrainer.training_step

    def training_step(self, model, inputs, *args, **kwargs):
        if len(inputs["input_ids"]) > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate more than there is.")
        return step(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(ner_train.TaggerTrainer, "training_step", training_step)
    short = TRAINING | {"num_train_epochs": 1, "train_sampling_strategy": "random", "gradient_checkpointing": False}
    out = train(data, tmp_path, rows="all", training=short, alignment="all")
    summary = read_json(out / "training.json")
    assert (summary["out_of_memory"], summary["batch_size"], summary["gradient_accumulation_steps"]) == ([8, 4], 2, 4)
    assert (summary["effective_batch"], summary["steps"]) == (8, 10)
    assert summary["embedding_rows"]["trained"] == summary["embedding_rows"]["all"]


def predict(trained, capsys, *argv):
    ner_predict.main(["--model", str(trained / "model"), "--precision", "fp32", "--batch-size", "4", *argv])
    return capsys.readouterr().out


def test_sentences_are_tagged_with_their_offsets(trained, tmp_path, capsys):
    text = "او 42 در يزد\u200f است."
    sentences = [{"language": "fa", "text": text}, {"language": "en", "text": "Ada sleeps in 42"}]
    printed = predict(trained, capsys, "--sentences", json.dumps(sentences), "--output", str(tmp_path / "sentences.json"))
    first, second = read_json(tmp_path / "sentences.json")
    assert first["text"] == text
    assert first["tokens"] == ["او", "42", "در", "يزد", "است", "."]
    assert [text[start:end] for start, end in first["offsets"]] == first["tokens"]
    assert first["tags"][3] == "B-LOC"  # tagged although the letter is the Arabic one
    assert second["tags"][0] == "B-PER"
    assert all(0 < score <= 1 for score in first["scores"] + second["scores"])
    assert "B-PER" in printed


def test_words_are_cleaned_as_those_of_training_were(data, trained, tmp_path, capsys):
    assert AutoConfig.from_pretrained(trained / "model").token_steps == ["normalize_letters", "remove_invisible"]
    short = train(data, tmp_path, training=TRAINING | {"num_train_epochs": 1}, token_steps=())
    scores = {}
    for letter in "يی":
        sentence = [{"language": "fa", "text": f"او 42 در {letter}زد است."}]
        for name, folder in (("cleaned", trained), ("as it is", short)):
            predict(folder, capsys, "--sentences", json.dumps(sentence), "--output", str(tmp_path / "sentences.json"))
            scores[name, letter] = read_json(tmp_path / "sentences.json")[0]["scores"]
    assert scores["cleaned", "ي"] == scores["cleaned", "ی"]
    assert scores["as it is", "ي"] != scores["as it is", "ی"]


def test_a_tagger_that_does_not_say_how_words_were_cleaned_is_refused(trained, tmp_path, capsys):
    shutil.copytree(trained / "model", tmp_path / "model")
    config = read_json(tmp_path / "model" / "config.json")
    del config["token_steps"]
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    with pytest.raises(SystemExit, match="does not say how the words of its training data were cleaned; expected token_steps"):
        predict(tmp_path, capsys, "--language", "en", "--text", "Ada sleeps")


def test_the_card_names_the_sources_that_were_trained_on(data, tmp_path):
    other = tmp_path / "data"
    other.mkdir()
    arguments = clean_arguments(
        other, [data / "english", data / "persian"], [ENGLISH, PERSIAN], train_languages=["en"], scheme="intersection"
    )
    ner_clean.main(arguments)
    (other / "backbone").symlink_to(data / "backbone")
    train(other, tmp_path, training=TRAINING | {"num_train_epochs": 1})
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "language: [en]" in card
    assert "- english (en, from english): PER ORG LOC" in card
    assert "(fa, from" not in card
    assert "Only types that every source annotates are learned." in card


def test_a_tagger_without_a_tokenizer_is_refused(trained, tmp_path, capsys):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "model" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "model" / name).symlink_to(trained / "model" / name)
    with pytest.raises(SystemExit, match=r"error: .*model: there is no tokenizer.json in it"):
        predict(tmp_path, capsys, "--language", "en", "--text", "Ada sleeps")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--sentences", '{"language": "en"}'], "expected a list of objects with language and text"),
        (["--sentences", '[{"text": "x"}]'], "sentence 1 is {'text': 'x'}; expected an object with language and text"),
        (["--language", "en", "--file", "EMPTY"], "no word in it; expected a sentence a line"),
        (["--language", "en", "--file", "LATIN"], "byte 3 is not UTF-8"),
        (["--language", "en", "--text", "caf\ud800"], "is not Unicode text"),
    ],
)
def test_what_prediction_refuses(trained, tmp_path, capsys, argv, message):
    (tmp_path / "EMPTY").write_text(" \n\n", encoding="utf-8")
    (tmp_path / "LATIN").write_bytes("café".encode("latin-1"))
    argv = [str(tmp_path / part) if part in ("EMPTY", "LATIN") else part for part in argv]
    with pytest.raises(SystemExit) as stopped:
        predict(trained, capsys, *argv, "--output", str(tmp_path / "out.json"))
    assert message in str(stopped.value)
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize("argv", [["--text", "Ada"], ["--sentences", "[]", "--language", "en"]])
def test_a_language_goes_with_plain_text(trained, capsys, argv):
    with pytest.raises(SystemExit) as stopped:
        predict(trained, capsys, *argv)
    assert stopped.value.code == 2
    assert "--language: give it with --text and --file" in capsys.readouterr().err


def test_a_text_or_a_file_is_tagged(trained, tmp_path, capsys):
    (tmp_path / "in.txt").write_text("Ada sleeps in 42\n\nBob walks in 43\n", encoding="utf-8")
    assert "Ada" in predict(trained, capsys, "--language", "en", "--text", "Ada sleeps in 42")
    assert "Bob" in predict(trained, capsys, "--language", "en", "--file", str(tmp_path / "in.txt"))


def test_a_sentence_without_words_is_refused(trained, capsys):
    with pytest.raises(SystemExit, match="sentence 1: no word in"):
        predict(trained, capsys, "--language", "en", "--text", " \u200f ")


def test_words_of_raw_text():
    def cut(text):
        return [word for word, _, _ in words(text)]

    assert cut("Germany's U.S. envoy (at 3.14%) said: “no-one!”") == [
        *("Germany", "'s", "U.S.", "envoy", "(", "at", "3.14", "%", ")", "said", ":", "“", "no-one", "!", "”")
    ]
    assert cut("سان‌فرانسیسکو، ۱۲٫۵٪ «کتاب‌ها»؛ خانهٔ") == ["سان‌فرانسیسکو", "،", "۱۲٫۵", "٪", "«", "کتاب‌ها", "»", "؛", "خانهٔ"]
    assert cut("\u200f می\u200cرود \ufeff") == ["می\u200cرود"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"training": TRAINING | {"evaluation_strategy": "steps"}}, "ner.training.evaluation_strategy: unknown"),
        ({"max-length": 4096}, "ner.max_length: 4096; expected at most 512"),
    ],
)
def test_what_training_refuses(data, tmp_path, change, expected):
    with pytest.raises(SystemExit, match=expected):
        train(data, tmp_path, **change)
    assert not list(tmp_path.iterdir())


def test_a_model_of_other_labels_is_refused(data, trained, tmp_path):
    labels = read_json(data / "labels.json") | {"types": ["PER"]}
    (tmp_path / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
    (tmp_path / "model").symlink_to(trained / "model")
    for split in ("validation", "test"):
        (tmp_path / f"{split}.parquet").symlink_to(data / f"{split}.parquet")
    with pytest.raises(SystemExit, match="its labels are O, B-PER"):
        evaluate(tmp_path, tmp_path)


def test_a_backbone_of_another_kind_is_refused(data, tmp_path):
    from lib.random_models import make

    make("bert", tmp_path / "backbone", seed=1)
    for name in ("train.parquet", "validation.parquet", "labels.json"):
        (tmp_path / name).symlink_to(data / name)
    with pytest.raises(SystemExit, match="config.json says model_type 'bert'; expected xlm-roberta"):
        train(tmp_path, tmp_path)
