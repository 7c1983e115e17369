r"""Measure how time and memory grow with the work: cleaning and audit, splits and statistics, scores, and plans of many systems.

    python bench/scale.py [--stages clean audit …] [--largest 1.0] [--encoder MODEL_DIR] [--output results/bench]

reads    MODEL_DIR          BERTScore's encoder (by default the demo's, which is fetched where it is not there)
writes   OUTPUT/scale.md and .json      a table, and every single measurement
         OUTPUT/scale.svg   seconds and memory over the work, on logarithmic axes

The data are made here, of words drawn by Zipf's law: sentences of two languages with names, repetitions and near-repetitions; articles
and summaries as long as CNN/DailyMail's. Each measurement is a process of its own: its wall time, the processor's time, its peak
memory. An exponent tells how a cost grew between the two largest sizes: 0 is flat, 1 linear, 2 quadratic. --largest 0.1 stops at
sizes of a tenth of the largest one. The outputs are written anew after each stage, for those measured so far; what an earlier command has
measured on the same commit stays, and is not measured again.
"""

import json
import math
import random
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import lib.offline  # noqa: E402, F401, I001

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import yaml  # noqa: E402

from lib import figures  # noqa: E402
from lib.cleaning import RULES  # noqa: E402
from lib.machine import ALLOCATOR  # noqa: E402
from lib.program import existing_folder, log, parser, program  # noqa: E402
from lib.random_models import make  # noqa: E402
from lib.records import write_jsonl  # noqa: E402
from lib.publish import whole  # noqa: E402
from measuring import CORES, fetched, measured, on_cores, record, recorded, snakemake, sweep  # noqa: E402

BLOCK = 20_000  # rows made at once
VOCABULARY = 50_000
LANGUAGES = {"en": "abcdefghijklmnoprstuvwy", "fa": "ابپتجچخدرزسشعفقکگلمنوهی"}
TYPES = ("PER", "ORG", "LOC")
REPEATED, NEARLY = 0.1, 0.05  # shares of sentences that repeat another one exactly, or but for a word
SPLITS = {"train": 0.9, "validation": 0.05, "test": 0.05}
ARTICLES = {"train": 287_113, "validation": 13_368, "test": 11_490}  # of CNN/DailyMail 3.0.0
ARTICLE_WORDS, REFERENCE_WORDS = (6.45, 0.45), (3.9, 0.35)  # mean and deviation of the logarithm: medians of 633 and 49 words
NEAR = ["--near-threshold", "0.8", "--near-characters", "5"]
STAGES = {}


@dataclass
class Stage:
    """sizes  the amounts of work, rising
    unit   what they count
    make   make(folder, size): writes the stage's input
    runs   runs(folder, size): the commands that are measured together
    threads    that the workflow gives their rules
    """

    title: str
    sizes: tuple
    unit: str
    make: callable
    runs: callable
    threads: int = 1


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    command.add_argument("--largest", type=float, default=1.0, help="share of each stage's largest size up to which it is measured")
    command.add_argument("--encoder", type=existing_folder)
    command.add_argument("--output", type=Path, default=ROOT / "results/bench")
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    encoder = args.encoder or (fetched("roberta_large") if "bertscore" in args.stages else None)
    made = recorded(args.output / "scale.json")
    found, lines = made["measurements"] if made else {}, ["nothing was measured: no stage has a size that small"]
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        (folder / "encoder").symlink_to(Path(encoder).resolve() if encoder else folder)
        make("xlm_roberta", folder / "tagger", seed=1)
        make("bert", folder / "bert", seed=4)
        make("llama", folder / "llama", seed=3)
        for name in args.stages:
            stage, rows = STAGES[name], {row["size"]: row for row in found.get(name, [])}
            wanted = [size for size in stage.sizes if size in rows or size <= args.largest * stage.sizes[-1]]
            if wanted:
                found[name] = [rows.get(size) or cost_of(stage, folder / name / str(size), size) for size in wanted]
                found = {name: found[name] for name in STAGES if name in found}
                lines = report(args.output, found)
    print(*lines, sep="\n")


def of_stage(name, folder, size):
    """Make in `folder` what a stage leaves there, or take it from where that stage was measured."""
    there = folder.parents[1] / name / str(size)
    if there.exists():
        folder.rmdir()
        folder.symlink_to(there)
        return
    STAGES[name].make(folder, size)
    for command in STAGES[name].runs(folder, size):
        measured(command)


