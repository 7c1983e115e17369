"""Folders with a record of their files: an edit inside is seen, a new time stamp is none."""

import json
import os
import shutil

import pytest

from lib.manifest import edited, recorded


@pytest.fixture
def folder(tmp_path):
    target = tmp_path / "model"
    with recorded(target) as part:
        (part / "sub").mkdir(parents=True)
        (part / "weights").write_bytes(b"12345678")
        (part / "sub" / "config.json").write_text("{}")
    return target


def later(path):
    """As an edit a while after the record was written."""
    time = path.stat().st_mtime + 10
    os.utime(path, (time, time))


def test_a_folder_comes_with_the_checksums_of_its_files(folder, tmp_path):
    files = json.loads((tmp_path / "model.json").read_text())["files"]
    assert [(file["path"], file["bytes"]) for file in files] == [("sub/config.json", 2), ("weights", 8)]
    assert edited(folder) is None


def test_an_edit_is_seen_and_a_touch_is_not(folder):
    later(folder / "weights")
    assert edited(folder) is None
    (folder / "weights").write_bytes(b"12345679")
    later(folder / "weights")
    assert edited(folder) == "weights"


def test_a_file_that_was_copied_with_an_old_date_is_seen(folder, tmp_path):
    """As `cp -p`, rsync and tar give it: of the same size, and older than the record."""
    other = tmp_path / "other"
    other.write_bytes(b"87654321")
    os.utime(other, (1, 1))
    shutil.copy2(other, folder / "weights")
    assert edited(folder) == "weights"


def test_what_was_found_as_it_was_is_not_read_again(folder, monkeypatch):
    (folder / "weights").touch()
    assert edited(folder) is None
    monkeypatch.setattr("lib.manifest.sha256", lambda path: pytest.fail(f"{path} is read again"))
    assert edited(folder) is None


def test_a_file_more_or_less_is_seen(folder):
    (folder / "sub" / "config.json").unlink()
    assert edited(folder) == "sub/config.json"
    (folder / "sub" / "config.json").write_text("{}")
    (folder / "new.json").write_text("{}")
    assert edited(folder) == "new.json"


def test_a_hidden_file_is_none_of_the_folders(folder):
    (folder / ".snakemake_timestamp").touch()
    assert edited(folder) is None


def test_a_folder_that_is_not_there_or_has_no_record_is_not_judged(folder, tmp_path):
    (tmp_path / "model.json").unlink()
    (folder / "weights").write_bytes(b"")
    assert edited(folder) is None
    assert edited(tmp_path / "other") is None


def test_what_fails_leaves_neither_folder_nor_record(tmp_path):
    with pytest.raises(ValueError), recorded(tmp_path / "model") as part:
        part.mkdir()
        raise ValueError
    assert not list(tmp_path.iterdir())
