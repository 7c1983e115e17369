r"""Score the tagger on validation and test (seqeval's strict IOB2), with bootstrap intervals, and look at its errors.

    python scripts/ner_evaluate.py --model MODEL_DIR --validation VALIDATION.parquet --test TEST.parquet --labels LABELS.json \
        [--train TRAIN.parquet --near-threshold 0.8 --near-characters 5] --batch-size 24 --precision auto --seed 42 \
        --metrics METRICS.json --predictions PREDICTIONS.jsonl --errors ERRORS.json

reads    MODEL_DIR          a tagger, as ner_train.py writes it
         *.parquet          tokens, ner_tags, language, source
         LABELS.json        the label scheme, as ner_clean.py writes it
writes   METRICS.json       for validation and test: overall, by_language, by_type, shared_types, majority_baseline (all O); with --train
                            also test_unseen: the same over those rows of test of which train holds neither a copy
                            nor a near-duplicate (overall is null where there is none), and `seen`: rows of test, copies, and
                            near-duplicates among the others
         PREDICTIONS.jsonl  split, row, source, gold and predicted tags; with --train, of rows of test, whether train lacks them (unseen)
         ERRORS.json        of test: how many errors of each kind and type, the commonest with sentences, and a confusion table of types

A sentence is scored on the types that its source annotates; predicted entities of other types are counted in outside_annotation.
Intervals are from a bootstrap over different sentences: copies of one are drawn together.
shared_types are scores on the types that every source annotates, so that taggers with different label schemes compare.
"""

from collections import Counter
from contextlib import ExitStack

import lib.offline  # noqa: F401

import numpy as np
import torch
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from lib.cleaning import key_of
from lib.device import resolve_precision
from lib.labels import OUTSIDE, LabelScheme, only
from lib.model_tokenizer import load_tokenizer
from lib.near_duplicates import NearDuplicates
from lib.ner_scores import Scores, compare, confusion
from lib.program import InputError, existing_file, model_folder, parser, positive, program, progress
from lib.publish import whole
from lib.records import parquet_batches, read_parquet, write_json, write_jsonl
from lib.tagger import Collator, load_tagger
from lib.tagging import Encoder, loss_a_word, tag_words

SPLITS = ("validation", "test")
COMMONEST, EXAMPLES = 12, 3  # errors shown, and sentences for each


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--model", required=True, type=model_folder)
    for split in SPLITS:
        command.add_argument(f"--{split}", required=True, type=existing_file)
    command.add_argument("--labels", required=True, type=existing_file)
    command.add_argument("--train", type=existing_file, help="the training data, where it may hold sentences of test")
    command.add_argument("--near-threshold", type=float, help="least Jaccard similarity of near-duplicates")
    command.add_argument("--near-characters", type=int, help="characters of the n-grams of which it is the similarity")
    command.add_argument("--batch-size", required=True, type=positive, help="windows in a batch")
    command.add_argument("--precision", required=True, choices=["auto", "fp32", "bf16", "fp16"])
    command.add_argument("--seed", required=True, type=int, help="of the bootstrap")
    command.add_argument("--metrics", required=True)
    command.add_argument("--predictions", required=True)
    command.add_argument("--errors", required=True)
    args = command.parse_args(argv)
    if len({args.train is None, args.near_threshold is None, args.near_characters is None}) > 1:
        command.error("--train, --near-threshold, --near-characters: found some of them; expected all or none")
    return args


@program
def main(argv=None):
    args = arguments(argv)
    scheme = LabelScheme.read(args.labels)
    model, tokenizer = load_tagger(args.model), load_tokenizer(args.model)
    found = [model.config.id2label[number] for number in range(model.config.num_labels)]
    if found != scheme.labels:
        raise InputError(
            f"{args.model}: its labels are {', '.join(found)}; expected {', '.join(scheme.labels)} as in {args.labels}; "
            "train the model again"
        )
    encoder = Encoder(tokenizer, tokenizer.model_max_length, scheme, "first")
    collator = Collator(tokenizer.pad_token_id, torch.tensor([scheme.silent(source) for source in scheme.sources]))

    precision = resolve_precision(args.precision)

    metrics, predictions = {}, []
    for split in SPLITS:
        rows = read_parquet(getattr(args, split), ["tokens", "ner_tags", "language", "source"])
        progress(f"tagging {len(rows)} sentences of {split}")
        encoded = list(encoder.rows(rows))
        tags, _, losses = tag_words(model, encoded, len(rows), collator, args.batch_size, precision)
        metrics[split] = split_metrics(rows, tags, losses, scheme, args.seed)
        split_predictions = [
            {"split": split, "row": number, "source": row["source"], "gold": row["ner_tags"], "predicted": guess}
            for number, (row, guess) in enumerate(zip(rows, tags, strict=True))
        ]
        predictions += split_predictions
        progress(f"{split}: F1 {metrics[split]['overall']['f1']['value']:.3f}")
    if args.train:  # `rows`, `tags` and `losses` are those of test
        copies, near = seen(args.train, rows, args.near_threshold, args.near_characters)
        unseen = np.flatnonzero(~copies & ~near).tolist()
        progress(f"{len(unseen)} of {len(rows)} sentences of test are neither in train nor nearly so")
        metrics["test_unseen"] = {"overall": None, "seen": {"rows": len(rows), "copies": int(copies.sum()), "near": int(near.sum())}}
        if unseen:
            metrics["test_unseen"] |= split_metrics([rows[n] for n in unseen], [tags[n] for n in unseen], losses[unseen], scheme, args.seed)
        for number, prediction in enumerate(split_predictions):
            prediction["unseen"] = not (copies[number] or near[number])
    with ExitStack() as outputs:
        paths = [outputs.enter_context(whole(path)) for path in (args.metrics, args.predictions, args.errors)]
        write_json(paths[0], metrics)
        write_jsonl(paths[1], predictions)
        write_json(paths[2], errors(rows, tags, scheme))