def cost_of(stage, folder, size):
    """What the stage's commands cost together, on input of that size."""
    folder.mkdir(parents=True)
    stage.make(folder, size)
    as_in_the_workflow = {**ALLOCATOR, "OMP_NUM_THREADS": str(stage.threads)}
    costs = [measured(command, **as_in_the_workflow) for command in stage.runs(folder, size)]
    result = {"size": size} | {key: sum(cost[key] for cost in costs) for key in ("seconds", "processor_seconds")}
    result["peak_bytes"] = max(cost["peak_bytes"] for cost in costs)
    log(f"{stage.title}, {size:,} {stage.unit}: {result['seconds']:.1f} s, {result['peak_bytes'] / 2**30:.2f} GiB")
    return result


# ------------------------------------------------------------------ the tables


def exponent(measurements, key):
    """By which power of the work a cost (`key` of a measurement) grows, between the two largest sizes; None for a single size."""
    if len(measurements) < 2:
        return None
    one, other = measurements[-2:]
    return math.log(other[key] / one[key]) / math.log(other["size"] / one["size"])


def report(folder, found):
    """Write table, measurements and plot of what was found so far; the table's lines."""
    lines = ["| stage | work | seconds | processor's seconds | exponent of time | peak memory, GiB | of memory |"]
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    for name, measurements in found.items():
        for place, row in enumerate(measurements):
            grown = [exponent(measurements, key) if place == len(measurements) - 1 else None for key in ("seconds", "peak_bytes")]
            time, memory = ("" if power is None else f"{power:.2f}" for power in grown)
            lines.append(
                f"| {STAGES[name].title} | {row['size']:,} {STAGES[name].unit} | {row['seconds']:.1f} | {row['processor_seconds']:.1f} "
                f"| {time} | {row['peak_bytes'] / 2**30:.2f} | {memory} |"
            )
    described = "Time and peak memory of each stage over its work, all on logarithmic axes"
    picture = figures.described(plot(found), "scale", "Cost as work grows", described)
    lines = record(folder, "scale", lines, measurements=found)
    with whole(folder / "scale.svg") as part:
        part.write_text(figures.standalone(picture), encoding="utf-8")
    return lines


def plot(found):
    """Seconds and GiB over what is counted in each stage; a slope of 1 is linear growth."""
    points = [
        {"group": f"{stage.title}: {stage.unit}", "work": row["size"], "seconds": row["seconds"], "memory": row["peak_bytes"] / 2**30}
        for stage, measurements in ((STAGES[name], measurements) for name, measurements in found.items())
        for row in measurements
    ]
    groups, charts = figures.distinct(points, "group"), []
    for cost, title in {"seconds": "time, s", "memory": "peak memory, GiB"}.items():
        common = {"x": logarithmic("work", "work", "~s"), "y": logarithmic(cost, None, "~r")}
        common["color"] = figures.colour(groups)
        lines = figures.layer(points, {"type": "line", "strokeWidth": 2}, **common)
        marks = figures.layer(points, figures.marks(75), shape=figures.shape(groups), **common)
        charts.append(figures.panel_of([lines, marks], title, 320, 250))
    slack = figures.WIDER * max(map(len, groups), default=0)
    padding = {"left": figures.PADDING, **figures.AROUND, "right": figures.PADDING + slack}
    return figures.svg({"hconcat": charts, "spacing": 60, "bounds": "flush", "padding": padding})


def logarithmic(field, title, digits):
    return figures.number(field, title=title, scale={"type": "log", "padding": 12}, axis={"format": digits, "labelOverlap": True})


# ------------------------------------------------------------------ words


def vocabulary(language, seed=7):
    """Different words of a language's letters, the commonest first, of 2 to 11 letters."""
    letters, draw, words = LANGUAGES[language], random.Random(seed), {}
    while len(words) < VOCABULARY:
        words["".join(draw.choices(letters, k=draw.randint(2, 11)))] = None
    return np.array(list(words), dtype=object)


def drawn(generator, words, count):
    """`count` words by Zipf's law."""
    ranks = np.exp(generator.random(count) * math.log(len(words))).astype(int)
    return words[np.minimum(ranks, len(words)) - 1]


# ------------------------------------------------------------------ sentences


def sentences(folder, size):
    """Two data sets of `size` sentences together: a tenth of them repeated, a twentieth repeated but for a word, with names of people."""
    for language in LANGUAGES:
        words, generator = vocabulary(language), np.random.default_rng(11)
        place = folder / language / "data"
        place.mkdir(parents=True)
        train = None
        for split, share in SPLITS.items():
            first = write_sentences(place / f"{split}-00000-of-00001.parquet", words, generator, round(size / 2 * share), train)
            train = train or first


