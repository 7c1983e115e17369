"""load_splits on every layout that the hub, a converter or a user gives."""

from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from lib.dataset_folder import load_splits
from lib.program import InputError

TAGS = ["O", "B_PER"]
FEATURES = Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=TAGS))})
ROW = {"tokens": ["Ada", "wrote"], "ner_tags": [1, 0]}
HEADER = """---
configs:
- config_name: elsewhere
  data_files:
  - {split: train, path: elsewhere/train-*}
- config_name: default
  data_files:
  - {split: train, path: data/train.jsonl}
  - {split: test, path: data/test.jsonl}
dataset_info:
- config_name: default
  features:
  - {name: tokens, sequence: string}
  - name: ner_tags
    sequence:
      class_label:
        names: {'0': O, '1': B_PER}
---
"""


@pytest.fixture
def with_readme(tmp_path):
    """JSON lines, and a README with two configs of which one was fetched."""
    folder = tmp_path / "set"
    (folder / "data").mkdir(parents=True)
    for split in ("train", "test"):
        (folder / "data" / f"{split}.jsonl").write_text('{"tokens": ["Ada", "wrote"], "ner_tags": [1, 0]}\n')
    (folder / "README.md").write_text(HEADER)
    return folder


def test_names_of_tags_come_from_the_readme(with_readme):
    splits = load_splits(with_readme, "default")
    assert set(splits) == {"train", "test"}
    assert splits["test"][0] == ROW
    assert splits["test"].features["ner_tags"].feature.names == TAGS


def test_parquet_by_folders_without_a_readme(tmp_path):
    for split in ("train", "validation"):
        (tmp_path / "conll2003" / split).mkdir(parents=True)
        Dataset.from_list([ROW], features=FEATURES).to_parquet(tmp_path / "conll2003" / split / "0000.parquet")
    splits = load_splits(tmp_path, "conll2003")
    assert set(splits) == {"train", "validation"}
    assert splits["train"].features["ner_tags"].feature.names == TAGS


def test_an_edited_file_is_seen(with_readme):
    assert len(load_splits(with_readme, "default")["train"]) == 1
    (with_readme / "data" / "train.jsonl").write_text('{"tokens": [], "ner_tags": []}\n' * 2)
    assert load_splits(with_readme, "default")["train"]["tokens"] == [[], []]


def test_smoke_data(request):
    data = Path(request.config.rootpath) / "tests" / "data"
    english, persian, pairs = (load_splits(data / name) for name in ("ner_en", "ner_fa", "pairs"))
    assert english["train"].features["ner_tags"].feature.names[:3] == ["O", "B-PER", "I-PER"]
    assert persian["train"].features["ner_tags"].feature.names[8] == "B_PER"
    assert pairs["train"].column_names == ["article", "highlights", "id"]
    for splits in (english, persian):
        for split in splits.values():
            assert all(len(row["tokens"]) == len(row["ner_tags"]) > 0 for row in split)
            assert all(0 <= tag < len(split.features["ner_tags"].feature.names) for row in split for tag in row["ner_tags"])


def test_real_data(real_data):
    persian = load_splits(real_data / "PEYMA-ARMAN-Mixed")
    assert {name: len(split) for name, split in persian.items()} == {"train": 18434, "validation": 2304, "test": 2305}
    assert persian["train"].features["ner_tags"].feature.names[9] == "O"
    news = load_splits(real_data / "cnn_dailymail", "3.0.0")
    assert {name: len(split) for name, split in news.items()} == {"train": 800, "validation": 200, "test": 500}


@pytest.mark.parametrize(
    "config, words",
    [
        (None, r"several configs \(elsewhere, default\); name one"),
        ("3.0.0", "no config '3.0.0'; found elsewhere, default"),
        ("elsewhere", "cannot be read"),
    ],
)
def test_a_config_that_cannot_be_meant(with_readme, config, words):
    with pytest.raises(InputError, match=words):
        load_splits(with_readme, config)


@pytest.mark.parametrize(
    "content, words",
    [('{"tokens": ["Ad', "cannot be read"), ('{"words": ["Ada"], "ner_tags": [0]}\n', "column names don't match"), ("", "cannot be read")],
)
def test_a_file_that_cannot_be_read(with_readme, content, words):
    (with_readme / "data" / "train.jsonl").write_text(content)
    with pytest.raises(InputError, match=words):
        load_splits(with_readme, "default")


def test_a_broken_readme(with_readme):
    (with_readme / "README.md").write_text("---\nconfigs: [\n---\n")
    with pytest.raises(InputError, match="README.md: the header between --- and --- cannot be read"):
        load_splits(with_readme)


def test_no_folder_and_no_files(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        load_splits(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no data files"):
        load_splits(tmp_path)
