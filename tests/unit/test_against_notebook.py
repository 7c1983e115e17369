"""The benchmarks measure what they say: a slow-down shows in seconds and ratios, memory in the peak, imports apart from work."""

import sys
from argparse import Namespace

import pytest

import against_notebook
from against_notebook import STAGES, ratios, table
from lib.config import checked
from lib.program import InputError
from lib.records import read_json, read_yaml
from measuring import ROOT, circumstances, measured, record, sweep

HUNDRED_MB = 100 * 2**20
TIMES = {"notebook": [8.0, 12.0, 13.0], "kargah": [4.0, 4.0, 4.0]}


def python(code):
    return measured([sys.executable, "-c", code])


def test_a_deliberate_slowdown_shows_up():
    quick, slow = (python(f"import time; time.sleep({seconds})") for seconds in (0, 0.5))
    assert 0.45 < slow["seconds"] - quick["seconds"] < 1
    assert ratios({"notebook": [slow], "kargah": [quick]})[0] > 2


def test_the_processor_s_seconds_are_those_of_work_and_not_of_waiting():
    waiting = python("import time; time.sleep(0.5)")
    working = python("import time\nwhile time.process_time() < 0.5: pass")
    assert waiting["processor_seconds"] < 0.4
    assert working["processor_seconds"] > 0.5


def test_memory_of_a_child_process_shows_up():
    """Kargah's jobs are children of Snakemake, which is what is measured."""
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', 'len(bytearray({HUNDRED_MB}))'], check=True)"
    little, much = python("pass")["peak_bytes"], python(child)["peak_bytes"]
    assert 0.9 * HUNDRED_MB < much - little < 1.5 * HUNDRED_MB


def test_a_command_that_fails_is_no_measurement():
    with pytest.raises(InputError, match="failed: .*no such thing"):
        python("raise SystemExit('no such thing')")


def test_a_command_s_output_and_variables(tmp_path):
    code = "import os; print(os.environ['KARGAH_TIMES'])"
    measured([sys.executable, "-c", code], tmp_path / "printed.txt", KARGAH_TIMES="here")
    assert (tmp_path / "printed.txt").read_text() == "here\n"


def found(*stages):
    own = {"value": 0.5, "low": 0.4, "high": 0.6}
    turns = {way: [{"seconds": seconds, "peak_bytes": 2**30} for seconds in times] for way, times in TIMES.items()}
    stage = turns | {"work": {"notebook": 120, "kargah": 120}, "quality": {"metric": "F1", "notebook": 0.45, "kargah": own}}
    return dict.fromkeys(stages, stage)


ARGUMENTS = Namespace(size="quarter", repeats=3)


def test_the_table_has_medians_of_turns_and_counts_the_notebook_s_imports_once():
    lines = table(ARGUMENTS, found(*STAGES), {"seconds": 2.0})
    assert "| 12.0 | 4.0 | 3.00× (2.00–3.25) | 2.5× | yes |" in lines[4]
    assert "10.0 sentences | 30.0 | 1.0 | 1.0 | F1 0.450 | 0.500 [0.400, 0.600] |" in lines[4]
    assert "| 3.00× (2.00–3.25) | 6× | no |" in lines[6]
    assert lines[4 + len(STAGES)].startswith("| end to end | 52.0 | 20.0 | 2.60× | 2.5× | yes |")


def test_there_is_no_sum_of_some_stages():
    assert not [line for line in table(ARGUMENTS, found("scoring"), {"seconds": 2.0}) if "end to end" in line]


def test_a_run_cut_short_leaves_the_stages_before(tmp_path, monkeypatch):
    def compared(name, *_):
        if name == "fine_tuning":
            raise InputError("cut short")
        return found(name)[name]

    monkeypatch.setattr(against_notebook, "measured", lambda command: {"seconds": 2.0})
    monkeypatch.setattr(against_notebook, "compared", compared)
    with pytest.raises(SystemExit, match="cut short"):
        against_notebook.main(["--stages", "fine_tuning", "scoring", "--output", str(tmp_path)])
    left = read_json(tmp_path / "notebook-quarter.json")
    assert (left["stages"], list(left["measurements"])) == (["scoring", "fine_tuning"], ["scoring"])
    assert "scores of all systems" in (tmp_path / "notebook-quarter.md").read_text()


def test_a_table_and_its_measurements_say_where_and_when_they_were_made(tmp_path):
    record(tmp_path, "name", ["a table"], measurements=[1])
    here = circumstances()
    assert read_json(tmp_path / "name.json") == here | {"measurements": [1]}
    first, _, *rest = (tmp_path / "name.md").read_text().splitlines()
    assert rest == ["a table"]
    for part in (here["device"], f"commit {here['commit']}", here["date"], *here["versions"], *here["versions"].values()):
        assert part in first


def test_the_sweep_is_a_valid_configuration_of_systems_that_differ():
    config = read_yaml(ROOT / "config.yaml")
    systems = sweep(200)["summarization"]["systems"]
    config["summarization"]["systems"] |= systems
    assert checked(config, ROOT)["summarization"]["systems"].items() >= systems.items()
    assert len({system["amount"] for system in systems.values()}) == 200
