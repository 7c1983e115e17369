"""Reading and writing JSON, JSON lines and Parquet, and reading YAML, the same everywhere: UTF-8, keys as given, a line feed at the end."""

import json
from itertools import islice
from pathlib import Path

import yaml

from lib.program import InputError, one_line

AGAIN = "delete the file and run the workflow again"
BATCH = 10_000  # rows in memory at once


def write_json(path, value):
    Path(path).write_text(json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path):
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: line {error.lineno} is not JSON ({error.msg}); expected the whole file; {AGAIN}") from None


def write_jsonl(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def read_jsonl(path):
    rows = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise InputError(f"{path}: line {number} is not JSON ({error.msg}); expected the whole file; {AGAIN}") from None
    return rows


def write_parquet(path, rows, schema):
    """`rows` as an iterable of dicts, written in batches, so that a large file never stands in memory; `schema` a pyarrow schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = iter(rows)
    with pq.ParquetWriter(path, schema) as writer:
        while batch := list(islice(rows, BATCH)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))


def read_yaml(path):
    return yaml.load(Path(path).read_text(encoding="utf-8"), yaml.CSafeLoader)  # yaml.safe_load is ten times slower


def read_parquet(path, columns):
    """Rows as dicts; a missing column is an InputError that names file and column."""
    return [row for batch in parquet_batches(path, columns, 100_000) for row in batch]


def parquet_batches(path, columns, size=2000):
    """The rows of `read_parquet` in lists of up to `size`, so that a large file never stands in memory as a whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.read_schema(path).names
    except pa.ArrowInvalid as error:
        raise InputError(f"{path}: not a Parquet file ({one_line(error)}); expected the whole file; {AGAIN}") from None
    for column in columns:
        if column not in found:
            raise InputError(f"{path}: no column {column!r}; found {', '.join(found)}; expected {', '.join(columns)}; {AGAIN}")
    with pq.ParquetFile(path, pre_buffer=False) as file:  # else it keeps all that it has read of the file (apache/arrow#39808)
        if not file.metadata.num_rows:
            raise InputError(f"{path}: no rows; expected some; {AGAIN}")
        for batch in file.iter_batches(size, columns=list(columns)):
            yield batch.to_pylist()
