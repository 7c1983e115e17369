r"""Measure Kargah against the notebook that it replaces (notebook.py), stage by stage: seconds, speed, peak memory, quality.

    python bench/against_notebook.py [--size quarter] [--stages scoring …] [--repeats 3] [--output results/bench]

reads    bench/sizes/SIZE.yaml    a run of the demo's configuration in other sizes, which is made first where it is not there
writes   OUTPUT/notebook-SIZE.md and .json    a table, and every single measurement; after each stage those so far. Of some stages only,
                                              their names stand in those of the files

A measurement is the wall time of one command, from its start to its end: of Kargah `snakemake --forcerun` of a stage's rules in the
finished run, orchestration and all; of the notebook a process with the stage alone. The two take turns, A B A B A B; an aim is met if the
median of the turns' ratios is. Memory is the peak of the largest process of a command. A notebook imports its libraries once, so that the
sum of its stages counts that once; there is a sum only of all stages.

Quality is measured by the same code on what either way made: F1 of the test sentences, ROUGE-L of the summaries, validation loss of the
tuned model, each with Kargah's 95 % interval; the scores themselves are to be the same to 0.01.
"""

import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import lib.offline  # noqa: E402, F401, I001

from lib.intervals import mean_interval  # noqa: E402
from lib.labels import LabelScheme  # noqa: E402
from lib.ner_scores import Scores  # noqa: E402
from lib.program import InputError, log, parser, program  # noqa: E402
from lib.records import read_json, read_jsonl, read_parquet  # noqa: E402
from lib.rouge import rouge  # noqa: E402
from measuring import add_arguments, measured, record, run_of, workflow  # noqa: E402

SIZES = ("quarter", "demo")
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
    add_arguments(command, SIZES)
    command.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    run = ROOT / "results" / run_of(args.size)
    log(f"the run itself, where it is not there: {run.relative_to(ROOT)}")
    measured(workflow(args.size))
    imports = measured([sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT / 'bench')!r}); import notebook"])
    stages, found = [name for name in STAGES if name in args.stages], {}
    name_of_table = "-".join(["notebook", args.size, *(stages if len(stages) < len(STAGES) else [])])
    with tempfile.TemporaryDirectory() as folder:
        for name in stages:
            found[name] = compared(name, args, run, Path(folder) / name)
            lines = table(args, found, imports)
            written = record(args.output, name_of_table, lines, stages=stages, measurements=found, imports=imports)
    print(*written, sep="\n")


def compared(name, args, run, output):
    """{"notebook" and "kargah": their measurements, "work", "quality"} of a stage; the latter two of the last turn."""
    found = {way: [] for way in WAYS}
    for _ in range(args.repeats):
        for way in WAYS:
            found[way].append(measured(command_of(way, name, args.size, run, output)))
            log(f"{name}, {way}: {found[way][-1]['seconds']:.1f} s")
    return found | {"work": amount_of_work(name, run, output), "quality": QUALITIES[name](run, output)}


def command_of(way, name, size, run, output):
    if way == "kargah":
        return workflow(size, "--forcerun", *STAGES[name].rules, "--", run.relative_to(ROOT) / STAGES[name].target)
    return [sys.executable, ROOT / "bench/notebook.py", name, "--run", run, "--output", output]


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
    predicted = [tags + ["O"] * (len(right) - len(tags)) for tags, right in zip(predicted, gold, strict=True)]
    scores = Scores(gold, predicted, [scheme.annotated(row["source"]) for row in rows], scheme.types)
    return {"metric": "F1", "notebook": scores.point()["f1"], "kargah": read_json(run / "ner/metrics.json")["test"]["overall"]["f1"]}


def rouge_l(run, output):
    rows = read_jsonl(run / STAGES[output.name].target)
    texts = {"kargah": [row["prediction"] for row in rows], "notebook": read_json(output / "made.json")["predictions"]}
    scores = rouge(texts, [row["reference"] for row in rows], stemmer=True)[0]
    values = {way: mean_interval(scores[way]["rougeL"], SEED) for way in WAYS}
    return {"metric": "ROUGE-L", "notebook": values["notebook"]["value"], "kargah": values["kargah"]}


