r"""Measure the tagger's training, as this project does it, against the plain way: sentences a second and peak memory.

    python bench/ner_training.py [--backbone MODEL_DIR] [--data results/demo/ner] [--sentences 320] [--repeats 3] [--output results/bench]

reads    MODEL_DIR           an encoder of type xlm-roberta (by default the one that the demo fetched)
         DATA                train.parquet, validation.parquet and labels.json, as ner_clean.py writes them
writes   OUTPUT/ner_training.md and .json   a table, and every single measurement

Each measurement is one epoch over the same sample of sentences in a process of its own; the variants take turns, in alternating
order, since a machine's speed drifts. Time is that of the training steps, without loading; memory is the process's peak on a CPU,
the allocator's on a GPU.
"""

import json
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import lib.offline  # noqa: E402, F401, I001

import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

import ner_train  # noqa: E402
from lib.alignment import IGNORED  # noqa: E402
from lib.device import device_name, peak_memory  # noqa: E402
from lib.program import InputError, log, parser, program  # noqa: E402
from lib.records import read_json, read_jsonl  # noqa: E402
from lib.tagger import Collator  # noqa: E402
from measuring import fetched, publish, turns  # noqa: E402

FETCH = "snakemake --cores 2 results/demo/ner/audit.json --configfile presets/demo.yaml"
MAX_LENGTH = 128  # what notebooks on this task pad to
VARIANTS = {  # the first is what the others are compared with
    "plain": {
        "title": "plain: random batches padded to their longest, fp32, all embedding rows",
        "sampling": "random",
        "rows": "all",
        "precision": "fp32",
    },
    "fixed": {
        "title": f"as plain, every sentence padded to {MAX_LENGTH}",
        "sampling": "random",
        "rows": "all",
        "precision": "fp32",
        "fixed_length": True,
    },
    "kargah": {
        "title": "Kargah: batches grouped by length, precision of the hardware, embedding rows in use",
        "sampling": "group_by_length",
        "rows": "used",
        "precision": "auto",
    },
}


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--backbone", type=Path)
    command.add_argument("--data", type=Path, default=ROOT / "results/demo/ner")
    command.add_argument("--sentences", type=int, default=320)
    command.add_argument("--repeats", type=int, default=3)
    command.add_argument("--output", type=Path, default=ROOT / "results/bench")
    command.add_argument(
        "--measure", nargs=2, metavar=("VARIANT", "FOLDER"), help="one measurement, in this process; for this script's own use"
    )
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    args.backbone = args.backbone or fetched("xlm_roberta")
    if args.backbone is None or not (args.data / "train.parquet").is_file():
        raise InputError(f"assets/xlm_roberta or {args.data}/train.parquet is missing; expected the demo's backbone and data; run: {FETCH}")
    if args.measure:
        print(json.dumps(measure(args, *args.measure)))
        return
    with tempfile.TemporaryDirectory() as work:
        sample(args, Path(work))
        found = measurements(args, work)
    report(args, found)


def sample(args, folder):
    """Write the sentences that all variants train on, and a few for the validation that ends a training."""
    for split, count in (("train", args.sentences), ("validation", 8)):
        table = pq.read_table(args.data / f"{split}.parquet")
        numbers = random.Random(0).sample(range(len(table)), min(count, len(table)))
        pq.write_table(table.take(pa.array(sorted(numbers))), folder / f"{split}.parquet")


def measurements(args, work):
    """For each variant, what each of its processes measured."""
    found = {name: [] for name in VARIANTS}
    for name in turns(VARIANTS, args.repeats):
        command = [sys.executable, __file__, "--backbone", args.backbone, "--data", args.data, "--measure", name, work]
        run = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        if run.returncode:
            raise InputError(f"variant {name} failed: {run.stderr.strip()[-500:]}")
        found[name].append(json.loads(run.stdout.splitlines()[-1]))
        log(f"{name}: {found[name][-1]['sentences_per_second']:.1f} sentences/s, {found[name][-1]['peak_bytes'] / 2**30:.2f} GiB")
    return found


def measure(args, name, folder):
    """Train once as the variant does."""
    variant, folder = VARIANTS[name], Path(folder)
    if variant.get("fixed_length"):
        ner_train.Collator = FixedLengthCollator
    training = {
        "num_train_epochs": 1,
        "per_device_train_batch_size": 16,
        "per_device_eval_batch_size": 8,
        "learning_rate": 2e-4,
        "logging_steps": 1,
        "eval_steps": 10**6,
        "train_sampling_strategy": variant["sampling"],
    }
    with tempfile.TemporaryDirectory() as out:
        out = Path(out)
        options = {
            "backbone": args.backbone,
            "train": folder / "train.parquet",
            "validation": folder / "validation.parquet",
            "labels": args.data / "labels.json",
            "training": json.dumps(training),
            "alignment": "first",
            "max-length": MAX_LENGTH,
            "dropout": 0.1,
            "head-learning-rate": 5e-3,
            "embedding-rows": variant["rows"],
            "precision": variant["precision"],
            "seed": 42,
            "start": "benchmark",
            "work": out / "work",
            "checkpoint-minutes": 60,
            "output": out / "model",
            "log": out / "log.jsonl",
            "summary": out / "training.json",
        }
        ner_train.main(["--token-steps", *(part for key, value in options.items() for part in (f"--{key}", str(value)))])
        summary = read_json(out / "training.json")
        seconds = [row["seconds"] for row in read_jsonl(out / "log.jsonl") if "seconds" in row]
    return {
        "sentences_per_second": summary["sentences"]["train"] / seconds[-1],
        "peak_bytes": peak_memory(),
        "seconds": seconds[-1],
        "sentences": summary["sentences"]["train"],
        "precision": summary["precision"],
        "embedding_rows": summary["embedding_rows"],
    }


class FixedLengthCollator(Collator):
    def __call__(self, windows):
        filler = {"input_ids": [self.pad] * MAX_LENGTH, "labels": [IGNORED] * MAX_LENGTH, "source": 0}
        return {name: value[:-1] for name, value in super().__call__([*windows, filler]).items()}


def report(args, found):
    """Write the measurements, and a table of their medians."""
    medians = {
        name: {key: statistics.median(run[key] for run in runs) for key in ("sentences_per_second", "peak_bytes")}
        for name, runs in found.items()
    }
    first = medians[next(iter(VARIANTS))]
    runs = next(iter(found.values()))
    lines = [
        f"Training on {runs[0]['sentences']} sentences, one epoch, batches of 16; {device_name()}; medians of {args.repeats} (range).",
        "",
        "| variant | precision | sentences a second | | peak memory, GiB | |",
        "|---|---|---|---|---|---|",
    ]
    for name, variant in VARIANTS.items():
        speeds, speed = [run["sentences_per_second"] for run in found[name]], medians[name]["sentences_per_second"]
        memory, slowest, fastest = medians[name]["peak_bytes"], min(speeds), max(speeds)
        lines.append(
            f"| {variant['title']} | {found[name][0]['precision']} | {speed:.1f} ({slowest:.1f}–{fastest:.1f}) "
            f"| {speed / first['sentences_per_second']:.2f}× | {memory / 2**30:.2f} | {memory / first['peak_bytes']:.2f}× |"
        )
    publish(args.output, "ner_training", lines, variants=VARIANTS, measurements=found)


if __name__ == "__main__":
    main()
