"""Tiny models, pairs and command lines for the tests of summarization."""

import atexit
import json
import tempfile
from functools import cache
from pathlib import Path

import pyarrow as pa

from lib import random_models
from lib.prompting import load_template, ready_tokenizer
from lib.records import write_parquet

PROMPTS = Path(__file__).parents[2] / "prompts"
PLAIN, CHAT = (load_template(PROMPTS / f"{name}.yaml") for name in ("plain", "chat"))
WORDS = ["council", "library", "river", "winter", "market", "bridge", "doctor", "train", "island", "festival", "museum", "harvest"]


@cache
def tiny(architecture):
    """The folder of a random model that lives as long as the tests; weights large enough for it to say different things."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    random_models.make(architecture, Path(folder.name) / "model", seed=1, initializer_range=0.3)
    return Path(folder.name) / "model"


@cache
def tokenizer():
    return ready_tokenizer(tiny("llama"))


def pairs(count, start=0):
    """Pairs of different lengths, all different."""
    return [
        {
            "id": f"row{n}",
            "article": " ".join(f"The {WORDS[(n + k) % len(WORDS)]} opened on day {n}." for k in range(1 + n % 4)),
            "reference": f"The {WORDS[n % len(WORDS)]} opened.",
        }
        for n in range(start, start + count)
    ]


def write_pairs(path, rows):
    write_parquet(path, rows, pa.schema([(name, pa.string()) for name in ("id", "article", "reference")]))
    return path


def write_dataset(folder, **splits):
    """A data set in the hub's layout, of JSON lines."""
    (folder / "data").mkdir(parents=True)
    for split, rows in splits.items():
        (folder / "data" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def command_line(arguments):
    """Flags of a dict: True is a bare flag, None is left out, a list has several words."""
    words = []
    for name, value in arguments.items():
        if value is None or value is False:
            continue
        words.append(f"--{name.replace('_', '-')}")
        if value is not True:
            words += [str(part) for part in value] if isinstance(value, list) else [str(value)]
    return words
