"""The benchmarks measure what they say: a slow-down shows in seconds and ratios, memory in the peak, imports apart from work."""

import json
import sys
from argparse import Namespace

import pytest

import against_notebook
import measuring
import overheads
import scale
from against_notebook import STAGES, ratios, summarized, table, whole_run
from lib.config import checked
from lib.program import InputError
from lib.records import read_json, read_yaml
from measuring import ROOT, circumstances, measured, record, recorded, sweep, timed

HUNDRED_MB = 100 * 2**20
TIMES = {"notebook": [10.0, 14.0, 18.0], "kargah": [4.0, 6.0, 2.0]}
WORK = {"notebook": 6.0, "kargah": 0.5}
IMPORTS = {"notebook": [2.0, 2.0, 5.0], "kargah": [1.0, 2.0, 0.5]}  # without those of the notebook: ratios of 2, 2 and 6.5
GIB = {"notebook": [1, 3, 2], "kargah": [0.5, 0.6, 0.8]}
HERE = circumstances()


def python(code):
    return measured([sys.executable, "-c", code])


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """stage(seconds) compares two ways of writing a file, which take so many seconds in each turn: ({way: seconds measured}, the order)."""
    target = tmp_path / STAGES["scoring"].target
    target.parent.mkdir(parents=True)
    target.write_text("{}")
    (tmp_path / "made.json").write_text('{"pairs": 5}')
    monkeypatch.setitem(against_notebook.QUALITIES, "scoring", lambda run, output: None)

    def compared(seconds, writes=True, scripts=("a.py",)):
        order, left = [], {way: list(times) for way, times in seconds.items()}

        def command_of(way, *_):
            order.append(way)
            writing = f"os.replace({str(target)!r} + '.new', {str(target)!r})" if way == "kargah" and writes else "0"
            target.with_name(f"{target.name}.new").write_text("{}")
            return [sys.executable, "-c", f"import os, time; time.sleep({left[way].pop(0)}); {writing}"]

        processes = {"scripts": {script: {"import_seconds": 0.0} for script in scripts}}
        monkeypatch.setattr(against_notebook, "timed", lambda *args, **options: timed(*args, **options) | processes)
        monkeypatch.setattr(against_notebook, "command_of", command_of)
        arguments = Namespace(size="quarter", repeats=len(seconds["kargah"]))
        found = against_notebook.compared("scoring", arguments, tmp_path, tmp_path)
        return {way: [run["seconds"] for run in found[way]] for way in order}, order

    return compared


def test_a_deliberate_slowdown_shows_up_in_its_turn(stage):
    seconds, order = stage({"notebook": [0.1, 0.9], "kargah": [0, 0]})
    assert order == ["notebook", "kargah"] * 2
    assert 0.7 < seconds["notebook"][1] - seconds["notebook"][0] < 1.2
    slow, _ = stage({"notebook": [0, 0], "kargah": [0.9, 0.1]})
    assert 0.7 < slow["kargah"][0] - slow["kargah"][1] < 1.2
    assert ratios(seconds)[1] > 2 > 1 > ratios(slow)[0]


def test_what_kargah_does_not_make_again_is_no_measurement(stage):
    with pytest.raises(InputError, match="lead3/scores.json: found the file of before"):
        stage({"notebook": [0], "kargah": [0]}, writes=False)


def test_a_process_that_left_no_record_of_its_imports_is_no_measurement(stage):
    with pytest.raises(InputError, match="left no record of a process"):
        stage({"notebook": [0], "kargah": [0]}, scripts=())


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


def found(*stages, notebook=0.45, better=1):
    quality = {"metric": "F1", "better": better, "notebook": notebook, "kargah": {"value": 0.5, "low": 0.4, "high": 0.6}}
    stage = {
        way: [
            {"seconds": seconds, "peak_bytes": gib * 2**30, "working_seconds": WORK[way], "scripts": {"a.py": {"import_seconds": imports}}}
            for seconds, gib, imports in zip(TIMES[way], GIB[way], IMPORTS[way], strict=True)
        ]
        for way in TIMES
    }
    return dict.fromkeys(stages, stage | {"work": {"notebook": 120, "kargah": 100}, "quality": quality})


ARGUMENTS = Namespace(size="quarter", repeats=3)


def lines_of(stages, whole_run=None):
    return table(ARGUMENTS, stages, summarized(stages, whole_run))


def test_the_table_has_medians_of_turns_and_counts_the_notebook_s_imports_once():
    lines = lines_of(found(*STAGES))
    assert "| 12.0 | 4.0 | 2.00× (2.00–6.50) | 2.5× | no |" in lines[4]
    assert "10.0 sentences | 25.0 | 3.0 | 0.8 | F1 0.450 | 0.500 [0.400, 0.600] | yes |" in lines[4]
    assert "| 2.00× (2.00–6.50) | 1.8× | yes |" in lines[8]
    # turns of 8, 12 and 13 seconds for 4, 6 and 2, five times, and two seconds of imports once
    assert lines[9].startswith("| end to end | 62.0 | 20.0 | 2.10× (2.07–6.70) | 2.5× | no | | | 3.0 | 0.8 |")
    assert lines[11] == "Peak memory (in these stages, that of the whole run is not known) not above the notebook's: met."
    assert lines[13].startswith("The notebook's imports take 2.0 s")
    assert lines[17] == "| NER training and its scores | 6.0 | 6.0 | 0.5 | 1.0 | 2.5 | 12.00× |"


