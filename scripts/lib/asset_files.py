"""The files of a fetched model or data set: which belong to it, and whether all are there."""

from fnmatch import fnmatch
from pathlib import Path

from lib.manifest import files_of
from lib.program import InputError

MODEL_FILES = ("*.safetensors", "*.json", "*.jinja", "*.model", "vocab.txt", "merges.txt", "README.md", "LICENSE*", "USE_POLICY*")
TOKENIZER_FILES = ("tokenizer.json", "*.model", "vocab.txt", "vocab.json")
DATA_FILES = (".parquet", ".jsonl", ".json", ".csv")


def belongs_to_model(name):
    """Weights as safetensors, configs and the tokenizer, at the top of a repository: no pickles, no code, no folders of other formats."""
    return "/" not in name and any(fnmatch(name, pattern) for pattern in MODEL_FILES)


def check_model(folder, key):
    names = [file.as_posix() for file in files_of(folder)]
    if "config.json" not in names:
        raise InputError(f"{key}: found no config.json ({_some(names)}); expected a model in the hub's layout; name another source")
    if not any(name.endswith(".safetensors") for name in names):
        raise InputError(f"{key}: found no weights ({_some(names)}); expected *.safetensors; convert them, or name another source")
    if not any(fnmatch(name, pattern) for name in names for pattern in TOKENIZER_FILES):  # transformers would go on with an empty one
        raise InputError(f"{key}: found no tokenizer ({_some(names)}); expected {', '.join(TOKENIZER_FILES)}; name another source")


def check_dataset(folder, key):
    names = [file.as_posix() for file in files_of(folder)]
    if not any(Path(name).suffix in DATA_FILES for name in names):
        raise InputError(f"{key}: found no data ({_some(names)}); expected {', '.join(DATA_FILES)}; name another source")


def _some(names, most=6):
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "") or "none"
