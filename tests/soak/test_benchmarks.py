"""The benchmark against the notebook, tried on the smoke preset: both ways really do every stage."""

import shutil
import subprocess
import sys

from against_notebook import STAGES, WAYS
from lib.records import read_json
from runs import ROOT, copy_of_project


def test_the_benchmark_from_end_to_end(tmp_path, record_property):
    copy_of_project(tmp_path)
    shutil.copytree(ROOT / "bench", tmp_path / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "bench/against_notebook.py", "--size", "smoke", "--repeats", "1"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-4000:]
    found = read_json(tmp_path / "results" / "bench" / "notebook-smoke.json")
    assert list(found["summary"]) == list(STAGES)
    for name, stage in found["summary"].items():
        assert all(stage[key]["kargah"] > 0 for key in ("seconds", "per_second"))
        assert all(stage["peak_bytes"][way] > 0 for way in WAYS)
        [whole] = found["measurements"][name]["notebook"]
        assert 0 < whole["working_seconds"] < stage["seconds"]["notebook"] < whole["seconds"]
    scoring = found["measurements"]["scoring"]["quality"]
    assert scoring["notebook"] == scoring["kargah"]["value"] < 1e-3, "both ways give the same scores"
    assert "end to end" in run.stdout
    record_property("found", f"{len(STAGES)} stages by either way; the same scores")
