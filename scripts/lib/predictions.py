"""predictions.jsonl: its rows, and those of several systems side by side."""

from itertools import zip_longest
from pathlib import Path

from lib.program import InputError
from lib.records import read_jsonl

FILE = "predictions.jsonl"


def prediction(row, text, prompt_tokens=0, new_tokens=0, truncated=False):
    """The summary that a system wrote of `row` (id, article, reference); `truncated` tells whether the article was shortened."""
    return {
        "id": row["id"],
        "prediction": text,
        "reference": row["reference"],
        "prompt_tokens": prompt_tokens,
        "new_tokens": new_tokens,
        "truncated": truncated,
    }


def read_predictions(folder, systems):
    """What the systems, each in a folder of its own in `folder`, wrote of the same articles: ids, references, {system: predictions}.

    Raises InputError for a file without rows, a row without a key, and a system with other articles or references than the first.
    """
    pairs, first, predictions = None, None, {}
    for system in systems:
        path = Path(folder) / system / FILE
        rows = read_jsonl(path)
        if not rows:
            raise InputError(f"{path}: no predictions; expected one a test article; run the rule that writes it again")
        for number, row in enumerate(rows, 1):
            if not isinstance(row, dict):
                raise InputError(f"{path}: line {number} is {row!r}; expected id, prediction and reference; delete the file")
            for key in ("id", "prediction", "reference"):
                if key not in row:
                    raise InputError(f"{path}: line {number} has no {key}; expected id, prediction and reference; delete the file")
        found = [(row["id"], row["reference"]) for row in rows]
        if pairs is None:
            pairs, first = found, path
        elif found != pairs:
            line = next(line for line, (one, other) in enumerate(zip_longest(found, pairs), 1) if one != other)
            raise InputError(
                f"{path}: line {line} differs in id or reference from that of {first}; expected the same test articles in the same order; "
                "delete both and run the workflow again"
            )
        predictions[system] = [row["prediction"] for row in rows]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs], predictions
