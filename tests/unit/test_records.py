"""Parquet files, a part at a time."""

import os

import pyarrow as pa

from lib import records


def test_what_was_read_of_a_file_does_not_stay_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "BATCH", 100)
    path, texts = tmp_path / "texts.parquet", [os.urandom(1000).hex() for _ in range(2000)]
    records.write_parquet(path, ({"text": text} for text in texts), pa.schema([("text", pa.string())]))
    before, found, held = pa.total_allocated_bytes(), [], 0
    for rows in records.parquet_batches(path, ["text"], 100):
        found += [row["text"] for row in rows]
        held = max(held, pa.total_allocated_bytes() - before)
    assert found == texts
    assert 0 < held < path.stat().st_size / 4
