r"""Measure what the workflow itself costs: a run with nothing to do, the plan of a large sweep, and its share of a whole run.

    python bench/overheads.py [--size quarter] [--repeats 3] [--output results/bench]

reads    bench/sizes/SIZE.yaml    a configuration, whose run results/bench-SIZE is made anew, once
writes   OUTPUT/overheads-SIZE.md and .json    three figures with their aims, and every single measurement

A share is of the wall time of a whole `snakemake` command in empty folders of its own, but for what is fetched: assets/ is shared and
filled before. The command works while at least one of its scripts' processes is running and not importing; jobs at the same time do not
count twice. The rest is orchestration and imports: Snakemake's start and plan, the starts and ends of processes, all imports (those that a
script makes late too), and gaps between jobs. timing/sitecustomize.py records each process.
"""

import re
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import lib.offline  # noqa: E402, F401, I001

import yaml  # noqa: E402

from lib.program import InputError, log, parser, program  # noqa: E402
from lib.publish import remove  # noqa: E402
from measuring import add_arguments, fetch, importing, measured, on_cores, record, run_of, sweep, timed, workflow  # noqa: E402

SYSTEMS = 1_000
AIMS = {"nothing": 3, "sweep": 10, "share": 0.1}  # seconds, seconds, of the wall time


def arguments(argv):
    command = parser(__doc__)
    add_arguments(command)
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    log("assets, where they are not there")
    fetch(args.size)
    run, repeats = whole_run(args.size), range(args.repeats)
    nothing = [run_with_nothing_to_do(args.size) for _ in repeats]
    plans = [plan_of_sweep(args.size) for _ in repeats]
    print(*record(args.output, f"overheads-{args.size}", table(args, run, nothing, plans), run=run, nothing=nothing, sweep=plans), sep="\n")


# ------------------------------------------------------------------ measuring


def whole_run(size):
    remove(ROOT / "assets/preflight.json")  # it checks in each first run
    for folder in ("results", "logs", "benchmarks", "work"):
        remove(ROOT / folder / run_of(size))
    run = timed(workflow(size))
    run["share"] = 1 - run["working_seconds"] / run["seconds"]
    log(f"the whole run: {run['seconds']:.1f} s, of which {run['share']:.1%} orchestration and imports")
    return run


def run_with_nothing_to_do(size):
    cost = timed(workflow(size))
    if scripts := ", ".join(cost["scripts"]):
        raise InputError(f"results/{run_of(size)}: found jobs left to do ({scripts}); expected a finished run; let nothing else change it")
    log(f"nothing to do: {cost['seconds']:.1f} s")
    return cost


def plan_of_sweep(size):
    with tempfile.TemporaryDirectory() as folder:
        preset, printed = Path(folder) / "sweep.yaml", Path(folder) / "printed.txt"
        preset.write_text(yaml.safe_dump(sweep(SYSTEMS)), encoding="utf-8")
        cost = measured(workflow(size, "--dry-run", "--quiet", "rules", more=[preset]), printed)
        jobs = int(re.findall(r"^total +(\d+)$", printed.read_text(encoding="utf-8"), re.MULTILINE)[-1])
    log(f"plan of {SYSTEMS:,} systems: {cost['seconds']:.1f} s, {jobs:,} jobs")
    return cost | {"systems": SYSTEMS, "jobs": jobs}


# ------------------------------------------------------------------ the table


def table(args, run, nothing, plans):
    jobs = statistics.median(plan["jobs"] for plan in plans)
    processes = sum(script["processes"] for script in run["scripts"].values())
    return [
        f"Sizes: {args.size}; medians of {args.repeats}, and one whole run.",
        "",
        "| what | median (range) | aim | met |",
        "|---|--:|--:|---|",
        row("a run with nothing to do", [cost["seconds"] for cost in nothing], AIMS["nothing"], "{:.1f} s"),
        row(f"dry run of a sweep of {SYSTEMS:,} systems: {jobs:,} jobs", [plan["seconds"] for plan in plans], AIMS["sweep"], "{:.1f} s"),
        row("orchestration and imports, share of the wall time of a whole run", [run["share"]], AIMS["share"], "{:.1%}"),
        "",
        f"The whole run, with what it fetches there already, took {run['seconds']:.0f} s. For {run['working_seconds']:.0f} s of them at "
        f"least one of the {processes} processes of its scripts was running and not importing; the rest is orchestration and imports.",
        "",
        f"Imports of all processes together take {importing(run):.0f} s:",
        "",
        "| script | processes | imports, s | work, s |",
        "|---|--:|--:|--:|",
        *(
            f"| `{name}` | {script['processes']} | {script['import_seconds']:.1f} | {script['working_seconds']:.1f} |"
            for name, script in sorted(run["scripts"].items(), key=lambda item: -item[1]["import_seconds"])
        ),
    ]


def row(what, values, aim, shape):
    median, low, high = (shape.format(value) for value in (statistics.median(values), min(values), max(values)))
    met = "yes" if statistics.median(values) <= aim else "no"
    found = f"{median} ({low}–{high})" if len(values) > 1 else median
    return f"| {what} | {found} | {shape.format(aim)} | {met} |"


if __name__ == "__main__":
    on_cores()
    main()
