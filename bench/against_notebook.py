r"""Measure Kargah against the notebook that it replaces (notebook.py), stage by stage: seconds, speed, peak memory, quality.

    python bench/against_notebook.py [--size quarter] [--stages scoring …] [--repeats 3] [--output results/bench]

reads    bench/sizes/SIZE.yaml    a run of the demo's configuration in other sizes, which is made first where it is not there
writes   OUTPUT/notebook-SIZE.md and .json    a table, and every single measurement; after each stage those so far. Of some stages only,
                                              their names stand in those of the files

A measurement is the wall time of one command, from its start to its end: of Kargah `snakemake --forcerun` of a stage's rules in the
finished run, orchestration and all; of the notebook a process with the stage alone, in an environment without this project's settings and
without what an earlier turn cached. A notebook imports its libraries once: of each of its stages the imports are taken off, as
timing/sitecustomize.py records them in that very process, and their median is added once to the sum, which there is only of all stages.
The two take turns, A B A B A B, on the same two cores; an aim is met if the median of the turns' ratios is. Memory is the peak of the
largest process of a command.

Quality is measured by the same code on what either way made: F1 of the test sentences, ROUGE-L of the test articles' summaries, loss of
the tuned model on the test pairs. It is kept if the notebook's is not better than Kargah's 95 % interval. The scores themselves are to be
the same to 0.01.
"""

import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
AS_FOUND = dict(os.environ)  # before lib.offline sets what a notebook does not

import lib.offline  # noqa: E402, F401, I001

from lib.intervals import mean_interval  # noqa: E402
from lib.labels import LabelScheme  # noqa: E402
from lib.ner_scores import Scores  # noqa: E402
from lib.program import InputError, log, parser, program  # noqa: E402
from lib.records import read_json, read_jsonl, read_parquet  # noqa: E402
from lib.rouge import rouge  # noqa: E402
from measuring import add_arguments, importing, measured, on_cores, record, recorded, run_of, timed, workflow  # noqa: E402

WAYS = ("notebook", "kargah")
SEED = 42
SAME = 0.01  # percentage points between two scorers' means
PER_SYSTEM = "summarization/systems/{}"


@dataclass(frozen=True)
class Stage:
    title: str
    rules: tuple  # that Kargah runs
    target: str  # what they make, in the run's folder
    unit: str
    ratio: float  # that is aimed at, on two cores with the demo's sizes


STAGES = {  # fine-tuning last, since other systems descend from its model
    "ner_training": Stage("NER training and its scores", ("ner_train", "ner_evaluate"), "ner/metrics.json", "sentences", 2.5),
    "zero_shot": Stage("summaries, zero-shot", ("generate",), "summarization/systems/llama_zero_shot/predictions.jsonl", "new tokens", 4),
    "few_shot": Stage("summaries, few-shot", ("generate",), "summarization/systems/llama_few_shot/predictions.jsonl", "new tokens", 6),
    "scoring": Stage("scores of all systems", ("score",), "summarization/systems/lead3/scores.json", "pairs", 3),
    "fine_tuning": Stage("fine-tuning", ("finetune",), "summarization/systems/smollm2_tuned/model.json", "pairs", 1.8),
}
END_TO_END = 2.5


def arguments(argv):
    command = parser(__doc__)
    add_arguments(command)
    command.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    run = ROOT / "results" / run_of(args.size)
    log(f"the run itself, where it is not there: {run.relative_to(ROOT)}")
    measured(workflow(args.size))
    stages, found = [name for name in STAGES if name in args.stages], {}
    name_of_table = "-".join(["notebook", args.size, *(stages if len(stages) < len(STAGES) else [])])
    with tempfile.TemporaryDirectory() as folder:
        for name in stages:
            found[name] = compared(name, args, run, Path(folder) / name)
            numbers = summarized(found, whole_run(args))
            lines = table(args, found, numbers)
            written = record(args.output, name_of_table, lines, stages=stages, **numbers, measurements=found)
    print(*written, sep="\n")