def write_sentences(path, words, generator, count, others=None):
    """Write `count` sentences, and return the first of them; what is repeated is one of `others`, or a sentence a little before it."""
    first = None
    schema = pa.schema([("tokens", pa.list_(pa.string())), ("ner_tags", pa.list_(pa.string()))])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, count, BLOCK):
            lengths = np.clip(generator.normal(20, 8, min(BLOCK, count - start)).astype(int), 3, 60)
            tokens = np.split(drawn(generator, words, lengths.sum()), np.cumsum(lengths)[:-1])
            again, fate = generator.integers(0, len(tokens), len(tokens)), generator.random(len(tokens))
            for row in range(1, len(tokens)):
                if fate[row] < REPEATED + NEARLY:
                    tokens[row] = (others[again[row] % len(others)] if others else tokens[again[row] % row]).copy()
                    if fate[row] >= REPEATED:
                        tokens[row][again[row] % len(tokens[row])] = words[again[row]]
            tags = [tagged(row) for row in tokens]
            writer.write_table(pa.table({"tokens": [list(row) for row in tokens], "ner_tags": tags}, schema=schema))
            first = first or tokens
    return first


def tagged(tokens):
    """Tags that follow from the words, so that copies of a sentence agree: every word of nine letters or more is a name."""
    return [f"B-{TYPES[len(token) % len(TYPES)]}" if len(token) >= 9 else "O" for token in tokens]


def specs():
    entry = {"config": None, "columns": {"tokens": "tokens", "tags": "ner_tags"}, "limit": dict.fromkeys(SPLITS)}
    entry |= {"labels": {name: name for name in TYPES}}
    return json.dumps([{**entry, "name": name, "language": name, "sources": [{"name": name, "types": list(TYPES)}]} for name in LANGUAGES])


def cleaning(folder, _):
    outputs = {f"--{split}": folder / f"{split}.parquet" for split in SPLITS}
    outputs |= {"--labels": folder / "labels.json", "--report": folder / "cleaning.json", "--rows": folder / "rows.parquet"}
    command = [sys.executable, "scripts/ner_clean.py", "--folders", *(folder / language for language in LANGUAGES), "--datasets", specs()]
    command += ["--cleaning", json.dumps(dict.fromkeys(RULES, True)), "--label-scheme", "masked_union", *NEAR, "--seed", "42"]
    yield [*command, *(part for output in outputs.items() for part in output)]


def auditing(folder, _):
    command = [sys.executable, "scripts/ner_audit.py", "--folders", *(folder / language for language in LANGUAGES), "--datasets", specs()]
    command += ["--labels", folder / "labels.json", "--cleaning", folder / "cleaning.json", "--rows", folder / "rows.parquet"]
    yield [*command, "--backbone", folder.parents[1] / "tagger", "--max-length", "512", *NEAR, "--output", folder / "audit.json"]


STAGES["clean"] = Stage("cleaning", (62_500, 250_000, 1_000_000), "sentences", sentences, cleaning)
STAGES["audit"] = Stage("audit", (62_500, 250_000, 1_000_000), "sentences", partial(of_stage, "clean"), auditing)


# ------------------------------------------------------------------ articles


def lengths(generator, count, logarithm):
    return np.maximum(generator.lognormal(*logarithm, count).astype(int), 5)


def texts(generator, words, counts):
    """A text of each number of words, in sentences of about twenty."""
    for part in np.split(drawn(generator, words, counts.sum()), np.cumsum(counts)[:-1]):
        yield " ".join(" ".join(part[start : start + 20]).capitalize() + "." for start in range(0, len(part), 20))


def articles(folder, size):
    """A data set of `size` pairs, divided among the splits as CNN/DailyMail is."""
    words, generator, every = vocabulary("en"), np.random.default_rng(13), sum(ARTICLES.values())
    schema = pa.schema([("id", pa.string()), ("article", pa.string()), ("highlights", pa.string())])
    (folder / "pairs/data").mkdir(parents=True)
    for split, whole_split in ARTICLES.items():
        count = round(size * whole_split / every)
        with pq.ParquetWriter(folder / f"pairs/data/{split}-00000-of-00001.parquet", schema) as writer:
            for start in range(0, count, BLOCK):
                rows = min(BLOCK, count - start)
                columns = {"id": [f"{split}-{start + row}" for row in range(rows)]}
                columns["article"] = list(texts(generator, words, lengths(generator, rows, ARTICLE_WORDS)))
                columns["highlights"] = list(texts(generator, words, lengths(generator, rows, REFERENCE_WORDS)))
                writer.write_table(pa.table(columns, schema=schema))


