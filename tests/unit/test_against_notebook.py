"""The benchmarks measure what they say: a slow-down shows in seconds and ratios, memory in the peak, imports apart from work."""

import os
import subprocess
import sys
from argparse import Namespace

import pytest

import against_notebook
import overheads
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
    left = read_json(tmp_path / "notebook-quarter-scoring-fine_tuning.json")
    assert (left["stages"], list(left["measurements"])) == (["scoring", "fine_tuning"], ["scoring"])
    assert "scores of all systems" in (tmp_path / "notebook-quarter-scoring-fine_tuning.md").read_text()


def test_a_table_and_its_measurements_say_where_and_when_they_were_made(tmp_path):
    record(tmp_path, "name", ["a table"], measurements=[1])
    here = circumstances()
    assert read_json(tmp_path / "name.json") == here | {"measurements": [1]}
    first, _, *rest = (tmp_path / "name.md").read_text().splitlines()
    assert rest == ["a table"]
    for part in (here["device"], f"commit {here['commit']}", here["date"], *here["versions"], *here["versions"].values()):
        assert part in first


# ------------------------------------------------------------------ overheads


def test_time_in_which_jobs_overlap_counts_once():
    assert overheads.covered([(5, 6), (0, 2), (1, 3), (1.5, 1.6)]) == 4
    assert overheads.covered([]) == 0


def test_a_process_works_between_its_imports():
    process = {"script": "a.py", "started": 0, "imports": [(0, 2), (5, 6)], "ended": 9}
    assert overheads.covered(overheads.between_imports(process)) == 6
    assert overheads.by_script([process, process]) == {"a.py": {"processes": 2, "import_seconds": 6, "working_seconds": 12}}


def test_imports_are_recorded_at_the_top_and_later_and_work_is_not(tmp_path):
    """slow imports one that is slow as well, which counts once; a module that is there already costs nothing."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "times").mkdir()
    (tmp_path / "scripts/slow.py").write_text("import time, slower\ntime.sleep(0.1)\n")
    (tmp_path / "scripts/slower.py").write_text("import time\ntime.sleep(0.4)\n")
    (tmp_path / "scripts/late.py").write_text("import time\ntime.sleep(0.4)\n")
    script = "import importlib, time, slow\ntime.sleep(0.3)\nimportlib.import_module('late')\nimport slow\n"
    (tmp_path / "scripts/work.py").write_text(script)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "bench/timing"), "KARGAH_TIMES": str(tmp_path / "times")}
    subprocess.run([sys.executable, "scripts/work.py"], cwd=tmp_path, env=environment, check=True)
    (times,) = map(read_json, (tmp_path / "times").iterdir())
    (script,) = overheads.by_script([times]).items()
    assert script[0] == "work.py"
    seconds = sorted((end - start for start, end in times["imports"]), reverse=True)
    assert seconds[0] > 0.5 and seconds[1] > 0.4 > max(seconds[2:], default=0)
    assert script[1]["import_seconds"] == pytest.approx(sum(seconds))
    assert script[1]["working_seconds"] >= 0.3


def test_the_table_of_overheads_has_medians_and_what_is_met():
    scripts = {"fetch.py": {"processes": 2}, "score.py": {"processes": 1}}
    run = {"seconds": 200, "working_seconds": 176, "share": 0.12, "scripts": scripts}
    nothing = [{"seconds": seconds} for seconds in (2.0, 9.0, 2.5)]
    plans = [{"seconds": seconds, "jobs": 4012} for seconds in (11, 12, 9)]
    lines = overheads.table(ARGUMENTS, run, nothing, plans)
    assert "| 2.5 s (2.0 s–9.0 s) | 3.0 s | yes |" in lines[4]
    assert "4,012 jobs | 11.0 s (9.0 s–12.0 s) | 10.0 s | no |" in lines[5]
    assert "| 12.0% | 10.0% | no |" in lines[6]
    assert "took 200 s. For 176 s of them at least one of the 3 processes" in lines[8]


def test_a_run_that_was_not_finished_is_no_run_with_nothing_to_do(monkeypatch):
    monkeypatch.setattr(overheads, "recorded", lambda command: ({"seconds": 1}, [{"script": "score.py"}]))
    with pytest.raises(InputError, match="jobs left to do .score.py.; expected a finished run"):
        overheads.run_with_nothing_to_do("smoke")


def test_the_sweep_is_a_valid_configuration_of_systems_that_differ():
    config = read_yaml(ROOT / "config.yaml")
    systems = sweep(200)["summarization"]["systems"]
    config["summarization"]["systems"] |= systems
    assert checked(config, ROOT)["summarization"]["systems"].items() >= systems.items()
    assert len({system["amount"] for system in systems.values()}) == 200
