"""A training that is stopped at any step goes on, and ends with the same bytes; what does not belong to it is never resumed."""

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from argparse import Namespace

import pytest

from lib.checkpoints import Checkpoints, folder_digest, locked, training_digest
from lib.records import read_json, read_jsonl, write_json
from lib.sft import CompletionTrainer
from test_ner_chain import TRAINING as TAGGING
from test_ner_chain import data, train  # noqa: F401
from tuning import cut, make_start, pairs, tune

LORA = {"r": 4, "alpha": 8, "dropout": 0.5, "targets": ["q_proj", "up_proj"]}
TUNINGS = {
    "weights": {"logging_steps": 2},
    "packed adapters": {"packing": True, "lora": LORA, "gradient_accumulation_steps": 2, "per_device_train_batch_size": 2},
    "kept zeros": {"keep_zeros": True, "precision": "bf16"},
}
TAGGINGS = {
    "rows in use, by length": {"rows": "used", "train_sampling_strategy": "group_by_length", "gradient_checkpointing": False},
    "all rows, at random": {"rows": "all", "train_sampling_strategy": "random", "gradient_accumulation_steps": 2},
}


class Killed(BaseException):
    """Ends a training as abruptly as a test can within its own process."""


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return make_start(tmp_path_factory.mktemp("models") / "start")


@pytest.fixture(scope="module")
def pruned(start):
    return cut(start, start.parent / "pruned")


@pytest.fixture
def killed_at(monkeypatch):
    """Call it with a step and a training: the training dies as that step begins, or after what `how` does there."""

    def killed(step, training, how=None):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == step:
                (how or kill)()

        with monkeypatch.context() as patch, pytest.raises((Killed, SystemExit)) as end:
            patch.setattr(Checkpoints, "on_step_begin", on_step_begin)
            training()
        return end.value

    return killed


def kill():
    raise Killed


def same(whole, killed):
    """Both folders hold the same training, and nothing besides."""
    assert sorted(path.relative_to(whole) for path in whole.rglob("*")) == sorted(path.relative_to(killed) for path in killed.rglob("*"))
    for path in (*(whole / "model").iterdir(), whole / "training.json"):
        assert path.read_bytes() == (killed / path.relative_to(whole)).read_bytes(), path.name
    logs = [[{**row, "seconds": None} for row in read_jsonl(folder / "training_log.jsonl")] for folder in (whole, killed)]
    assert logs[0] == logs[1]


