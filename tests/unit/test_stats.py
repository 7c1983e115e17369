"""Length statistics (S3): characters, words, sentences, and tokens of each model."""

import json
import subprocess
import sys

import numpy as np
import pytest

import length_statistics
import text_statistics
from lib.length_summary import BINS, chosen, histograms
from summarizing import command_line, pairs, tiny, write_pairs

ROWS = {
    "train": [
        {"id": "a", "article": "One two three. Four five.", "reference": "One."},
        {"id": "b", "article": "Six\nseven", "reference": "Six seven eight. Nine."},
        {"id": "c", "article": "é" * 10, "reference": "Ten"},
    ],
    "validation": pairs(4, 10),
    "test": pairs(2, 20),
}


@pytest.fixture
def files(tmp_path):
    return {split: write_pairs(tmp_path / f"{split}.parquet", rows) for split, rows in ROWS.items()}


def tokens(folder, files):
    length_statistics.main(command_line({"model": tiny("llama"), **files, "output": folder / "lengths.json"}))
    return json.loads((folder / "lengths.json").read_text())


def test_tokens_are_those_of_the_models_tokenizer(tmp_path, files):
    lengths = tokens(tmp_path, files)
    # a token a byte, no special tokens
    article = lengths["train"]["article"]
    assert list(article) == ["min", "mean", "median", *(f"p{percentile}" for percentile in range(1, 101)), "max"]
    assert chosen(article, [50, 95]) == {"min": 9, "mean": 18, "median": 20, "p50": 20, "p95": 24.5, "max": 25}
    assert set(lengths) == set(ROWS) and set(lengths["test"]) == {"article", "reference"}


def test_a_program_that_needs_tokenizers_only_does_not_load_torch(tmp_path, files):
    here = tokens(tmp_path, files)
    options = command_line({"model": tiny("llama"), **files, "output": tmp_path / "program.json"})
    code = "import atexit, runpy, sys; atexit.register(lambda: print('torch' in sys.modules)); sys.path.insert(0, 'scripts'); "
    code += f"sys.argv[0] = {length_statistics.__file__!r}; runpy.run_path(sys.argv[0], None, '__main__')"
    assert subprocess.run([sys.executable, "-c", code, *options], capture_output=True, text=True, check=True).stdout == "False\n"
    assert json.loads((tmp_path / "program.json").read_text()) == here


def test_all_statistics_stand_in_one_file(tmp_path, files):
    tokens(tmp_path, files)
    arguments = {**files, "percentiles": [50, 95], "tokens": [f"tiny={tmp_path / 'lengths.json'}"], "seed": 42}
    text_statistics.main(command_line(arguments | {"output": tmp_path / "stats.json"}))
    stats = json.loads((tmp_path / "stats.json").read_text())
    train = stats["splits"]["train"]
    assert train["pairs"] == 3
    assert {unit: (train["article"][unit]["min"], train["article"][unit]["max"]) for unit in ("characters", "words", "sentences")} == {
        "characters": (9, 25),
        "words": (1, 5),
        "sentences": (1, 2),
    }
    assert train["reference"]["sentences"]["mean"] == pytest.approx(4 / 3)
    assert train["reference"]["words"]["p95"] == pytest.approx(np.percentile([1, 4, 1], 95))
    tokens_of_train = json.loads((tmp_path / "lengths.json").read_text())["train"]["article"]
    assert train["article"]["tokens"]["tiny"] == chosen(tokens_of_train, [50, 95])
    assert stats["histograms"]["article"]["width"] == 1
    assert stats["histograms"]["article"]["counts"]["train"][:6] == [0, 1, 1, 0, 0, 1]
    assert {split: sum(counts) for split, counts in stats["histograms"]["reference"]["counts"].items()} == {
        split: len(rows) for split, rows in ROWS.items()
    }
    assert stats["sample"] in ROWS["train"]


def test_histograms_share_their_bins_and_end_with_the_rest():
    long = {"train": [*range(1, 2000), 90_000], "test": [0, 199, 200, 90_000]}
    found = histograms(long)
    assert found["width"] == 100 and set(map(len, found["counts"].values())) == {BINS}
    assert found["counts"]["train"][:2] == [99, 100] and found["counts"]["test"][:3] == [1, 1, 1]
    assert [counts[-1] for counts in found["counts"].values()] == [1, 1]
    assert histograms({"train": [2, 3, 3], "test": []}) == {"width": 1, "counts": {"train": [0, 0, 1, 2], "test": [0, 0, 0, 0]}}
    assert histograms({"train": []}) == {"width": 1, "counts": {"train": []}}


def test_a_file_of_lengths_without_its_models_name_is_an_argument_error(tmp_path, files):
    tokens(tmp_path, files)
    with pytest.raises(SystemExit) as error:
        text_statistics.main(
            command_line({**files, "percentiles": [95], "tokens": [tmp_path / "lengths.json"], "seed": 1, "output": tmp_path / "s"})
        )
    assert error.value.code == 2