def compared(name, args, run, output):
    """{"notebook" and "kargah": their measurements, "work", "quality"} of a stage; the latter two of the last turn."""
    found, target = {way: [] for way in WAYS}, run / STAGES[name].target
    for _ in range(args.repeats):
        with tempfile.TemporaryDirectory() as cache:
            command = command_of("notebook", name, args.size, run, output)
            found["notebook"].append(recorded_run(command, HF_DATASETS_CACHE=cache))
        before = made(target)
        found["kargah"].append(recorded_run(command_of("kargah", name, args.size, run, output)))
        if made(target) == before:
            raise InputError(f"{STAGES[name].target}: found the file of before; expected that Snakemake makes it again")
        log(f"{name}: " + ", ".join(f"{way} {found[way][-1]['seconds']:.1f} s" for way in WAYS))
    return found | {"work": amount_of_work(name, run, output), "quality": QUALITIES[name](run, output)}


def recorded_run(command, **variables):
    """The cost of a command; what says nothing of its imports is no measurement."""
    cost = timed(command, environment=AS_FOUND, **variables)
    if not cost["scripts"]:
        raise InputError(f"{' '.join(map(str, command))}: left no record of a process; expected one of each; see bench/timing")
    return cost


def made(path):
    """Which file it is, and from when."""
    return path.stat().st_ino, path.stat().st_mtime_ns


def command_of(way, name, size, run, output):
    if way == "kargah":
        return workflow(size, "--forcerun", *STAGES[name].rules, "--", run.relative_to(ROOT) / STAGES[name].target)
    return [sys.executable, "bench/notebook.py", name, "--run", run, "--output", output]


def amount_of_work(name, run, output):
    """{way: units of work in one measurement}; both ways do the same but for summaries, which can end earlier or later."""
    unit = STAGES[name].unit.replace(" ", "_")
    amount = read_json(output / "made.json")[unit]
    own = read_json((run / STAGES[name].target).parent / "speed.json")[unit] if unit == "new_tokens" else amount
    return {"notebook": amount, "kargah": own}


# ------------------------------------------------------------------ quality: {way: value}, Kargah's with its interval


def f1(run, output):
    scheme, rows = LabelScheme.read(run / "ner/labels.json"), read_parquet(run / "ner/test.parquet", ["ner_tags", "source"])
    gold = [row["ner_tags"] for row in rows]
    predicted = read_json(output / "made.json")["predicted"]
    for number, (tags, right) in enumerate(zip(predicted, gold, strict=True), start=1):
        if len(tags) != len(right):
            raise InputError(f"the notebook's tagger, test sentence {number}: found {len(tags)} tags; expected {len(right)}, one a word")
    scores = Scores(gold, predicted, [scheme.annotated(row["source"]) for row in rows], scheme.types)
    return {
        "metric": "F1",
        "better": 1,
        "notebook": scores.point()["f1"],
        "kargah": read_json(run / "ner/metrics.json")["test"]["overall"]["f1"],
    }


def rouge_l(run, output):
    rows = read_jsonl(run / STAGES[output.name].target)
    texts = {"kargah": [row["prediction"] for row in rows], "notebook": read_json(output / "made.json")["predictions"]}
    scores = rouge(texts, [row["reference"] for row in rows], stemmer=True)[0]
    values = {way: mean_interval(scores[way]["rougeL"], SEED) for way in WAYS}
    return {"metric": "ROUGE-L", "better": 1, "notebook": values["notebook"]["value"], "kargah": values["kargah"]}