@pytest.mark.parametrize("kind", TUNINGS)
def test_fine_tuning_that_was_killed_twice_ends_with_the_same_bytes(start, pruned, tmp_path, killed_at, capfd, kind):
    settings = TUNINGS[kind]
    model = pruned if "keep_zeros" in settings else start
    tune(model, tmp_path / "whole", **settings)
    for step in (4, 8):  # within the second and the third epoch, the last time beyond the best weights
        killed_at(step, lambda: tune(model, tmp_path / "killed", checkpoint_minutes=0, **settings))
    capfd.readouterr()
    tune(model, tmp_path / "killed", checkpoint_minutes=0, **settings)
    assert "resumed from step 8 of 9" in capfd.readouterr().err
    same(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize("kind", TAGGINGS)
def test_a_tagger_s_training_that_was_killed_ends_with_the_same_bytes(data, tmp_path, killed_at, kind):  # noqa: F811
    settings = TAGGINGS[kind] | {"num_train_epochs": 2, "eval_steps": 8, "logging_steps": 3}
    rows, training = settings.pop("rows"), TAGGING | settings

    def run(out, **flags):
        out.mkdir(exist_ok=True)
        train(data, out, rows, training=training, **flags)

    run(tmp_path / "whole")
    steps = read_json(tmp_path / "whole" / "training.json")["steps"]
    killed_at(steps - 2, lambda: run(tmp_path / "killed", **{"checkpoint-minutes": 0}))
    run(tmp_path / "killed")
    same(tmp_path / "whole", tmp_path / "killed")


def test_asked_to_stop_a_training_makes_a_checkpoint_and_says_so(start, tmp_path, killed_at, capfd):
    tune(start, tmp_path / "whole")
    for number, step, times in ((signal.SIGTERM, 2, 2), (signal.SIGINT, 5, 1)):  # a cluster sends several of the first
        end = killed_at(
            step,
            lambda: tune(start, tmp_path / "killed"),
            lambda number=number, times=times: [os.kill(os.getpid(), number) for _ in range(times)],
        )
        work = tmp_path / "killed" / "work"
        assert str(end) == (
            f"error: stopped by {number.name} after step {step + 1} of 9; expected to be left alone; "
            f"run the same command again, and it goes on from its checkpoint in {work}"
        )
        (folder,) = (path for path in work.iterdir() if path.is_dir())
        assert [path.name.split("-")[:2] for path in folder.glob("*-*")] == [["step", str(step + 1)]], "the newest only"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    tune(start, tmp_path / "killed")
    same(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize("changed", ["data", "setting"])
def test_a_checkpoint_of_another_training_is_not_used(start, tmp_path, killed_at, capfd, changed):
    other = {"data": {"train": pairs(12, reference="On day {} the council met.")}, "setting": {"weight_decay": 0.2}}[changed]
    killed_at(4, lambda: tune(start, tmp_path / "killed", checkpoint_minutes=0))
    for out in ("whole", "killed"):
        capfd.readouterr()
        tune(start, tmp_path / out, **other)
    said = capfd.readouterr().err
    assert "of a training with other arguments, data or code; not used" in said
    assert "resumed" not in said
    same(tmp_path / "whole", tmp_path / "killed")


def test_what_was_written_by_half_is_not_used(start, tmp_path, killed_at, capfd):
    tune(start, tmp_path / "whole")
    killed_at(5, lambda: tune(start, tmp_path / "killed", checkpoint_minutes=0))
    (step,) = (tmp_path / "killed" / "work").glob("*/step-*")
    with open(step / "optimizer.pt", "r+b") as file:
        file.truncate(1000)
    step.with_name("checkpoint-6").mkdir()
    capfd.readouterr()
    tune(start, tmp_path / "killed")
    said = capfd.readouterr().err
    assert f"{step}: a damaged checkpoint; not used" in said
    assert "resumed" not in said
    same(tmp_path / "whole", tmp_path / "killed")


def test_the_batch_that_memory_suffices_for_is_found_once(start, tmp_path, killed_at, monkeypatch):
    monkeypatch.setattr("accelerate.utils.memory.clear_device_cache", lambda **_: None)
    compute_loss, tried = CompletionTrainer.compute_loss, []

    def greedy(self, model, inputs, **options):
        tried.append(len(inputs["input_ids"]))
        if tried[-1] > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return compute_loss(self, model, inputs, **options)

    monkeypatch.setattr(CompletionTrainer, "compute_loss", greedy)
    tune(start, tmp_path / "whole")
    killed_at(4, lambda: tune(start, tmp_path / "killed", checkpoint_minutes=0))
    tried.clear()
    tune(start, tmp_path / "killed")
    assert set(tried) == {2}
    assert read_json(tmp_path / "killed" / "training.json")["out_of_memory"] == [4]
    same(tmp_path / "whole", tmp_path / "killed")


def test_a_training_that_finds_its_input_wrong_leaves_no_work_behind(start, tmp_path):
    with pytest.raises(SystemExit, match="error: training.lora.targets: found 'lm_head'"):
        tune(start, tmp_path, lora=LORA | {"targets": ["lm_head"]})
    assert not (tmp_path / "work").exists()


# ------------------------------------------------------------------ whose checkpoint it is


def test_a_training_is_told_by_what_decides_its_result(tmp_path, monkeypatch):
    def digest():
        return training_digest(Namespace(train=tmp_path / "train", seed=1, output="here", work=tmp_path, checkpoint_minutes=1), script)

    script = tmp_path / "script.py"
    script.write_text("import json")
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "rows").write_text("one")
    found = [digest()]
    (tmp_path / "train" / "rows").write_text("two")
    found.append(digest())
    (tmp_path / "train" / "rows").rename(tmp_path / "train" / "more")
    found.append(digest())
    script.write_text("import json, lib.words")
    found.append(digest())
    assert len(set(found)) == len(found)
    (tmp_path / "train" / "more").touch()
    assert digest() == found[-1]


def test_arguments_that_decide_nothing_change_nothing(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("")
    both = [
        training_digest(Namespace(seed=seed, output=place, log=place, summary=place, work=place, checkpoint_minutes=place), script)
        for seed, place in ((1, "here"), (1, "there"), (2, "there"))
    ]
    assert both[0] == both[1] != both[2]


def test_a_folder_s_digest_sees_names_and_content(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_json(tmp_path / name / "a.json", 1)
    assert folder_digest(tmp_path / "one") == folder_digest(tmp_path / "two")
    (tmp_path / "two" / "a.json").rename(tmp_path / "two" / "b.json")
    assert folder_digest(tmp_path / "one") != folder_digest(tmp_path / "two")


def test_a_second_process_waits_for_the_first_even_if_its_folder_goes_meanwhile(tmp_path, capfd):
    path, got = tmp_path / "work" / "lock", []
    first = locked(path)
    second = threading.Thread(target=lambda: got.append(locked(path)))
    second.start()
    while "waiting for it to end" not in capfd.readouterr().err:
        time.sleep(0.01)
    assert not got
    path.unlink()
    os.close(first)
    second.join(10)
    assert os.path.samestat(os.fstat(got[0]), os.stat(path))
    os.close(got[0])


def test_a_training_waits_for_workers_whose_parent_was_killed(tmp_path, capfd):
    args = Namespace(work=tmp_path / "work", checkpoint_minutes=1)
    script = tmp_path / "script.py"
    script.write_text("")
    workers, entered = [Checkpoints(args, script).shared() for _ in range(2)], []
    for worker in workers:
        worker.__enter__()

    def parent():
        with Checkpoints(args, script).held():
            entered.append(True)

    thread = threading.Thread(target=parent)
    thread.start()
    while "waiting for it to end" not in capfd.readouterr().err:
        time.sleep(0.01)
    workers.pop().__exit__(None, None, None)
    time.sleep(0.1)
    assert not entered, "one of them is still there"
    workers.pop().__exit__(None, None, None)
    thread.join(10)
    assert entered and not args.work.exists()


def test_an_unfinished_checkpoint_does_not_stay_on_a_full_disk(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("")
    checkpoints = Checkpoints(Namespace(work=tmp_path / "work", checkpoint_minutes=1), script)
    with pytest.raises(OSError), checkpoints.held():
        whole = checkpoints.folder / "whole"
        whole.mkdir()
        whole.rename(checkpoints.folder / f"step-1-{folder_digest(whole)}")
        (checkpoints.folder / "checkpoint-2").mkdir()
        raise OSError(errno.ENOSPC, "No space left on device")
    assert [path.name.split("-")[:2] for path in checkpoints.folder.iterdir()] == [["step", "1"]]


def test_a_disk_without_locks_is_said_and_worked_on(tmp_path, monkeypatch, capsys):
    def refused(lock, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refused)
    os.close(locked(tmp_path / "lock"))
    assert "this disk knows no locks (No locks available)" in capsys.readouterr().err


# ------------------------------------------------------------------ what a killed Snakemake leaves


def test_a_job_ends_with_its_snakemake(tmp_path):
    snakemake = subprocess.Popen(["sleep", "60"])
    code = "import time; from lib.program import program; program(lambda argv: (print('at work', flush=True), time.sleep(60)))()"
    environment = os.environ | {"KARGAH_ENDS_WITH": str(snakemake.pid), "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE) as job:
        job.stdout.readline()
        snakemake.kill()
        snakemake.wait()
        assert job.wait(30) == -signal.SIGTERM


def test_a_job_whose_snakemake_died_while_it_was_loading_ends_before_it_begins():
    snakemake = subprocess.Popen(["true"])
    snakemake.wait()
    code = "from lib.program import program; program(lambda argv: print('at work'))()"
    environment = os.environ | {"KARGAH_ENDS_WITH": str(snakemake.pid), "PYTHONPATH": os.pathsep.join(sys.path)}
    job = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, check=False)
    assert (job.returncode, job.stdout) == (-signal.SIGTERM, b"")


def test_a_dead_snakemake_s_lock_goes_and_a_living_one_s_stays(tmp_path):
    code = "import sys; from pathlib import Path; from lib.stale_lock import alive; a = alive(Path(sys.argv[1])); print(); sys.stdin.read()"
    lock = tmp_path / ".snakemake" / "locks" / "0.input.lock"

    def another():
        command = [sys.executable, "-c", code, str(lock.parents[1])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdout.readline()
        return process

    with another() as first:
        lock.parent.mkdir()
        lock.touch()
        with another() as second:
            second.kill()
        assert lock.exists(), "the first is alive"
        first.kill()
    with another() as third:
        assert not lock.exists()
        third.kill()
    lock.parent.mkdir(exist_ok=True)
    lock.touch()
    mark = lock.parents[1] / "alive"
    mark.write_text("another machine")
    with another() as fourth:
        assert lock.exists(), "who cannot be seen from here may be alive"
        fourth.kill()
    lock.unlink()
    with another() as fifth:
        assert mark.read_text() == socket.gethostname()
        fifth.kill()
