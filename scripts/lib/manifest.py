"""Folders that carry a record of their files' checksums: FOLDER.json beside FOLDER, so that a later edit inside is seen."""

import hashlib
import os
from contextlib import contextmanager, suppress
from pathlib import Path

from lib.publish import whole
from lib.records import read_json, write_json


@contextmanager
def recorded(folder):
    """`whole` for a folder of files, whose record appears just before it."""
    with whole(folder) as part, whole(record_of(folder)) as record:
        yield part
        write_json(record, {"files": record_files(part)})


def record_of(folder):
    return Path(f"{folder}.json")


def edited(folder):
    """A file of `folder` that is not as its record says, as a relative path; None if there is none, or no record.

    The record is written last, so that only files that have changed since are read; of these the system keeps a time that copying does
    not set (ctime). If all are as they were, the record is dated anew, and they are not read again.
    """
    folder, record = Path(folder), record_of(folder)
    if not (folder.is_dir() and record.is_file()):
        return None
    expected = {file["path"]: file["sha256"] for file in read_json(record)["files"]}
    written, read = record.stat().st_ctime_ns, False
    for path in sorted(expected.keys() | {file.as_posix() for file in files_of(folder)}):
        file = folder / path
        if path not in expected or not file.is_file():
            return path
        if file.stat().st_ctime_ns > written:
            read = True
            if sha256(file) != expected[path]:
                return path
    if read:
        with suppress(OSError):  # it may be another user's
            os.utime(record)
    return None


def files_of(folder):
    """Relative paths of all files below `folder`, sorted; hidden files and folders are left out."""
    files = (path.relative_to(folder) for path in Path(folder).rglob("*") if path.is_file())
    return sorted(file for file in files if not any(part.startswith(".") for part in file.parts))


def record_files(folder):
    """[{"path", "bytes", "sha256"}] of every file, sorted by path."""
    folder = Path(folder)
    return [
        {"path": file.as_posix(), "bytes": (folder / file).stat().st_size, "sha256": sha256(folder / file)} for file in files_of(folder)
    ]


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
