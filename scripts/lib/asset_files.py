"""The files of a fetched model or data set: which belong to it, whether all are there, and their checksums."""

import hashlib
from fnmatch import fnmatch
from pathlib import Path

from lib.program import InputError

MODEL_FILES = ("*.safetensors", "*.json", "*.jinja", "*.model", "vocab.txt", "merges.txt", "README.md", "LICENSE*", "USE_POLICY*")
TOKENIZER_FILES = ("tokenizer.json", "*.model", "vocab.txt", "vocab.json")
DATA_FILES = (".parquet", ".jsonl", ".json", ".csv")


def belongs_to_model(name):
    """Weights as safetensors, configs and the tokenizer, at the top of a repository: no pickles, no code, no folders of other formats."""
    return "/" not in name and any(fnmatch(name, pattern) for pattern in MODEL_FILES)


def files_of(folder):
    """Relative paths of all files below `folder`, sorted; hidden files and folders are left out."""
    files = (path.relative_to(folder) for path in Path(folder).rglob("*") if path.is_file())
    return sorted(file for file in files if not any(part.startswith(".") for part in file.parts))


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


def record_files(folder):
    """[{"path", "bytes", "sha256"}] of every file, sorted by path."""
    folder = Path(folder)
    return [
        {"path": file.as_posix(), "bytes": (folder / file).stat().st_size, "sha256": sha256(folder / file)} for file in files_of(folder)
    ]


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _some(names, most=6):
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "") or "none"
