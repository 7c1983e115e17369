"""What every script of the workflow does alike: one clear line for an error, a log for the file, a progress line for the person.

The log goes to stderr (the rules send it to the rule's log file), progress goes to stdout (the rules leave it on the terminal).
"""

import argparse
import atexit
import errno
import functools
import gc
import json
import os
import re
import select
import signal
import sys
import threading
import time
from pathlib import Path

START = time.monotonic()
ENDS_WITH = "KARGAH_ENDS_WITH"  # the process without which a script has no one to work for: Snakemake, or who started several
COLLECTING = (700, 10, 10)  # Python's own, which lib.offline has raised for the imports

atexit.register(gc.freeze)  # else Python, on its way out, spends a second looking through what torch and transformers are made of


class InputError(Exception):
    """Something that the user gave is wrong. The message is one line: file or key, what was found, what was expected, the way out."""


def program(main):
    """Decorate `main(argv=None)`: an InputError, a full disk or an unreadable file becomes one line on stderr and exit code 1.

    Started by Snakemake, the process is told to stop (SIGTERM) if that one is killed, and a worker if its parent is: they would write
    beside the next run's job.
    """

    @functools.wraps(main)
    def wrapped(argv=None):
        if other := os.environ.get(ENDS_WITH):
            end_with(int(other))
        gc.set_threshold(*COLLECTING)
        try:
            return main(argv)
        except InputError as error:
            raise SystemExit(f"error: {one_line(error)}") from None
        except Exception as error:
            if out_of_space(error):
                place = getattr(error, "filename2", None) or getattr(error, "filename", None) or "the disk"
                raise SystemExit(
                    f"error: {place}: no space left; expected room for what is written; "
                    "free some, or move results/ and assets/ to a larger disk"
                ) from None
            known = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
            if isinstance(error, known) and error.filename:
                expected = "expected a path that can be read or written"
                raise SystemExit(f"error: {error.filename}: {error.strerror}; {expected}; check it and its permissions") from None
            raise

    return wrapped


def end_with(process):
    """Send this process a SIGTERM when the other one, of this machine, has ended; at once, if it ended while this one was loading."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        os.kill(os.getpid(), signal.SIGTERM)
        return
    except OSError:  # the system tells nothing of processes
        return

    def watch():
        select.select([descriptor], [], [])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


OUT_OF_SPACE = (errno.ENOSPC, errno.EDQUOT)
IN_WORDS = re.compile(rf"\(os error ({'|'.join(map(str, OUT_OF_SPACE))})\)|PytorchStreamWriter failed writing")


def out_of_space(error):
    """Whether a full disk, or a quota used up, is the cause.

    safetensors and others raise errors of their own, with the system's number in the text only; torch's says no more than that a file
    could not be written, of which this is by far the likeliest cause.
    """
    while error is not None:
        if getattr(error, "errno", None) in OUT_OF_SPACE or IN_WORDS.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def one_line(text):
    return " ".join(str(text).split())


def log(message):
    print(f"{time.monotonic() - START:8.1f} s  {message}", file=sys.stderr, flush=True)


def progress(message):
    """A line that a waiting person wants to see: what is being done, and how far it is."""
    log(message)
    if not _same_place(sys.stdout, sys.stderr):
        print(f"    {Path(sys.argv[0]).stem}: {message}", flush=True)


class Steps:
    """Progress through `total` steps, reported at most every `seconds`, and at the end."""

    def __init__(self, what, total, seconds=10):
        self.what, self.total, self.seconds, self.last = what, total, seconds, time.monotonic()

    def at(self, step, detail=""):
        now = time.monotonic()
        if now - self.last >= self.seconds or step == self.total:
            self.last = now
            progress(f"{self.what} {step} of {self.total} ({100 * step / max(self.total, 1):.0f} %){detail and ', '}{detail}")


def _same_place(one, other):
    try:
        return os.path.sameopenfile(one.fileno(), other.fileno())
    except (OSError, ValueError, AttributeError):  # captured by a test, or closed
        return True


class Parser(argparse.ArgumentParser):
    """One whose errors are one line, without the usage."""

    def error(self, message):
        self.exit(2, f"error: {one_line(message)}; expected what {self.prog} --help lists; correct the command\n")


def parser(documentation):
    """An argument parser whose help is the module's docstring."""
    return Parser(description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter)


def json_value(text):
    """Argument type: a JSON value."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not JSON ({error}); quote it for the shell") from None


def positive(text):
    """Argument type: a whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"found {text}; expected at least 1")
    return number


def model_folder(text):
    """Argument type: a Hugging Face model folder with weights in safetensors."""
    folder = Path(text)
    if not (folder / "config.json").is_file():
        raise argparse.ArgumentTypeError(f"{text} is no model folder: there is no config.json in it; name a folder as the hub lays it out")
    if not list(folder.glob("*.safetensors")):
        raise argparse.ArgumentTypeError(f"{text} has no weights: expected *.safetensors beside config.json; fetch the model again")
    return folder


def existing_file(text):
    """Argument type: a file that is there."""
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"{text} is not a file; make it with the rule that writes it, or correct the path")
    return Path(text)


def existing_folder(text):
    """Argument type: a folder that is there."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a folder; make it with the rule that writes it, or correct the path")
    return Path(text)


def named_file(text):
    """Argument type: NAME=FILE, as a pair."""
    name, mark, path = text.partition("=")
    if not (name and mark):
        raise argparse.ArgumentTypeError(f"{text} names no file; expected NAME=FILE")
    return name, existing_file(path)
