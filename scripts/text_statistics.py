r"""Lengths of articles and references in characters, words, sentences, and tokens of each model (S3).

    python scripts/text_statistics.py --train TRAIN.parquet --validation VALIDATION.parquet --test TEST.parquet \
        --percentiles 90 95 99 --tokens llama=LENGTHS.json smollm2=LENGTHS.json --seed 42 --output STATS.json

reads    *.parquet     id, article, reference
         LENGTHS.json  lengths in tokens, as length_statistics.py writes them, one file a model
writes   STATS.json    percentiles; splits: per split the number of pairs, and for article and reference: characters, words, sentences,
                       and tokens by model, each with min, mean, median, the percentiles, max; histograms: for article and reference how
                       many have which length in words, a width of the bins and the counts of each split; sample: a pair drawn from train
"""

import random
from itertools import chain, islice

import lib.offline  # noqa: F401

from lib.length_summary import SPLITS, TEXTS, chosen, histograms, summary
from lib.program import existing_file, named_file, parser, program
from lib.publish import whole
from lib.records import parquet_batches, read_json, write_json
from lib.sentences import sentences

UNITS = {"characters": len, "words": lambda text: len(text.split()), "sentences": lambda text: len(sentences(text))}


def arguments(argv):
    command = parser(__doc__)
    for split in SPLITS:
        command.add_argument(f"--{split}", required=True, type=existing_file)
    command.add_argument("--percentiles", required=True, type=int, nargs="+")
    command.add_argument("--tokens", type=named_file, nargs="*", default=[], metavar="MODEL=LENGTHS.json")
    command.add_argument("--seed", required=True, type=int)
    command.add_argument("--output", required=True)
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    tokens = {model: read_json(path) for model, path in args.tokens}
    lengths = {split: text_lengths(getattr(args, split)) for split in SPLITS}
    splits = {}
    for split in SPLITS:
        splits[split] = {"pairs": len(lengths[split]["article"]["words"])} | {
            text: {unit: summary(values, args.percentiles) for unit, values in lengths[split][text].items()}
            | {"tokens": {model: chosen(statistics[split][text], args.percentiles) for model, statistics in tokens.items()}}
            for text in TEXTS
        }
    statistics = {
        "percentiles": args.percentiles,
        "splits": splits,
        "histograms": {text: histograms({split: lengths[split][text]["words"] for split in SPLITS}) for text in TEXTS},
        "sample": sample(args.train, splits["train"]["pairs"], args.seed),
    }
    with whole(args.output) as part:
        write_json(part, statistics)


def text_lengths(path):
    """{"article": {"characters": […], "words": […], "sentences": […]}, "reference": …} of a split."""
    lengths = {text: {unit: [] for unit in UNITS} for text in TEXTS}
    for rows in parquet_batches(path, TEXTS, 1000):
        for text in TEXTS:
            for unit, count in UNITS.items():
                lengths[text][unit] += [count(row[text]) for row in rows]
    return lengths


def sample(path, rows, seed):
    """One of the file's `rows` pairs, drawn."""
    place = random.Random(seed).choice(range(rows))
    return next(islice(chain.from_iterable(parquet_batches(path, ("id", *TEXTS), 1000)), place, None))


if __name__ == "__main__":
    main()