def seen(train, rows, threshold, characters):
    """Which of `rows` train (a file) holds a copy of, and of which others a near-duplicate: two arrays of booleans."""
    index = NearDuplicates(threshold, characters, lambda number: (rows[number]["tokens"], rows[number]["language"]))
    same = {}  # the key of a sentence → the numbers of its rows, of which the first is in the index
    for number, row in enumerate(rows):
        same.setdefault(key_of(row["tokens"], row["language"]), []).append(number)
    for first, *_ in same.values():
        index.add(first, rows[first]["tokens"], rows[first]["language"])
    copied, similar = set(), np.zeros(len(rows), dtype=bool)
    for batch in parquet_batches(train, ["tokens", "language"]):
        for row in batch:
            copied.add(key_of(row["tokens"], row["language"]))
            for number, _ in index.similar(row["tokens"], row["language"], lambda numbers: ~similar[numbers]):
                similar[number] = True
        copied &= same.keys()
    copies, near = np.zeros(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    for key, numbers in same.items():
        copies[numbers] = key in copied
        near[numbers] = key not in copied and similar[numbers[0]]
    return copies, near


def split_metrics(rows, tags, losses, scheme, seed):
    """What the metrics file says of a split."""
    gold = [row["ner_tags"] for row in rows]
    annotated = [scheme.annotated(row["source"]) for row in rows]
    languages = np.array([row["language"] for row in rows])
    keys = np.array([key_of(row["tokens"], row["language"]) for row in rows], dtype=np.uint64)
    scores = Scores(gold, tags, annotated, scheme.types, keys)
    agree_with_seqeval(scores, gold, tags, annotated)
    overall, by_type = scores.summary(seed)
    by_language = {}
    for language in dict.fromkeys(languages.tolist()):
        block, types = scores.summary(seed, languages == language)
        by_language[language] = block | {"by_type": {name: entry for name, entry in types.items() if entry["support"]}}
    majority, _ = Scores(gold, [[OUTSIDE] * len(right) for right in gold], annotated, scheme.types, keys).summary(seed)
    return {
        "overall": overall | {"loss": loss_a_word(losses, tags), "outside_annotation": int(scores.outside.sum())},
        "by_language": by_language,
        "by_type": by_type,
        "shared_types": shared_types(gold, tags, languages, scheme, seed, keys),
        "majority_baseline": majority,
    }


def shared_types(gold, tags, languages, scheme, seed, keys=None):
    """Scores on the types that every source annotates: over all sentences and by language; overall is None without such types."""
    types = [label for label in scheme.types if all(label in scheme.annotated(source) for source in scheme.sources)]
    if not types:
        return {"types": [], "overall": None, "by_language": {}}
    scores = Scores(gold, tags, [set(types)] * len(gold), types, keys)
    return {
        "types": types,
        "overall": scores.summary(seed)[0],
        "by_language": {language: scores.summary(seed, languages == language)[0] for language in dict.fromkeys(languages.tolist())},
    }


def agree_with_seqeval(scores, gold, tags, annotated):
    """Hold our F1 against seqeval's own; a difference is a fault of lib.ner_scores."""
    sides = ([only(sentence, known) for sentence, known in zip(side, annotated, strict=True)] for side in (gold, tags))
    theirs = f1_score(*sides, mode="strict", scheme=IOB2, zero_division=0) if scores.entities[:, :, 1:].any() else 0.0
    ours = scores.point()["f1"]
    assert abs(ours - theirs) < 1e-9, f"F1 {ours}, by seqeval {theirs}"


def errors(rows, tags, scheme):
    """Kinds of errors by type with examples, the commonest first, and the confusion of types; on annotated types only."""
    gold, predicted, counts, examples = [], [], Counter(), {}
    for number, (row, guess) in enumerate(zip(rows, tags, strict=True)):
        known = scheme.annotated(row["source"])
        gold.append(only(row["ner_tags"], known))
        predicted.append(only(guess, known))
        for kind, expected, found in compare(gold[-1], predicted[-1]):
            error = kind, expected and expected[0], found and found[0]
            counts[error] += 1
            if len(examples.setdefault(error, [])) < EXAMPLES:
                examples[error].append(
                    {
                        "row": number,
                        "language": row["language"],
                        "source": row["source"],
                        "tokens": row["tokens"],
                        "gold": expected and list(expected),
                        "predicted": found and list(found),
                    }
                )
    kinds = Counter()
    for (kind, _, _), count in counts.items():
        kinds[kind] += count
    return {
        "split": "test",
        "kinds": dict(kinds.most_common()),
        "commonest": [
            {"kind": error[0], "gold_type": error[1], "predicted_type": error[2], "count": count, "examples": examples[error]}
            for error, count in counts.most_common(COMMONEST)
        ],
        "confusion": confusion(gold, predicted, scheme.types),
    }


if __name__ == "__main__":
    main()