def splitting(folder, size):
    """All pairs are kept but those that a near-duplicate asks to replace: one in a thousand is left undrawn."""
    every = sum(ARTICLES.values())
    sizes = {split: round(0.999 * size * count / every) for split, count in ARTICLES.items()}
    outputs = [part for split in ARTICLES for part in (f"--{split}", folder / f"{split}.parquet")]
    command = [sys.executable, "scripts/summ_split.py", "--dataset", folder / "pairs", "--sizes", json.dumps(sizes), "--min-words", "1"]
    command += ["--columns", '{"id": "id", "article": "article", "reference": "highlights"}', *NEAR, "--seed", "42"]
    yield [*command, *outputs, "--record", folder / "split.json"]


def statistics(folder, _):
    inputs = [part for split in ARTICLES for part in (f"--{split}", folder / f"{split}.parquet")]
    tokens = folder / "tokens.json"
    yield [sys.executable, "scripts/length_statistics.py", "--model", folder.parents[1] / "llama", *inputs, "--output", tokens]
    command = [sys.executable, "scripts/text_statistics.py", *inputs, "--percentiles", "90", "95", "99", "--tokens", f"llama={tokens}"]
    yield [*command, "--seed", "42", "--output", folder / "stats.json"]


STAGES["split"] = Stage("drawing all pairs", (19_500, 78_000, 311_971), "pairs", articles, splitting)
STAGES["statistics"] = Stage("lengths", (19_500, 78_000, 311_971), "pairs", partial(of_stage, "split"), statistics)


# ------------------------------------------------------------------ scores


def summaries(names):
    """Systems' summaries: half of each is the reference's own words."""

    def write(folder, size):
        words, generator = vocabulary("en"), np.random.default_rng(17)
        references = list(texts(generator, words, lengths(generator, size, REFERENCE_WORDS)))
        for name in names:
            others = texts(generator, words, lengths(generator, size, REFERENCE_WORDS))
            rows = [
                {"id": str(row), "prediction": reference[: len(reference) // 2] + other, "reference": reference}
                for row, (reference, other) in enumerate(zip(references, others, strict=True))
            ]
            (folder / "systems" / name).mkdir(parents=True)
            write_jsonl(folder / "systems" / name / "predictions.jsonl", rows)

    return write


def scoring(names, encoder, layer):
    def runs(folder, _):
        command = [sys.executable, "scripts/score.py", "--systems-folder", folder / "systems", "--systems", *names, "--stemmer"]
        command += ["--bertscore-model", folder.parents[1] / encoder, "--bertscore-name", encoder, "--bertscore-layer", str(layer)]
        yield [*command, "--bertscore-batch-size", "32", "--seed", "42"]

    return runs


TEN = [f"system_{number}" for number in range(10)]
STAGES["rouge"] = Stage(
    "scores of ten systems, by a tiny encoder",
    (718, 2_872, 11_490),
    "articles",
    summaries(TEN),
    scoring(TEN, "bert", 2),
    threads=CORES,
)
STAGES["bertscore"] = Stage(
    "scores of a system, by the demo's encoder",
    (625, 2_500, 10_000),
    "pairs",
    summaries(TEN[:1]),
    scoring(TEN[:1], "encoder", 6),
    threads=CORES,
)


# ------------------------------------------------------------------ plans

PLAN = snakemake("--dry-run", "--quiet", "all")


def sweep_preset(folder, size):
    (folder / "sweep.yaml").write_text(yaml.safe_dump(sweep(size)), encoding="utf-8")


def planning(folder, _):
    yield [*PLAN, "--configfile", "presets/smoke.yaml", folder / "sweep.yaml"]


def full_test_set(folder, _):
    splits = {"summarization": {"splits": {"test": ARTICLES["test"]}, "generation": {"shards": 1}}}
    (folder / "full.yaml").write_text(yaml.safe_dump(splits), encoding="utf-8")


def planning_shards(folder, size):
    yield [*PLAN, "--configfile", folder / "full.yaml", "--set-scatter", f"generation={size}"]


STAGES["plan"] = Stage("dry run of a sweep", (10, 100, 1_000), "systems", sweep_preset, planning)
STAGES["shards"] = Stage("dry run of the full test set in shards", (8, 64, 512), "shards a system", full_test_set, planning_shards)


if __name__ == "__main__":
    on_cores()
    main()