def test_the_peak_of_the_whole_run_counts_where_it_is_known(tmp_path, monkeypatch):
    lines = lines_of(found(*STAGES), 4 * 2**30)
    assert lines[9].endswith("| 3.0 | 4.0 | | | |")
    assert lines[11] == "Peak memory (in the whole run) not above the notebook's: not met."
    args = Namespace(size="quarter", output=tmp_path)
    written = tmp_path / "overheads-quarter.json"

    def peak_of(commit, now):
        monkeypatch.setattr(measuring, "circumstances", lambda: {"commit": now})
        written.write_text(json.dumps({"commit": commit, "run": {"peak_bytes": 7}}))
        return whole_run(args)

    assert peak_of("abc1234", now="abc1234") == 7
    assert peak_of("abc1234", now="def5678") is None
    assert peak_of("abc1234+", now="abc1234+") is None  # two states with changes may be unlike
    assert peak_of(None, now=None) is None
    written.unlink()
    assert whole_run(args) is None


def test_the_record_has_the_table_s_numbers():
    numbers = summarized(found(*STAGES))
    assert numbers["summary"]["ner_training"]["ratio"] == {"median": 2.0, "low": 2.0, "high": 6.5}
    assert numbers["summary"]["ner_training"]["per_second"] == {"notebook": 10.0, "kargah": 25.0}
    assert numbers["summary"]["ner_training"]["parts"]["kargah"] == {"work": 0.5, "imports": 1.0, "rest": 2.5}
    assert numbers["end_to_end"]["seconds"] == {"notebook": 62.0, "kargah": 20.0}
    assert summarized(found("scoring"))["end_to_end"] is None


@pytest.mark.parametrize(("notebook", "better", "said"), [(0.61, 1, "no"), (0.39, 1, "yes"), (0.39, -1, "no"), (0.61, -1, "yes")])
def test_quality_is_kept_within_the_interval_or_above(notebook, better, said):
    assert lines_of(found("scoring", notebook=notebook, better=better))[4].endswith(f" {said} |")


def test_there_is_no_sum_of_some_stages():
    assert not [line for line in lines_of(found("scoring")) if "end to end" in line]


def test_a_run_cut_short_leaves_the_stages_before(tmp_path, monkeypatch):
    def compared(name, *_):
        if name == "fine_tuning":
            raise InputError("cut short")
        return found(name)[name]

    monkeypatch.setattr(against_notebook, "measured", lambda command: None)
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
    assert measuring.covered([(5, 6), (0, 2), (1, 3), (1.5, 1.6)]) == 4
    assert measuring.covered([]) == 0


def test_a_process_works_between_its_imports():
    process = {"script": "a.py", "started": 0, "imports": [(0, 2), (5, 6)], "ended": 9}
    assert measuring.covered(measuring.between_imports(process)) == 6
    assert measuring.by_script([process, process]) == {"a.py": {"processes": 2, "import_seconds": 6, "working_seconds": 12}}


@pytest.mark.parametrize("script", ["scripts/work.py", "bench/notebook.py"])
def test_imports_are_recorded_at_the_top_and_later_and_work_is_not(tmp_path, script):
    """slow imports one that is slow as well, which counts once; a module that is there already costs nothing."""
    path = tmp_path / script
    path.parent.mkdir()
    path.with_name("slow.py").write_text("import time, slower\ntime.sleep(0.1)\n")
    path.with_name("slower.py").write_text("import time\ntime.sleep(0.4)\n")
    path.with_name("late.py").write_text("import time\ntime.sleep(0.4)\n")
    path.write_text("import importlib, time, slow\ntime.sleep(0.3)\nimportlib.import_module('late')\nimport slow\n")
    in_its_folder = f"import os, sys; os.chdir({str(tmp_path)!r}); os.execl(sys.executable, sys.executable, {script!r})"
    cost = measuring.timed([sys.executable, "-c", in_its_folder])
    assert list(cost["scripts"]) == [path.name]
    assert 0.3 <= cost["working_seconds"] < 0.8
    assert 0.9 < measuring.importing(cost) < cost["seconds"] - 0.3


