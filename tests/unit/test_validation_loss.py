"""The loss of a model on the validation pairs: by hand, by the trainer, in any precision, and what pruning methods do to it."""

import pytest
import torch

import validation_loss
from lib.completions import training_rows
from lib.model_folder import load_model
from lib.packing import IGNORED
from lib.prompting import load_template, ready_tokenizer
from lib.records import read_json
from tuning import TEMPLATE, command_line, make_start, pairs, tune, write_pairs

VALIDATION = [*pairs(3), *pairs(2, article="Brief.", reference="Much, much longer than the others are, and different.")]


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return make_start(tmp_path_factory.mktemp("models") / "start", initializer_range=0.3)


def measured(model, out, *more, **changes):
    """Run validation_loss.py; what it wrote."""
    out.mkdir(parents=True, exist_ok=True)
    arguments = {
        "model": model,
        "validation": write_pairs(out / "validation.parquet", VALIDATION),
        "template": TEMPLATE,
        "max_length": 300,
        "precision": "fp32",
        "batch_size": 2,
        "seed": 1,
        "output": out / "loss.json",
    }
    validation_loss.main(command_line({**arguments, **changes}) + list(more))
    return read_json(out / "loss.json")


def test_the_loss_is_that_of_all_tokens_of_the_references(start, tmp_path):
    found = measured(start, tmp_path)
    model = load_model(start, torch.float32).eval()
    rows, _ = training_rows(ready_tokenizer(start), load_template(TEMPLATE), VALIDATION, 300, "validation")
    losses = []
    for row in rows:
        with torch.no_grad():
            known = model(torch.tensor([row["input_ids"]])).logits[0].log_softmax(-1)
        places = [place for place, label in enumerate(row["labels"]) if label != IGNORED]
        losses += [-known[place - 1, row["input_ids"][place]].item() for place in places]
    assert found["value"] == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    assert (found["tokens"], found["pairs"]) == (len(losses), 5)
    assert found["low"] < found["value"] < found["high"]


def test_batches_change_nothing_and_the_same_command_gives_the_same_bytes(start, tmp_path):
    found = [measured(start, tmp_path / str(size), batch_size=size) for size in (1, 5)]
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    measured(start, tmp_path / "again", batch_size=5)
    assert (tmp_path / "5" / "loss.json").read_bytes() == (tmp_path / "again" / "loss.json").read_bytes()


def test_it_is_the_loss_that_training_reports(start, tmp_path):
    tuned = tune(start, tmp_path / "tuned", validation=VALIDATION, num_train_epochs=1, max_length=300)
    assert read_json(tmp_path / "tuned" / "training.json")["truncated"]["validation"] == 0
    after = read_json(tmp_path / "tuned" / "training.json")["validation_loss"]["after"]
    assert measured(tuned, tmp_path)["value"] == pytest.approx(after, rel=1e-5)


def test_quantized_weights_are_measured_as_generation_loads_them(start, tmp_path):
    full = measured(start, tmp_path / "full")["value"]
    four = measured(start, tmp_path / "four", "--double-quantization", precision="nf4")["value"]
    assert four != full
    assert four == pytest.approx(full, rel=0.3)
