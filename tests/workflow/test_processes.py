"""Training in two processes: the same result as in one, and word from the workers."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from safetensors.numpy import load_file

import ner_clean
import ner_train
from lib.records import read_json, read_jsonl
from runs import ROOT, worker_out_of_memory
from tagged import ENGLISH, PERSIAN, TAGS_EN, TAGS_FA, clean_arguments, make_backbone, write_dataset

TRAINING = {
    "num_train_epochs": 1,
    "per_device_train_batch_size": 8,
    "per_device_eval_batch_size": 8,
    "weight_decay": 0.01,
    "learning_rate": 1e-3,
    "lr_scheduler_type": "constant",
    "eval_steps": 2,
    "logging_steps": 1,
    "train_sampling_strategy": "random",  # groups by length would be cut otherwise for other batches
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with merged data, and a backbone without dropout."""
    folder = tmp_path_factory.mktemp("launch")
    splits = {"train": range(10, 26), "validation": range(50, 54), "test": range(60, 64)}
    english = {split: [f"Ada/B-PER sleeps {'well ' * (n % 3)}in {n}" for n in numbers] for split, numbers in splits.items()}
    persian = {split: [f"او {n} در یزد/B_LOC است" for n in numbers] for split, numbers in splits.items()}
    folders = [write_dataset(folder / "english", english, TAGS_EN), write_dataset(folder / "persian", persian, TAGS_FA)]
    ner_clean.main(clean_arguments(folder, folders, [ENGLISH, PERSIAN], near=(1.0, 5)))
    make_backbone(folder / "backbone")
    return folder


def command_line(data, out, processes, training=TRAINING, **flags):
    """The arguments of a training."""
    out.mkdir(exist_ok=True)
    options = {"alignment": "first", "max-length": 32, "dropout": 0.0, "head-learning-rate": 1e-2, "precision": "fp32", "seed": 1} | flags
    line = ["--backbone", data / "backbone", "--labels", data / "labels.json"]
    line += ["--train", data / "train.parquet", "--validation", data / "validation.parquet", "--training", json.dumps(training)]
    line += ["--embedding-rows", "used", "--start", "tiny", "--processes", processes, "--token-steps"]
    line += [part for name, value in options.items() for part in (f"--{name}", value)]
    line += ["--work", out / "work", "--checkpoint-minutes", 60]
    line += ["--output", out / "model", "--log", out / "training_log.jsonl", "--summary", out / "training.json"]
    return list(map(str, line))


def started(log, arguments, **variables):
    """ner_train.py, as the rule starts it, with both outputs in the file `log`."""
    command = [sys.executable, "scripts/ner_train.py", *arguments]
    with open(log, "w") as output:
        return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"} | variables, stdout=output, stderr=output)


def test_two_processes_train_as_one(data, tmp_path):
    outs = {number: tmp_path / str(number) for number in (1, 2)}
    with mock.patch.dict(os.environ):  # in which it names the one GPU that it uses
        ner_train.main(command_line(data, outs[1], 1))
    log = tmp_path / "log"
    assert started(log, command_line(data, outs[2], 2)).wait(600) == 0, log.read_text()[-4000:]
    assert "Traceback" not in log.read_text()
    one, two = (load_file(out / "model" / "model.safetensors") for out in outs.values())
    for name, weights in one.items():
        np.testing.assert_allclose(two[name], weights, atol=1e-5, err_msg=name)
    logs = [read_jsonl(out / "training_log.jsonl") for out in outs.values()]
    assert [row["step"] for row in logs[0]] == [row["step"] for row in logs[1]]
    for key in ("loss", "validation_loss"):
        assert [row[key] for row in logs[1] if key in row] == pytest.approx([row[key] for row in logs[0] if key in row], rel=1e-4)
    summaries = [read_json(out / "training.json") for out in outs.values()]
    assert [summary.pop("processes") for summary in summaries] == [1, 2]
    assert summaries[0] == summaries[1]
    assert summaries[0]["effective_batch"] == 8


def test_what_workers_find_wrong_is_one_line(data, tmp_path):
    log, out = tmp_path / "log", tmp_path / "out"
    assert started(log, command_line(data, out, 2, **{"max-length": 4096})).wait(600) == 1
    assert log.read_text().strip().splitlines()[-1].startswith("error: ner.max_length: 4096; expected at most 512")
    assert "Traceback" not in log.read_text()
    assert not list(out.iterdir())


def test_processes_that_cannot_share_a_batch_are_refused(data, tmp_path):
    with pytest.raises(SystemExit) as ended:
        ner_train.main(command_line(data, tmp_path, 3))
    assert ended.value.code == (
        "error: 3 processes cannot share batches of 8, accumulated 1 times; expected a number of them that divides a batch; choose another"
    )
    assert not list(tmp_path.iterdir())


def test_memory_that_runs_out_in_a_worker_halves_the_batch_of_all(data, tmp_path):
    """The worker's own step raises the error, so a module on its path does it."""
    (tmp_path / "sitecustomize.py").write_text(worker_out_of_memory(2))
    log = tmp_path / "log"
    assert started(log, command_line(data, tmp_path / "out", 2), PYTHONPATH=str(tmp_path)).wait(600) == 0, log.read_text()[-4000:]
    assert "out of memory with 8 in a batch; starting again with 4, accumulated 2 times" in log.read_text()
    summary = read_json(tmp_path / "out" / "training.json")
    assert (summary["out_of_memory"], summary["batch_size"], summary["gradient_accumulation_steps"]) == ([8], 4, 2)
    assert (summary["effective_batch"], summary["steps"], summary["processes"]) == (8, 4, 2)


@pytest.mark.parametrize("way", ["terminate", "kill"])
def test_workers_stop_with_whoever_started_them(data, tmp_path, way):
    log = tmp_path / "log"
    endless = TRAINING | {"num_train_epochs": 1000}
    # workers inherit the variable, so that they can be told from other processes
    with started(log, command_line(data, tmp_path / "out", 2, endless), KARGAH_TEST=str(tmp_path)) as parent:
        while "training step" not in log.read_text():
            assert parent.poll() is None, log.read_text()[-3000:]
            time.sleep(0.5)
        assert len(marked(tmp_path)) >= 4, "parent, launcher, two workers"
        getattr(parent, way)()
    deadline = time.monotonic() + 60
    while marked(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not marked(tmp_path)
    assert not (tmp_path / "out" / "model").exists()
    assert list((tmp_path / "out" / "work").glob("*/step-*")), "after the step that they were at, they made a checkpoint"


def marked(folder):
    """Processes that were started with the mark of this test."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            found += [process.name] if f"KARGAH_TEST={folder}".encode() in (process / "environ").read_bytes() else []
    return found
