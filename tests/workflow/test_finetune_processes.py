"""Fine-tuning in two processes: the same model as in one, zeros at zero in both, one batch for all, one line for an error."""

import json
import os
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
import torch

import finetune
from lib.records import read_json, read_jsonl
from runs import ROOT, worker_killed, worker_out_of_memory
from tuning import TEMPLATE, TRAINING, command_line, cut, linear, make_start, pairs, weights, write_pairs

SETTINGS = TRAINING | {"num_train_epochs": 1, "gradient_accumulation_steps": 2, "eval_steps": 1, "lr_scheduler_type": "constant"}
LORA = {"r": 4, "alpha": 8, "dropout": 0.0, "targets": ["q_proj", "up_proj"]}


@pytest.fixture(scope="module")
def pruned(tmp_path_factory):
    """A pruned model in fp32, so that no difference is rounded away."""
    folder = tmp_path_factory.mktemp("models")
    return cut(make_start(folder / "start", torch.float32), folder / "pruned")


def train(model, out, processes, before=None, checkpoint_minutes=60, **changes):
    """Run finetune.py as the rule does; the process, with both outputs. `before` is code that every process runs first."""
    command = [sys.executable, "scripts/finetune.py", *prepared(model, out, processes, checkpoint_minutes, **changes)]
    (out / "sitecustomize.py").write_text(before or "")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(out)}
    return subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True, check=False)


def prepared(model, out, processes, checkpoint_minutes=60, **changes):
    """The arguments of a training."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "lengths.json").write_text(json.dumps({"train": {"article": {"p95": 150}}}))
    rows = [pairs(16, article="The council of the town met on day {}. " * (1 + n % 4))[n] for n in range(16)]
    arguments = {
        "model": model,
        "train": write_pairs(out / "train.parquet", rows),
        "validation": write_pairs(out / "validation.parquet", rows[:5]),  # a number that two do not share evenly
        "template": TEMPLATE,
        "lengths": out / "lengths.json",
        "length-percentile": 95,
        "training": json.dumps(SETTINGS | changes),
        "processes": processes,
        "seed": 42,
        "system": "tuned",
        "start": "pruned",
        "work": out / "work",
        "checkpoint-minutes": checkpoint_minutes,
        "output": out / "model",
        "log": out / "training_log.jsonl",
        "summary": out / "training.json",
    }
    return [*command_line(arguments), "--keep-zeros"]


IN_PARTS = {"per_device_train_batch_size": 8, "num_train_epochs": 2}  # each process takes its rows two by two


EXACT, ROUNDED = {"atol": 1e-4, "rel": 1e-4}, {"atol": 0.02, "rel": 0.01}


@pytest.mark.parametrize(
    ("changes", "alike"),
    [(IN_PARTS, EXACT), ({"packing": True, "lora": LORA}, EXACT), (IN_PARTS | {"precision": "bf16"}, ROUNDED)],
    ids=["weights in parts", "packed adapters", "weights in parts, in bf16"],
)
def test_two_processes_train_as_one_and_keep_the_zeros(pruned, tmp_path, changes, alike):
    outs = {number: tmp_path / str(number) for number in (1, 2)}
    with mock.patch.dict(os.environ):  # in which it names the one GPU that it uses
        finetune.main(prepared(pruned, outs[1], 1, **changes))
    run = train(pruned, outs[2], 2, **changes)
    assert run.returncode == 0, run.stderr[-4000:]
    assert "Traceback" not in run.stderr
    one, two = (weights(out / "model") for out in outs.values())
    for name, tensor in one.items():
        np.testing.assert_allclose(two[name], tensor, atol=alike["atol"], err_msg=name)
    assert any(not torch.equal(two[name], tensor) for name, tensor in linear(pruned).items()), "nothing was trained"
    for out in outs.values():
        assert all(torch.equal(linear(out / "model")[name] == 0, tensor == 0) for name, tensor in linear(pruned).items())
    logs = [read_jsonl(out / "training_log.jsonl") for out in outs.values()]
    assert [row["step"] for row in logs[0]] == [row["step"] for row in logs[1]]
    for key in ("loss", "validation_loss"):
        assert [row[key] for row in logs[1] if key in row] == pytest.approx([row[key] for row in logs[0] if key in row], rel=alike["rel"])
    summaries = [read_json(out / "training.json") for out in outs.values()]
    assert [summary.pop("processes") for summary in summaries] == [1, 2]
    assert summaries[1].pop("validation_loss") == pytest.approx(summaries[0].pop("validation_loss"), rel=alike["rel"])
    assert bool(summaries[0].pop("packed_rows")) == bool(summaries[1].pop("packed_rows")) == changes.get("packing", False)
    assert summaries[0] == summaries[1]
    assert summaries[0]["effective_batch"] == 2 * (SETTINGS | changes)["per_device_train_batch_size"]
    assert summaries[0]["steps"] == 2


def test_memory_that_runs_out_in_a_worker_halves_the_batch_of_all(pruned, tmp_path):
    run = train(pruned, tmp_path, 2, before=worker_out_of_memory(1))
    assert run.returncode == 0, run.stderr[-4000:]
    assert "out of memory with 4 in a batch; starting again with 2, accumulated 4 times" in run.stderr
    summary = read_json(tmp_path / "training.json")
    assert (summary["out_of_memory"], summary["batch_size"], summary["gradient_accumulation_steps"]) == ([4], 2, 4)
    assert (summary["effective_batch"], summary["steps"], summary["processes"]) == (8, 2, 2)


def test_workers_that_were_killed_go_on_together(pruned, tmp_path):
    """Each with its own random numbers and its own count of sequences."""
    changes = {"packing": True, "lora": LORA | {"dropout": 0.5}, "num_train_epochs": 2}
    run = train(pruned, tmp_path / "whole", 2, **changes)
    assert run.returncode == 0, run.stderr[-4000:]
    run = train(pruned, tmp_path / "killed", 2, before=worker_killed(3), checkpoint_minutes=0, **changes)
    assert run.returncode == 1
    assert run.stderr.strip().splitlines()[-1].startswith("error: 2 processes: one of them failed")
    run = train(pruned, tmp_path / "killed", 2, **changes)
    assert run.returncode == 0, run.stderr[-4000:]
    assert "resumed from step 3 of 4" in run.stderr
    for path in (*(tmp_path / "whole" / "model").iterdir(), tmp_path / "whole" / "training.json"):
        assert path.read_bytes() == (tmp_path / "killed" / path.relative_to(tmp_path / "whole")).read_bytes(), path.name
    assert not (tmp_path / "killed" / "work").exists()


def test_what_workers_find_wrong_is_one_line_and_nothing_is_written(pruned, tmp_path):
    run = train(pruned, tmp_path, 2, lora=LORA | {"targets": ["lm_head"]})
    assert run.returncode == 1
    assert run.stderr.strip().splitlines()[-1].startswith("error: training.lora.targets: found 'lm_head'; expected some of down_proj,")
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "model").exists()
    assert not (tmp_path / "training.json").exists()
