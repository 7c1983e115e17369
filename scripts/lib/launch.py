"""Training in more than one process: a script starts itself again through accelerate's launcher, once for each process.

The script that was started is the parent: it starts the workers, waits, and starts them anew with less in a batch when memory ran out
in one of them. The workers run the same script with the same arguments; the first of them writes its files.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import torch
from accelerate.utils.memory import should_reduce_batch_size

from lib.memory import largest_batch, with_batch_that_fits
from lib.program import ENDS_WITH, InputError
from lib.publish import whole

PATIENCE = 30  # seconds that workers have to end after one of them found something wrong
MESSAGES = "KARGAH_WORKERS"  # a folder in which workers leave word for the parent
TRIED = "KARGAH_TRIED"  # the batches tried so far, the last of which is to be used
OUT_OF_MEMORY, WRONG_INPUT = "out_of_memory", "wrong_input"


def is_worker():
    return MESSAGES in os.environ


def number():
    """The number of this process among the workers, from 0 on."""
    return int(os.environ.get("RANK", 0))


def is_first():
    """Whether this process writes the files: the only one, or the first of the workers."""
    return number() == 0


def start(processes, batch_size, accumulation, checkpoints):
    """Start this script again in as many processes, anew with less in a batch while memory runs out in one of them.

    The batch is that of all processes together. Raises InputError for one that they cannot share, and for what the workers found wrong.
    """
    effective = batch_size * accumulation
    first, tried = largest_batch(batch_size, effective, processes), checkpoints.too_large()
    if not first:
        raise InputError(
            f"{processes} processes cannot share batches of {batch_size}, accumulated {accumulation} times; "
            "expected a number of them that divides a batch; choose another"
        )

    if torch.cuda.is_available() and torch.cuda.device_count() < processes:
        raise InputError(
            f"{processes} processes: {torch.cuda.device_count()} GPUs in sight; expected one for each; ask for fewer processes"
        )

    def workers(size, _):
        tried.append(size)
        _start_workers(processes, tried)

    with_batch_that_fits(workers, first, effective // first, checkpoints, multiple_of=processes)


def in_processes(processes, batch_size, accumulation, checkpoints, run):
    """Call run() in as many workers, or in this process if one is asked for or this is a worker; whoever has no parent holds the
    checkpoints, and nobody else has them while a worker is left."""
    if is_worker():
        with checkpoints.shared(), word_for_the_parent():
            run()
    elif processes > 1:
        with checkpoints.held():
            start(processes, batch_size, accumulation, checkpoints)
    else:
        use_one_gpu()
        with checkpoints.held():
            run()


def with_fitting_batch(train, batch_size, accumulation, checkpoints):
    """As lib.memory's with_batch_that_fits, in whichever process: a worker uses the batch that the parent says."""
    if not is_worker():
        return with_batch_that_fits(train, batch_size, accumulation, checkpoints)
    tried = [int(size) for size in os.environ[TRIED].split(",")]
    return train(tried[-1], batch_size * accumulation // tried[-1]), tried


def use_one_gpu():
    """Let this process see one GPU: with more, Trainer would split each batch over them and enlarge it without a word.

    To be called before anything asks for a GPU.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    os.environ["CUDA_VISIBLE_DEVICES"] = "0" if visible is None else visible.split(",")[0]


def _start_workers(processes, tried):
    with tempfile.TemporaryDirectory() as messages:
        environment = os.environ | {MESSAGES: messages, TRIED: ",".join(map(str, tried)), ENDS_WITH: str(os.getpid())}
        if not torch.cuda.is_available():
            threads = max(1, int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0))) // processes)
            environment |= {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": str(threads)}
        # with --cpu the launcher would start a single process where there is no MPI; the variable above has the same meaning
        command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes)]
        command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
        out_of_memory, wrong_input = Path(messages) / OUT_OF_MEMORY, Path(messages) / WRONG_INPUT
        with _stopped_with_us(subprocess.Popen([*command, *sys.argv], env=environment)) as launcher:
            while launcher.poll() is None and not wrong_input.exists():
                time.sleep(0.2)
            try:
                launcher.wait(PATIENCE if wrong_input.exists() else None)
            except subprocess.TimeoutExpired:  # not all of them found it
                launcher.terminate()
        if out_of_memory.exists():
            raise RuntimeError("a worker is out of memory.")  # accelerate's finder knows these words
        if wrong_input.exists():
            raise InputError(wrong_input.read_text(encoding="utf-8"))
        if launcher.returncode:
            raise InputError(f"{processes} processes: one of them failed; expected all to end; see the log above for its error")


@contextmanager
def _stopped_with_us(process):
    """The process is told to stop if we are: workers left to themselves would write their files when nobody expects them."""

    def stop(*_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a cluster sends several
        raise InputError(
            "stopped by SIGTERM; expected to be left alone; run the same command again, and it goes on from its newest checkpoint, if any"
        )

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
        signal.signal(signal.SIGTERM, before)


@contextmanager
def word_for_the_parent():
    """Tell the parent of an error in this worker that it can do something about."""
    folder = Path(os.environ[MESSAGES])
    try:
        yield
    except InputError as error:
        with whole(folder / WRONG_INPUT) as part:
            part.write_text(str(error), encoding="utf-8")
        raise SystemExit(0) from None  # mostly all find the same; one that failed would have the launcher print its own report
    except RuntimeError as error:
        if should_reduce_batch_size(error):
            (folder / OUT_OF_MEMORY).touch()
            os._exit(1)  # the others wait for this one; the launcher stops them
        raise
