"""Checkpoints of a training, so that one that was killed goes on, and ends with the result of one that never was.

A training has a work folder of its own. In it lies a folder named after a digest of all that decides the result, so that nothing
else is ever resumed; in that one the newest checkpoint, step-N-DIGEST, whose name holds the digest of its content, so that one that
was written by half or damaged is none. The work folder is removed when the training has ended well.

A checkpoint is what transformers' Trainer makes of one, with what it forgets beside it. Weights are safetensors, the rest is JSON, but
for optimizer, scheduler and random numbers: those are torch's pickles, which Trainer loads with weights_only, and which no run hands on.
"""

import errno
import fcntl
import hashlib
import json
import os
import signal
import time
from contextlib import contextmanager, suppress
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback

from lib.device import device, has_bf16
from lib.modules import files_of_script
from lib.program import InputError, log, progress
from lib.publish import remove, whole
from lib.records import read_json, write_json

NOT_DECISIVE = ("output", "log", "summary", "work", "checkpoint_minutes")  # arguments that do not change the result
LIBRARIES = ("torch", "transformers", "accelerate", "trl", "peft")
LOCKS = LOCK, WORKERS = "lock", "workers"
TOO_LARGE = "too_large.json"


def add_arguments(command):
    command.add_argument("--work", required=True, type=Path, help="folder of this training's checkpoints, removed when it has ended well")
    command.add_argument("--checkpoint-minutes", required=True, type=float, help="time between checkpoints; shorter trainings make none")