def test_loss(run, output):
    own = run / PER_SYSTEM.format("smollm2_tuned") / "model"
    losses = {}
    for way, model in (("notebook", output / "model"), ("kargah", own)):
        losses[way] = output / f"{way}.json"
        options = {"validation": run / "summarization/test.parquet", "template": ROOT / "prompts/chat.yaml", "max-length": 1024}
        options |= {"model": model, "precision": "fp32", "batch-size": 4, "seed": SEED, "output": losses[way]}
        measured(
            [sys.executable, ROOT / "scripts/validation_loss.py", *(part for key, value in options.items() for part in (f"--{key}", value))]
        )
    return {"metric": "loss", "better": -1, "notebook": read_json(losses["notebook"])["value"], "kargah": read_json(losses["kargah"])}


def same_scores(run, output):
    """The largest difference between the two ways' means. Raises InputError if one is more than rounding."""
    largest = 0.0
    for system, scores in read_json(output / "made.json")["scores"].items():
        own = read_json(run / PER_SYSTEM.format(system) / "scores.json")
        for metric, value in scores.items():
            largest = max(largest, abs(value - own[metric]["value"]))
            if largest > SAME:
                raise InputError(
                    f"{system}: {metric}: found {own[metric]['value']:.3f}, and {value:.3f} by the notebook; expected the same"
                )
    return {"metric": "largest difference", "better": 0, "notebook": largest, "kargah": {"value": largest, "low": largest, "high": largest}}


QUALITIES = {"ner_training": f1, "zero_shot": rouge_l, "few_shot": rouge_l, "fine_tuning": test_loss, "scoring": same_scores}

# ------------------------------------------------------------------ the table


def turns(stage):
    """{way: seconds of each turn}, the notebook's without the seconds that its imports take."""
    plain = [run["seconds"] - importing(run) for run in stage["notebook"]]
    return {"notebook": plain, "kargah": [run["seconds"] for run in stage["kargah"]]}


def ratios(seconds):
    return [plain / own for plain, own in zip(seconds["notebook"], seconds["kargah"], strict=True)]


def kept(quality):
    """Whether Kargah's quality is the notebook's: within its interval, or beyond on the better side."""
    own, plain = quality["kargah"], quality["notebook"]
    ends = {1: plain <= own["high"], -1: plain >= own["low"], 0: True}  # other scores than the notebook's end the benchmark
    return "yes" if ends[quality["better"]] else "no"


def whole_run(args):
    """The peak memory of the whole run, in bytes, where bench/overheads.py has measured it for this commit; None where it has not."""
    made = recorded(args.output / f"overheads-{args.size}.json")
    return made and made["run"]["peak_bytes"]


def summarized(found, whole_run_bytes=None):
    """{"imports_seconds", "summary": {stage: …}, "end_to_end", "peak_bytes", "peak_of_whole_run"}: medians, ratios of the turns, speeds.

    The notebook's imports are none of its stages' seconds and are counted once in its sum. The peak is that of the largest process: of
    the notebook in its stages, of Kargah in its stages or, where that is known, in the whole run. There is a sum only of all stages.
    """
    imports = statistics.median(importing(run) for measurements in found.values() for run in measurements["notebook"])
    repeats = max(len(measurements["kargah"]) for measurements in found.values())
    totals, stages = {"notebook": [imports] * repeats, "kargah": [0.0] * repeats}, {}
    for name, measurements in found.items():
        seconds = turns(measurements)
        stages[name] = compared_times(seconds) | {
            "per_second": {way: measurements["work"][way] / statistics.median(seconds[way]) for way in WAYS},
            "peak_bytes": {way: max(run["peak_bytes"] for run in measurements[way]) for way in WAYS},
            "parts": {way: parts(measurements[way]) for way in WAYS},
            "kept": kept(measurements["quality"]),
        }
        for way in WAYS:
            totals[way] = [total + turn for total, turn in zip(totals[way], seconds[way], strict=True)]
    complete = len(found) == len(STAGES)
    peaks = {way: max(stage["peak_bytes"][way] for stage in stages.values()) for way in WAYS}
    peaks["kargah"] = max(peaks["kargah"], whole_run_bytes or 0)
    return {
        "imports_seconds": imports,
        "summary": stages,
        "end_to_end": compared_times(totals) if complete else None,
        "peak_bytes": peaks if complete else None,
        "peak_of_whole_run": whole_run_bytes is not None,
    }


