r"""Clean pairs of article and reference summary, and sample each split (S1, S2, S4).

    python scripts/summ_split.py --dataset DATASET_DIR --config 3.0.0 \
        --columns '{"id": "id", "article": "article", "reference": "highlights"}' \
        --sizes '{"train": 5000, "validation": 500, "test": 100}' --min-words 1 --max-words 300 \
        --near-threshold 0.8 --near-characters 5 --seed 42 \
        --train TRAIN.parquet --validation VALIDATION.parquet --test TEST.parquet --record SPLIT.json

reads    DATASET_DIR   a data set in the hub's layout, with splits train, validation and test; --config and --max-words may be left out
writes   *.parquet     id, article, reference: a sample of the data set's split of the same name, in its order
         SPLIT.json    per split: pairs found, dropped by reason, kept, left out of the draw by reason, sampled, and what was noticed
                       among the kept and left as it is

Dropped are pairs with an empty article or reference, pairs whose article (but for white space) or id came before, and pairs whose
article has too few or too many words. Of two splits that share an article or an id, test keeps it before validation, and that before train.

Left out of the draw, and replaced by the next pair drawn, is a train or validation pair whose article is nearly the same as one of the
test articles sampled, or a train pair's as one of the validation articles sampled: the Jaccard similarity of their sets of character
n-grams is the threshold or more. Pairs that are not drawn are not compared, so the cost is that of the sample.
"""

import hashlib
import re
from collections import Counter
from contextlib import ExitStack

import lib.offline  # noqa: F401

import numpy as np
import pyarrow as pa

from lib.dataset_folder import load_splits
from lib.length_summary import SPLITS, TEXTS
from lib.near_duplicates import NearArticles
from lib.program import InputError, existing_folder, json_value, parser, program, progress
from lib.publish import whole
from lib.records import write_json, write_parquet

SCHEMA = pa.schema([("id", pa.string()), ("article", pa.string()), ("reference", pa.string())])
MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>")
LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--dataset", required=True, type=existing_folder)
    command.add_argument("--config")
    command.add_argument("--columns", required=True, type=json_value)
    command.add_argument("--sizes", required=True, type=json_value)
    command.add_argument("--min-words", required=True, type=int)
    command.add_argument("--max-words", type=int)
    command.add_argument("--near-threshold", required=True, type=float)
    command.add_argument("--near-characters", required=True, type=int)
    command.add_argument("--seed", required=True, type=int)
    for output in (*SPLITS, "record"):
        command.add_argument(f"--{output}", required=True)
    args = command.parse_args(argv)
    for name, keys in (("columns", ("id", *TEXTS)), ("sizes", SPLITS)):
        value = getattr(args, name)
        if not isinstance(value, dict) or set(value) != set(keys):
            command.error(f"--{name}: found {value!r}; expected an object with {', '.join(keys)}")
    return args


@program
def main(argv=None):
    args = arguments(argv)
    dataset = readable(load_splits(args.dataset, args.config), args)
    before, record, samples = {"article": {}, "id": {}}, {}, {}
    held_out = NearArticles(args.near_threshold, args.near_characters)
    for split in reversed(SPLITS):  # test first: what comes later gives way
        kept, counts = clean(dataset[split], split, args, before)
        chosen, left_out = sampled(dataset[split], kept, split, args, counts, held_out)
        samples[split] = dataset[split].select(chosen)
        if split != "train":
            held_out.add(split, (row["article"] for row in pairs(samples[split], args.columns)))
        record[split] = counts | {"left_out": left_out, "sampled": len(chosen)}
        progress(f"{split}: {counts['found']} pairs found, {len(kept)} kept, {sum(left_out.values())} left out, {len(chosen)} sampled")
    with ExitStack() as outputs:
        for split in SPLITS:
            write_parquet(outputs.enter_context(whole(getattr(args, split))), pairs(samples[split], args.columns), SCHEMA)
        write_json(outputs.enter_context(whole(args.record)), {split: record[split] for split in SPLITS})


