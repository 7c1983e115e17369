"""XSum's pairs of article and summary from one file of JSON lines, divided into splits."""

import hashlib

from datasets import Dataset, Features, Value

from lib.dataset_folder import write_splits
from lib.program import InputError
from lib.records import read_jsonl

COLUMNS = ("id", "document", "summary")


def convert(file, folder, shares):
    """Read JSON lines, write a data set to `folder`; returns what was done, in a sentence.

    shares  {split: share of the documents}, together 1

    A document goes by its own checksum into a split, so that neither a seed nor the order of the file decides,
    and copies of a document cannot stand in two splits.
    """
    if abs(sum(shares.values()) - 1) > 1e-9:
        raise InputError(f"split: the shares {shares} add up to {sum(shares.values()):g}; expected 1; correct them")
    rows = read_jsonl(file)
    for number, row in enumerate(rows, 1):
        missing = [column for column in COLUMNS if not isinstance(row.get(column), str)]
        if missing:
            raise InputError(
                f"{file.name}: line {number} has no text {', '.join(missing)}; expected {', '.join(COLUMNS)}; name another member"
            )
    distinct = {row["document"]: row for row in reversed(rows)}  # the first of several copies stays
    ranked = sorted(distinct.values(), key=lambda row: hashlib.sha256(row["document"].encode()).digest())
    splits, begin, share_before = {}, 0, 0.0
    for split, share in shares.items():
        share_before += share
        end = round(share_before * len(ranked))
        if begin == end:
            raise InputError(f"split.{split}: a share of {share:g} of {len(ranked)} documents is none; expected at least one; raise it")
        splits[split] = Dataset.from_list(
            [{column: row[column] for column in COLUMNS} for row in ranked[begin:end]],
            features=Features({column: Value("string") for column in COLUMNS}),
        )
        begin = end
    write_splits(folder, splits, "other", "Pairs of XSum (BBC articles and their summaries), divided into splits. Not for redistribution.")
    sizes = ", ".join(f"{split} {len(data)}" for split, data in splits.items())
    return f"one file divided into splits by the checksum of each document ({sizes}); {len(rows) - len(ranked)} repeated documents left out"