def validation_loss(run, output):
    own = run / PER_SYSTEM.format("smollm2_tuned") / "model"
    losses = {}
    for way, model in (("notebook", output / "model"), ("kargah", own)):
        losses[way] = output / f"{way}.json"
        options = {"validation": run / "summarization/validation.parquet", "template": ROOT / "prompts/chat.yaml", "max-length": 1024}
        options |= {"model": model, "precision": "fp32", "batch-size": 4, "seed": SEED, "output": losses[way]}
        measured(
            [sys.executable, ROOT / "scripts/validation_loss.py", *(part for key, value in options.items() for part in (f"--{key}", value))]
        )
    return {"metric": "validation loss", "notebook": read_json(losses["notebook"])["value"], "kargah": read_json(losses["kargah"])}


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
    return {"metric": "largest difference", "notebook": largest, "kargah": {"value": largest, "low": largest, "high": largest}}


QUALITIES = {"ner_training": f1, "zero_shot": rouge_l, "few_shot": rouge_l, "fine_tuning": validation_loss, "scoring": same_scores}

# ------------------------------------------------------------------ the table


def ratios(stage):
    return [plain["seconds"] / own["seconds"] for plain, own in zip(stage["notebook"], stage["kargah"], strict=True)]


def table(args, found, imports):
    lines = [
        f"Sizes: {args.size}; medians of {args.repeats} turns. Seconds are those of whole commands.",
        "",
        "| stage | notebook, s | Kargah, s | ratio (range) | aim | met | per second, notebook | Kargah | peak GiB, notebook | Kargah "
        "| quality, notebook | Kargah [95 %] |",
        "|---|--:|--:|--:|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    totals, peaks = dict.fromkeys(WAYS, 0.0), dict.fromkeys(WAYS, 0.0)
    for name, measurements in found.items():
        stage, quality = STAGES[name], measurements["quality"]
        seconds = {way: statistics.median(run["seconds"] for run in measurements[way]) for way in WAYS}
        memory = {way: max(run["peak_bytes"] for run in measurements[way]) / 2**30 for way in WAYS}
        speed = {way: measurements["work"][way] / seconds[way] for way in WAYS}
        for way in WAYS:
            totals[way] += seconds[way]
            peaks[way] = max(peaks[way], memory[way])
        gains = ratios(measurements)
        own, aimed = quality["kargah"], met(statistics.median(gains), stage.ratio)
        lines.append(
            f"| {stage.title} | {seconds['notebook']:.1f} | {seconds['kargah']:.1f} | {statistics.median(gains):.2f}× "
            f"({min(gains):.2f}–{max(gains):.2f}) | {stage.ratio}× | {aimed} "
            f"| {speed['notebook']:.1f} {stage.unit} | {speed['kargah']:.1f} | {memory['notebook']:.1f} | {memory['kargah']:.1f} "
            f"| {quality['metric']} {quality['notebook']:.3f} | {own['value']:.3f} [{own['low']:.3f}, {own['high']:.3f}] |"
        )
    if len(found) == len(STAGES):
        totals["notebook"] -= (len(STAGES) - 1) * imports["seconds"]
        gain = totals["notebook"] / totals["kargah"]
        lines.append(
            f"| end to end | {totals['notebook']:.1f} | {totals['kargah']:.1f} | {gain:.2f}× | {END_TO_END}× | {met(gain, END_TO_END)} "
            f"| | | {peaks['notebook']:.1f} | {peaks['kargah']:.1f} | | |"
        )
    return [*lines, "", f"The notebook's imports take {imports['seconds']:.1f} s, which its sum counts once and Kargah's with every job."]


def met(ratio, aim):
    return "yes" if ratio >= aim else "no"


if __name__ == "__main__":
    main()