def parts(runs):
    """{"work", "imports", "rest"}: the medians of the seconds in which a way's processes work, import, or start, end and are not there."""
    rest = [run["seconds"] - run["working_seconds"] - importing(run) for run in runs]
    seconds = {"work": [run["working_seconds"] for run in runs], "imports": map(importing, runs), "rest": rest}
    return {part: statistics.median(of_turns) for part, of_turns in seconds.items()}


def compared_times(seconds):
    """Of {way: seconds of each turn}: the medians, and the notebook's over Kargah's as median, low and high."""
    gains = ratios(seconds)
    ratio = {"median": statistics.median(gains), "low": min(gains), "high": max(gains)}
    return {"seconds": {way: statistics.median(seconds[way]) for way in WAYS}, "ratio": ratio}


def table(args, found, numbers):
    lines = [
        f"Sizes: {args.size}; medians of {args.repeats} turns. Seconds are those of whole commands, the notebook's without its imports."
        + ("" if args.size == "demo" else " The aims are those of the demo's sizes."),
        "",
        "| stage | notebook, s | Kargah, s | ratio (range) | aim | met | per second, notebook | Kargah | peak GiB, notebook | Kargah "
        "| quality, notebook | Kargah [95 %] | kept |",
        "|---|--:|--:|--:|--:|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    for name, own in numbers["summary"].items():
        stage, quality, speed = STAGES[name], found[name]["quality"], own["per_second"]
        value = "{value:.3f} [{low:.3f}, {high:.3f}]".format(**quality["kargah"])
        lines.append(
            f"| {stage.title} | {cells_of_times(own, stage.ratio)} | {speed['notebook']:.1f} {stage.unit} | {speed['kargah']:.1f} "
            f"| {cells_of_peaks(own['peak_bytes'])} | {quality['metric']} {quality['notebook']:.3f} | {value} | {own['kept']} |"
        )
    if numbers["end_to_end"]:
        peaks = numbers["peak_bytes"]
        lines.append(f"| end to end | {cells_of_times(numbers['end_to_end'], END_TO_END)} | | | {cells_of_peaks(peaks)} | | | |")
        where = "in the whole run" if numbers["peak_of_whole_run"] else "in these stages, that of the whole run is not known"
        verdict = "met" if peaks["kargah"] <= peaks["notebook"] else "not met"
        lines += ["", f"Peak memory ({where}) not above the notebook's: {verdict}."]
    lines += [
        "",
        f"The notebook's imports take {numbers['imports_seconds']:.1f} s, which its sum counts once, and Kargah's with every job. "
        "What the seconds are, each part a median of its own; the rest is Python's start and end, and Snakemake:",
        "",
        "| stage | notebook: work, s | the rest, s | Kargah: work, s | imports, s | the rest, s | ratio of the work |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, own in numbers["summary"].items():
        plain, kargah = (own["parts"][way] for way in WAYS)
        cells = " | ".join(f"{seconds:.1f}" for seconds in (plain["work"], plain["rest"], *kargah.values()))
        lines.append(f"| {STAGES[name].title} | {cells} | {plain['work'] / kargah['work']:.2f}× |")
    return lines


def cells_of_times(times, aim):
    ratio, seconds = times["ratio"], " | ".join(f"{times['seconds'][way]:.1f}" for way in WAYS)
    return f"{seconds} | {ratio['median']:.2f}× ({ratio['low']:.2f}–{ratio['high']:.2f}) | {aim}× | {met(ratio['median'], aim)}"


def cells_of_peaks(peaks):
    return " | ".join(f"{peaks[way] / 2**30:.1f}" for way in WAYS)


def met(ratio, aim):
    return "yes" if ratio >= aim else "no"


if __name__ == "__main__":
    on_cores()
    main()
