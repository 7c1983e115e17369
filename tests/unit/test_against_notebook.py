"""The benchmark's harness measures what it says: a slow-down shows in seconds and ratios, memory in the peak, a failure is none."""

import sys
from argparse import Namespace

import pytest

from against_notebook import STAGES, measured, ratios, table
from lib.program import InputError

HUNDRED_MB = 100 * 2**20
TIMES = {"notebook": [8.0, 12.0, 13.0], "kargah": [4.0, 4.0, 4.0]}


def python(code):
    return measured([sys.executable, "-c", code])


def test_a_deliberate_slowdown_shows_up():
    quick, slow = (python(f"import time; time.sleep({seconds})") for seconds in (0, 0.5))
    assert 0.45 < slow["seconds"] - quick["seconds"] < 1
    assert ratios({"notebook": [slow], "kargah": [quick]})[0] > 2


def test_memory_of_a_child_process_shows_up():
    """Kargah's jobs are children of Snakemake, which is what is measured."""
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', 'len(bytearray({HUNDRED_MB}))'], check=True)"
    little, much = python("pass")["peak_bytes"], python(child)["peak_bytes"]
    assert 0.9 * HUNDRED_MB < much - little < 1.5 * HUNDRED_MB


def test_a_command_that_fails_is_no_measurement():
    with pytest.raises(InputError, match="failed: .*no such thing"):
        python("raise SystemExit('no such thing')")


def test_the_table_has_medians_of_turns_and_counts_the_notebook_s_imports_once():
    own = {"value": 0.5, "low": 0.4, "high": 0.6}
    turns = {way: [{"seconds": seconds, "peak_bytes": 2**30} for seconds in times] for way, times in TIMES.items()}
    stage = turns | {"work": {"notebook": 120, "kargah": 120}, "quality": {"metric": "F1", "notebook": 0.45, "kargah": own}}
    lines = table(Namespace(size="quarter", repeats=3), dict.fromkeys(STAGES, stage), {"seconds": 2.0})
    assert "| 12.0 | 4.0 | 3.00× (2.00–3.25) |" in lines[4]
    assert "10.0 sentences | 30.0 | 1.0 | 1.0 | F1 0.450 | 0.500 [0.400, 0.600] |" in lines[4]
    assert lines[4 + len(STAGES)].startswith("| end to end | 52.0 | 20.0 | 2.60× | 2.5× |")