def readable(dataset, args):
    """The data set, cut down to the columns to read. Raises InputError if a split or a column is missing, or no text."""
    for split in SPLITS:
        if split not in dataset:
            raise InputError(
                f"{args.dataset}: no split {split}; found {', '.join(dataset)}; expected train, validation and test; "
                "name a data set that has them"
            )
        features = dataset[split].features
        for key, column in args.columns.items():
            if column not in features:
                raise InputError(
                    f"{args.dataset}: no column {column!r} in {split}; found {', '.join(features)}; expected one of these; "
                    f"correct summarization.columns.{key}"
                )
            if key in TEXTS and getattr(features[column], "dtype", None) not in ("string", "large_string", "null"):
                raise InputError(
                    f"{args.dataset}: column {column!r} of {split} holds {features[column]}; expected text; "
                    f"correct summarization.columns.{key}"
                )
    return dataset.select_columns(sorted(set(args.columns.values())))


def pairs(rows, columns):
    """id, article and reference of each row, as stripped texts."""
    for batch in rows.iter(1000):
        for values in zip(*(batch[column] for column in columns.values()), strict=True):
            row = dict(zip(columns, values, strict=True))
            yield {"id": str(row["id"]), **{text: (row[text] or "").strip() for text in TEXTS}}


def clean(rows, split, args, before):
    """Indices of the pairs to keep, and counts. `before` maps what was seen (articles, ids) to its split, and grows."""
    kept, dropped, noticed = [], Counter(), Counter()
    for index, row in enumerate(pairs(rows, args.columns)):
        reason = flaw(row, split, args, before)
        if reason:
            dropped[reason] += 1
        else:
            kept.append(index)
            noticed.update(peculiarities(row))
    counts = {"found": len(rows), "dropped": dict(sorted(dropped.items())), "kept": len(kept), "noticed": dict(sorted(noticed.items()))}
    return kept, counts


def flaw(row, split, args, before):
    """Why a pair is dropped, or None."""
    for text in TEXTS:
        if not row[text]:
            return f"empty_{text}"
    words = row["article"].split()
    keys = {"article": hashlib.blake2b(" ".join(words).encode(), digest_size=16).digest(), "id": row["id"]}
    for name, key in keys.items():
        if key in before[name]:
            return f"same_{name}_in_{before[name][key]}"
    for name, key in keys.items():
        before[name][key] = split
    if len(words) < args.min_words:
        return "too_few_words"
    if args.max_words is not None and len(words) > args.max_words:
        return "too_many_words"
    return None


def peculiarities(row):
    """What a reader should know about a pair, and no reason to drop it: models and scorers meet such text in the world, too."""
    article = row["article"]
    if "<" in article and MARKUP.search(article):
        yield "markup_in_article"
    letters = [character for character in article[:1000] if character.isalpha()]
    if not article.isascii() and len(letters) > 2 * sum(map(len, LATIN.findall("".join(letters)))):
        yield "not_latin_script"
    if len(row["reference"]) >= len(article):
        yield "reference_not_shorter"


def sampled(rows, kept, split, args, counts, held_out):
    """(sorted indices of a random sample of `kept`, counts of what was left out of it); a larger one with the same seed contains it.

    held_out  NearArticles of the samples drawn before
    """
    asked, order = args.sizes[split], np.random.default_rng([args.seed, SPLITS.index(split)]).permutation(len(kept))
    chosen, left_out, drawn = [], Counter(), 0
    while len(chosen) < asked and drawn < len(order):
        places = order[drawn : drawn + asked - len(chosen)]
        indices = [kept[place] for place in places]
        for index, row in zip(indices, pairs(rows.select(indices), args.columns), strict=True):
            near = held_out.split_of(row["article"])
            if near is None:
                chosen.append(index)
            else:
                left_out[f"near_duplicate_in_{near}"] += 1
        drawn += len(places)
    if len(chosen) < asked:
        lost = ", ".join(f"{reason} {count}" for reason, count in [*counts["dropped"].items(), *left_out.items()]) or "nothing"
        way_out = f"lower it to {len(chosen)} at most" if chosen else "correct summarization.columns or article_words"
        raise InputError(
            f"summarization.splits.{split}: asked for {asked} pairs, {len(chosen)} are there ({counts['found']} in the data set; "
            f"left out: {lost}); expected no more than these; {way_out}"
        )
    return sorted(chosen), dict(sorted(left_out.items()))


if __name__ == "__main__":
    main()
