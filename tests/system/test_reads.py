"""A rule's inputs are all that its script reads: otherwise an edit of what it reads would run nothing again."""

import base64
import json
import re
import shlex

import pytest

KNOWN = {  # what a script reads besides, by intent
    ("scripts/fetch.py", "assets/.cache"),  # what an earlier attempt left
    ("scripts/report.py", "benchmarks/reruns"),  # records that decide nothing: what the jobs took, and what was checked before
    ("scripts/report.py", "assets/preflight.json"),
    ("scripts/submission.py", "results/reruns"),  # all made before the report, which is its input
    ("scripts/submission.py", "logs/reruns"),
}


@pytest.fixture(scope="module")
def jobs(finished):
    """[(what a job was started with, its inputs, its outputs, what its Python opened)] of every job that ran a script."""
    outputs, commands, metadata = {}, {}, finished / ".snakemake" / "metadata"
    for path in metadata.rglob("*"):
        if path.is_file():
            output = "".join(part.removeprefix("@") for part in path.relative_to(metadata).parts)
            record = json.loads(path.read_text())
            commands[record["shellcmd"]] = record["input"]
            outputs.setdefault(record["shellcmd"], []).append(base64.urlsafe_b64decode(output).decode())
    started = {}
    for path in (finished / "reads").glob("*.json"):
        process = json.loads(path.read_text())
        started.setdefault(tuple(process["argv"]), set()).update(process["opened"])
    found = []
    for command, inputs in commands.items():
        argv = tuple(shlex.split(command)[1:-2])  # without python before it, and the log after it
        found.append((argv, inputs, outputs[command], started[argv]))
    return found


def source(path):
    """The module of a compiled one."""
    return re.sub(r"__pycache__/(\w+)\.cpython-\d+\.pyc$", r"\1.py", path)


def within(path, places):
    return any(path == place or path.startswith(f"{place}/") for place in places)


def test_a_script_reads_its_inputs_only(finished, jobs):
    assert len(jobs) > 50
    stray = {
        (argv[0], path)
        for argv, inputs, outputs, opened in jobs
        for path in map(source, opened)
        if (finished / path).is_file() and not within(path, [*inputs, *outputs])
        if not any(argv[0] == script and within(path, [place]) for script, place in KNOWN)
    }
    assert not stray