def test_the_table_of_overheads_has_medians_and_what_is_met():
    scripts = {
        "fetch.py": {"processes": 2, "import_seconds": 1.0, "working_seconds": 7.0},
        "score.py": {"processes": 1, "import_seconds": 4.0, "working_seconds": 2.0},
    }
    run = {"seconds": 200, "working_seconds": 176, "share": 0.12, "scripts": scripts}
    nothing = [{"seconds": seconds} for seconds in (2.0, 9.0, 2.5)]
    plans = [{"seconds": seconds, "jobs": 4012} for seconds in (11, 12, 9)]
    lines = overheads.table(ARGUMENTS, run, nothing, plans)
    assert "| 2.5 s (2.0 s–9.0 s) | 3.0 s | yes |" in lines[4]
    assert "4,012 jobs | 11.0 s (9.0 s–12.0 s) | 10.0 s | no |" in lines[5]
    assert "| 12.0% | 10.0% | no |" in lines[6]
    assert "took 200 s. For 176 s of them at least one of the 3 processes" in lines[8]
    assert lines[10] == "Imports of all processes together take 5 s:"
    assert lines[14:] == ["| `score.py` | 1 | 4.0 | 2.0 |", "| `fetch.py` | 2 | 1.0 | 7.0 |"]


def test_a_run_that_was_not_finished_is_no_run_with_nothing_to_do(monkeypatch):
    monkeypatch.setattr(overheads, "timed", lambda command: {"seconds": 1, "scripts": {"score.py": {}}})
    with pytest.raises(InputError, match="jobs left to do .score.py.; expected a finished run"):
        overheads.run_with_nothing_to_do("smoke")


def test_the_sweep_is_a_valid_configuration_of_systems_that_differ():
    config = read_yaml(ROOT / "config.yaml")
    systems = sweep(200)["summarization"]["systems"]
    config["summarization"]["systems"] |= systems
    assert checked(config, ROOT)["summarization"]["systems"].items() >= systems.items()
    assert len({system["amount"] for system in systems.values()}) == 200


# ------------------------------------------------------------------ cost as work grows


def test_growth_is_told_by_exponents_between_the_two_largest_sizes(tmp_path):
    costs = [(10, 5.0, 2**30), (100, 6.0, 2**30), (1000, 600.0, 2**30)]
    rows = [{"size": size, "seconds": time, "processor_seconds": 1.0, "peak_bytes": peak} for size, time, peak in costs]
    found = {"shards": rows[:1], "plan": rows}
    lines = scale.report(tmp_path, found)
    assert lines[-1] == "| dry run of a sweep | 1,000 systems | 600.0 | 1.0 | 2.00 | 1.00 | 0.00 |"
    assert lines[-4] == "| dry run of the full test set in shards | 10 shards a system | 5.0 | 1.0 |  | 1.00 |  |"
    assert read_json(tmp_path / "scale.json")["measurements"] == found
    assert "dry run of a sweep: systems" in (tmp_path / "scale.svg").read_text()


def test_a_record_counts_for_the_same_committed_code_only(tmp_path, monkeypatch):
    rows = [{"size": 10, "seconds": 5.0, "processor_seconds": 1.0, "peak_bytes": 2**30}]

    def now_at(commit):
        monkeypatch.setattr(measuring, "circumstances", lambda: {**HERE, "commit": commit})

    assert recorded(tmp_path / "scale.json") is None
    for commit, kept in (("abc1234+", False), (None, False), ("abc1234", True)):
        now_at(commit)
        scale.report(tmp_path, {"plan": rows})
        made = recorded(tmp_path / "scale.json")
        assert made["measurements"] == {"plan": rows} if kept else made is None
    now_at("def5678")
    assert recorded(tmp_path / "scale.json") is None


def test_a_size_is_measured_once_on_the_same_code(tmp_path, monkeypatch):
    done = []

    def cost_of(stage, folder, size):
        done.append(size)
        return {"size": size, "seconds": 5.0, "processor_seconds": 1.0, "peak_bytes": 2**30}

    monkeypatch.setattr(measuring, "circumstances", lambda: {**HERE, "commit": "abc1234"})
    monkeypatch.setattr(scale, "cost_of", cost_of)
    monkeypatch.setattr(scale, "make", lambda *args, **options: None)
    for largest, measured_now in (("0.1", [10, 100]), ("1", [1000]), ("0.1", [])):
        scale.main(["--stages", "plan", "--largest", largest, "--output", str(tmp_path)])
        assert done == measured_now
        done.clear()
    assert [row["size"] for row in read_json(tmp_path / "scale.json")["measurements"]["plan"]] == [10, 100, 1000]


def test_a_stage_takes_its_input_from_where_it_was_measured(tmp_path, monkeypatch):
    made = []
    stage = scale.Stage("", (3,), "rows", lambda folder, size: made.append(folder), lambda folder, size: [])
    monkeypatch.setitem(scale.STAGES, "clean", stage)
    for name in ("audit", "clean", "audit_again"):
        (tmp_path / name / "3").mkdir(parents=True)
    scale.of_stage("clean", tmp_path / "audit_again" / "3", 3)
    assert (tmp_path / "audit_again" / "3").samefile(tmp_path / "clean" / "3") and not made
    (tmp_path / "clean" / "3").rmdir()
    scale.of_stage("clean", tmp_path / "audit" / "3", 3)
    assert made == [tmp_path / "audit" / "3"]
