r"""All systems' scores side by side, each tested against its parent and against the systems to compare with.

    python scripts/compare_systems.py --systems '{"smollm2_tuned": {"kind": "finetune", "parent": null}, …}' \
        --by-article smollm2_tuned=SCORES.csv … --compare-to lead3 smollm2_base --seed 42 --output COMPARISON.csv

reads    SCORES.csv      scores by article, as score.py writes them: one file a system
writes   COMPARISON.csv  one row a system, in the order of --by-article: system, kind, parent, n, each metric with its interval
                         (_low, _high), and for each system that it is compared with {metric}_minus_{other} and {metric}_p_{other},
                         blank where there is no comparison

Intervals are 95 % percentile bootstrap intervals over the articles; p-values are two-sided, from a paired bootstrap test.
"""

import lib.offline  # noqa: F401

import pandas as pd

from lib.intervals import block, paired_tests, resampled_means
from lib.program import InputError, json_value, named_file, parser, program
from lib.publish import whole


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--systems", required=True, type=json_value)
    command.add_argument("--by-article", required=True, type=named_file, nargs="+", metavar="SYSTEM=SCORES.csv")
    command.add_argument("--compare-to", nargs="*", default=[])
    command.add_argument("--seed", required=True, type=int)
    command.add_argument("--output", required=True)
    args = command.parse_args(argv)
    args.by_article = dict(args.by_article)
    if set(args.by_article) != set(args.systems):
        command.error(f"--by-article: found {', '.join(args.by_article)}; expected {', '.join(args.systems)}, as --systems names them")
    for name in [*args.compare_to, *(system["parent"] for system in args.systems.values() if system["parent"])]:
        if name not in args.systems:
            command.error(f"there is no system {name!r} to compare with; expected one of {', '.join(args.systems)}")
    return args


@program
def main(argv=None):
    args = arguments(argv)
    scores = {name: pd.read_csv(path, index_col="id", dtype={"id": str}, keep_default_na=False) for name, path in args.by_article.items()}
    first, *others = scores
    for name in others:
        if not (scores[name].index.equals(scores[first].index) and scores[name].columns.equals(scores[first].columns)):
            raise InputError(
                f"{args.by_article[name]}: its articles or metrics differ from those of {args.by_article[first]}; "
                "expected the same in the same order; delete both and run the workflow again"
            )
    rows = [row(name, args.systems[name], scores, args.compare_to, args.seed) for name in scores]
    with whole(args.output) as part:
        pd.DataFrame(rows).to_csv(part, index=False, lineterminator="\n")


def row(name, system, scores, compare_to, seed):
    ours = scores[name]
    cells = {"system": name, "kind": system["kind"], "parent": system["parent"], "n": len(ours)}
    for metric, means in zip(ours, resampled_means(ours.to_numpy(), seed).T, strict=True):
        interval = block(ours[metric].mean(), means)
        cells |= {metric: interval["value"], f"{metric}_low": interval["low"], f"{metric}_high": interval["high"]}
    for other in dict.fromkeys(filter(None, [system["parent"], *compare_to])):
        if other != name:
            differences, p_values = paired_tests(ours.to_numpy(), scores[other].to_numpy(), seed)
            for metric, difference, p in zip(ours, differences, p_values, strict=True):
                cells |= {f"{metric}_minus_{other}": difference, f"{metric}_p_{other}": p}
    return cells


if __name__ == "__main__":
    main()
