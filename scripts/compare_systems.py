r"""Systems' scores side by side, each tested against the systems to compare with.

    python scripts/compare_systems.py --systems-folder results/demo/summarization/systems --systems smollm2_tuned=finetune \
        smollm2_pruned=prune:smollm2_tuned … --parents --compare-to lead3 smollm2_base --family smollm2_tuned … --seed 42 \
        --output COMPARISON.csv

reads    SYSTEM/scores_by_article.csv    in the folder of systems, as score.py writes them
writes   COMPARISON.csv                  one row a system, in the order of --systems: system, kind, parent, n, each metric with its
                                         interval (_low, _high), and for each system that it is compared with {metric}_minus_{other},
                                         {metric}_p_{other} and {metric}_holm_{other}, blank where there is no comparison

Intervals are 95 % percentile bootstrap intervals over the articles; p-values are two-sided, from a paired bootstrap test. In the columns
_holm they are corrected (Holm 1979) for the number of tests of the same metric in this file between systems of the family; blank for
others; both directions of a pair are one test.
"""

import argparse

import lib.offline  # noqa: F401

import numpy as np
import pandas as pd

from lib.intervals import block, holm, paired_tests, resampled_means
from lib.program import InputError, existing_folder, parser, program
from lib.publish import whole


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--systems-folder", required=True, type=existing_folder)
    command.add_argument("--systems", required=True, nargs="+", type=system_entry, metavar="SYSTEM=KIND[:PARENT]")
    command.add_argument("--parents", action="store_true", help="test each system against its parent too")
    command.add_argument("--compare-to", nargs="*", default=[], metavar="SYSTEM", help="test all others against these")
    command.add_argument("--family", nargs="*", default=[], metavar="SYSTEM", help="systems whose tests are corrected together")
    command.add_argument("--seed", required=True, type=int)
    command.add_argument("--output", required=True)
    args = command.parse_args(argv)
    args.systems = {name: {"kind": kind, "parent": parent} for name, kind, parent in args.systems}
    parents = [system["parent"] for system in args.systems.values() if args.parents and system["parent"]]
    for name in [*args.compare_to, *args.family, *parents]:
        if name not in args.systems:
            command.error(f"there is no system {name!r} among --systems; expected one of {', '.join(args.systems)}")
    return args


def system_entry(text):
    """Argument type: SYSTEM=KIND or SYSTEM=KIND:PARENT, as three values; short, since a run can have a thousand systems."""
    name, _, rest = text.partition("=")
    kind, _, parent = rest.partition(":")
    if not (name and kind):
        raise argparse.ArgumentTypeError(f"{text} names no system and its kind; expected SYSTEM=KIND or SYSTEM=KIND:PARENT")
    return name, kind, parent or None


@program
def main(argv=None):
    args = arguments(argv)
    scores = {name: read_scores(args.systems_folder / name / "scores_by_article.csv") for name in args.systems}
    first, *others = scores
    for name in others:
        if not (scores[name].index.equals(scores[first].index) and scores[name].columns.equals(scores[first].columns)):
            raise InputError(
                f"{args.systems_folder / name}: the articles or metrics of its scores differ from those of {first}; "
                "expected the same in the same order; delete the scores of both and run the workflow again"
            )
    rows = [
        row(name, system, scores, [*([system["parent"]] if args.parents else []), *args.compare_to], args.seed)
        for name, system in args.systems.items()
    ]
    for metric in scores[first]:
        correct(rows, metric, args.family)
    with whole(args.output) as part:
        pd.DataFrame(rows).to_csv(part, index=False, lineterminator="\n")


def read_scores(path):
    """A system's scores, an article a row. Raises InputError for a file that is no table of numbers."""
    try:
        table = pd.read_csv(path, index_col="id", dtype={"id": str}, keep_default_na=False)
        return table.astype(float)
    except ValueError as error:  # pandas' own among them
        raise InputError(f"{path}: no scores that can be read ({error}); expected a number a metric and article; delete the file") from None


def row(name, system, scores, compare_to, seed):
    """A system's cells, without corrected p-values."""
    ours = scores[name]
    cells = {"system": name, "kind": system["kind"], "parent": system["parent"], "n": len(ours)}
    for metric, means in zip(ours, resampled_means(ours.to_numpy(), seed).T, strict=True):
        interval = block(ours[metric].mean(), means)
        cells |= {metric: interval["value"], f"{metric}_low": interval["low"], f"{metric}_high": interval["high"]}
    others = [other for other in dict.fromkeys(filter(None, compare_to)) if other != name]
    if others:
        tests = paired_tests(np.hstack([ours.to_numpy() - scores[other].to_numpy() for other in others]), seed)
        names = [(metric, other) for other in others for metric in ours]
        for (metric, other), difference, p in zip(names, *tests, strict=True):
            cells |= {f"{metric}_minus_{other}": difference, f"{metric}_p_{other}": p, f"{metric}_holm_{other}": None}
    return cells


def correct(rows, metric, family):
    """Fill the corrected p-values of a metric's tests within the family. Both directions of a pair are one test."""
    tests = {}
    for cells in rows:
        for other in family:
            if cells["system"] in family and f"{metric}_p_{other}" in cells:
                tests.setdefault(frozenset((cells["system"], other)), []).append((cells, other))
    p_values = [cells[f"{metric}_p_{other}"] for (cells, other), *_ in tests.values()]
    for same, p in zip(tests.values(), holm(p_values), strict=True):
        for cells, other in same:
            cells[f"{metric}_holm_{other}"] = p


if __name__ == "__main__":
    main()
