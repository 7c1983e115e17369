"""On PYTHONPATH: every script of the workflow leaves word of where it runs, and meets with what a test has in store for it.

KARGAH_PLACES   folder for that word
KARGAH_HANGS    the node on which scripts never end
KARGAH_SLOW     script:seconds, which each of its training steps takes longer
KARGAH_TAKES    script:megabytes of memory, which it takes besides
"""

import atexit
import json
import os
import sys
import time

NODE = os.environ.get("SLURMD_NODENAME", "")


def ancestors():
    """The numbers of the processes above this one."""
    number, found = os.getpid(), []
    while number > 1:
        with open(f"/proc/{number}/stat") as file:
            number = int(file.read().rpartition(")")[2].split()[1])
        found.append(number)
    return found


def leave_word(folder, place):
    with open(os.path.join(folder, f"{time.time_ns()}-{os.getpid()}.json"), "w") as file:
        json.dump(place | {"offline": os.environ.get("HF_HUB_OFFLINE")}, file)


def asked(variable):
    """The number that a variable names for this script, if it does."""
    name, _, number = os.environ.get(variable, "").partition(":")
    return float(number) if name == SCRIPT else None


def slow_down(seconds):
    import transformers

    step = transformers.Trainer.training_step

    def training_step(*args, **kwargs):
        time.sleep(seconds)
        return step(*args, **kwargs)

    transformers.Trainer.training_step = training_step


if len(sys.orig_argv) > 1 and sys.orig_argv[1].startswith("scripts/"):
    SCRIPT = sys.orig_argv[1].removeprefix("scripts/")
    if folder := os.environ.get("KARGAH_PLACES"):
        place = {"script": SCRIPT, "node": NODE, "gpu": os.environ.get("CUDA_VISIBLE_DEVICES")}
        place["own_snakemake"] = int(os.environ["KARGAH_ENDS_WITH"]) in ancestors()
        atexit.register(leave_word, folder, place)
    if megabytes := asked("KARGAH_TAKES"):
        taken = b"\1" * int(megabytes * 2**20)
    if seconds := asked("KARGAH_SLOW"):
        slow_down(seconds)
    while NODE and os.environ.get("KARGAH_HANGS") == NODE:
        time.sleep(1)