class Checkpoints(TrainerCallback):
    """The checkpoints of the training that a script's arguments (as argparse gives them) describe.

    `held` goes around everything, `train` stands for the trainer's own, whose output_dir is to be `folder`.

    Asked to stop by a signal (SIGTERM, SIGINT), a training makes a checkpoint after the step that it is at, in all its processes,
    and raises an InputError that says so. A second SIGINT takes effect at once; a second SIGTERM does not, since a cluster sends several.
    """

    def __init__(self, args, script):
        self.args, self.script, self.work, self.seconds = args, script, args.work, 60 * args.checkpoint_minutes
        self.signal = None

    # ------------------------------------------------------------------ the work folder

    @cached_property
    def folder(self):
        return self.work / training_digest(self.args, self.script)

    @contextmanager
    def held(self):
        """Keep the work folder, in order, to this process; afterwards it is gone, unless an error left a checkpoint to go on from."""
        lock = locked(self.work / LOCK)
        try:
            os.close(locked(self.work / WORKERS))  # those of a parent that was killed may still be at their last step
            self._tidy()
            yield
            self._forget()
        finally:
            with suppress(OSError):  # on a network's disk, a file still open leaves a trace
                for path in self.folder.glob("checkpoint-*"):  # unfinished, perhaps for lack of space
                    remove(path)
                if not self.newest():
                    remove(self.folder)
            os.close(lock)
            with suppress(OSError):
                if {path.name for path in self.work.iterdir()} <= set(LOCKS):
                    remove(self.work)

    @contextmanager
    def shared(self):
        """Let no other parent have the work folder while this worker is there."""
        lock = locked(self.work / WORKERS, fcntl.LOCK_SH)
        try:
            yield
        finally:
            os.close(lock)

    def _tidy(self):
        """Leave nothing but the newest whole checkpoint of this very training, and the batches that were too large for it."""
        for path in self.work.iterdir():
            if path != self.folder and path.name not in LOCKS:
                progress(f"{path}: of a training with other arguments, data or code; not used")
                remove(path)
        self.folder.mkdir(exist_ok=True)
        found = None
        for path in self._steps():
            if found or path.name.endswith(f"-{folder_digest(path)}"):
                found = found or path
            else:
                progress(f"{path}: a damaged checkpoint; not used")
        for path in self.folder.iterdir():
            if path not in (found, self.folder / TOO_LARGE):
                remove(path)

    def _steps(self):
        """The checkpoints, the newest first."""
        return sorted(self.folder.glob("step-*"), key=lambda path: -int(path.name.split("-")[1]))

    def _forget(self):
        for path in self._steps():
            remove(path)

    def newest(self):
        return next(iter(self._steps()), None)

    def too_large(self):
        """The batches for which memory did not suffice, in the order in which they were tried."""
        path = self.folder / TOO_LARGE
        return read_json(path) if path.exists() else []

    def begin_anew(self, too_large):
        """Memory ran out: there is nothing to go on from but the knowledge of it."""
        self._forget()
        with whole(self.folder / TOO_LARGE) as part:
            write_json(part, too_large)

    # ------------------------------------------------------------------ the training

    def train(self, trainer, /, **remembered):
        """trainer.train(), from the newest checkpoint on if there is one.

        remembered   objects whose state goes on as well, by names of your choice. Their state_dict() is a dict of JSON values and of
                     dicts of tensors (the latter alike in all processes); their load_state_dict takes it
        """
        self.trainer, self.remembered, self.start = trainer, remembered, self.newest()
        trainer.add_callback(self)
        if self.start:
            trainer.args.eval_on_start = False  # it has been
        with self._listening():
            trainer.train(resume_from_checkpoint=self.start and str(self.start))

    def on_train_begin(self, args, state, control, **kwargs):
        self.saved = time.monotonic()
        if self.start:
            states = read_json(self.start / f"remembered_{args.process_index}.json")
            self.trainer._tr_loss += states.pop("loss")
            self.trainer._globalstep_last_logged = states.pop("logged")
            for name, kept in self.remembered.items():
                tensors = {path.suffixes[0][1:]: load_file(path) for path in self.start.glob(f"{name}.*.safetensors")}
                kept.load_state_dict(states[name] | tensors)
            progress(f"resumed from step {state.global_step} of {state.max_steps}")

    def on_step_end(self, args, state, control, **kwargs):
        control.should_save = self._any(self.signal or time.monotonic() - self.saved >= self.seconds)

    def on_save(self, args, state, control, **kwargs):
        made = self.folder / f"checkpoint-{state.global_step}"  # as Trainer calls it
        self._write_remembered(made)
        self.trainer.accelerator.wait_for_everyone()
        if args.process_index == 0:
            before = self._steps()
            on_disk(made)
            made.rename(self.folder / f"step-{state.global_step}-{folder_digest(made)}")
            for path in before:
                remove(path)
        self.trainer.accelerator.wait_for_everyone()
        self.saved = time.monotonic()
        log(f"checkpoint after step {state.global_step} of {state.max_steps}")
        if self._any(self.signal):
            raise InputError(
                f"stopped by {self.signal or 'a signal'} after step {state.global_step} of {state.max_steps}; expected to be left alone; "
                f"run the same command again, and it goes on from its checkpoint in {self.work}"
            )

    def _write_remembered(self, folder):
        states = {"loss": self.trainer._tr_loss.item(), "logged": self.trainer._globalstep_last_logged}
        for name, kept in self.remembered.items():
            state = kept.state_dict()
            tensors = {key: value for key, value in state.items() if isinstance(value, dict)}
            states[name] = {key: value for key, value in state.items() if key not in tensors}
            if self.trainer.args.process_index == 0:
                for key, value in tensors.items():
                    save_file(value, folder / f"{name}.{key}.safetensors")
        text = json.dumps(states)  # with losses that are infinite or no number, which records of a run never hold
        (folder / f"remembered_{self.trainer.args.process_index}.json").write_text(text, encoding="utf-8")

    def _any(self, wish):
        """Whether any process has the wish: they have to act as one."""
        if self.trainer.args.world_size == 1:
            return bool(wish)
        return bool(self.trainer.accelerator.reduce(torch.tensor(float(bool(wish)), device=self.trainer.args.device), "sum").item())

    @contextmanager
    def _listening(self):
        def note(number, frame):
            self.signal = signal.Signals(number).name
            signal.signal(signal.SIGINT, before[signal.SIGINT])

        before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def locked(path, kind=fcntl.LOCK_EX):
    """A descriptor of the file `path`, locked to this process (or with LOCK_SH to all that share it) until it is closed, for which it
    waits. The file's folder is made.

    Where the disk knows no locks, as some that machines share, it goes on without.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"{path.parent}: another process is at this training; waiting for it to end")
            fcntl.flock(lock, kind)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            log(f"{path.parent}: this disk knows no locks ({error.strerror}); let no other process train there")
        if path.exists() and os.path.samestat(os.stat(path), os.fstat(lock)):  # it may have been removed meanwhile
            return lock
        os.close(lock)


def on_disk(folder):
    """Have the system write what it holds of a folder's files: after a power failure, the one before is gone."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def training_digest(args, script):
    """Of all that decides what a training gives: arguments, content of files, code, libraries and the kind of device."""
    decisive = {name: value for name, value in vars(args).items() if name not in NOT_DECISIVE}
    parts = {
        "arguments": {name: content_digest(value) if isinstance(value, Path) else value for name, value in decisive.items()},
        "code": [content_digest(path) for path in files_of_script(script)],
        "libraries": {name: version(name) for name in LIBRARIES},
        "device": [device().type, has_bf16()],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def content_digest(path):
    return folder_digest(path) if path.is_dir() else file_digest(path)


def file_digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder):
    """Of the names and the content of all files in a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    parts = [[path.relative_to(folder).as_posix(), file_digest(path)] for path in files]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
