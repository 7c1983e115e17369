r"""Two runs side by side: their scores, what differs by more than noise, and the settings that differ.

    python scripts/compare.py --results results --left demo --right full --seed 42 --output results/comparisons/demo-full

reads    results/RUN/config.yaml, ner/metrics.json, summarization/systems/*/scores_by_article.csv, speed.json of both runs
writes   OUTPUT/comparison.json  scores and settings, as the tables have them
         OUTPUT/comparison.md    the same as tables

A system is compared with the one of the same name. Where both runs summarized the same articles (ids and references), the test is a paired
bootstrap; else articles of each run are drawn by themselves, and a difference can be that of the articles. p-values are corrected (Holm
1979) for the number of systems, within each score. Scores of named entities are compared by their intervals, as if the runs' test sentences
were drawn independently: p is the normal one of the difference over the root of the sum of the squared half-widths, corrected for the
number of blocks within each score. Where the sentences are the same, this asks for more than it must.
"""

from pathlib import Path
from statistics import NormalDist

import lib.offline  # noqa: F401

import pandas as pd
import yaml

from lib.intervals import RESAMPLES, holm, paired_tests, resampled_means
from lib.markdown_text import code, escape, literal_code_spans
from lib.program import InputError, existing_folder, parser, program, progress
from lib.publish import whole
from lib.records import read_json, read_jsonl, write_json
from lib.settings import compared

NER_SCORES = ("precision", "recall", "f1")
SPEEDS = ("seconds", "new_tokens_per_second", "peak_memory_bytes", "bytes_on_disk")
LEVEL = 0.05
HALF_WIDTH = NormalDist().inv_cdf(1 - LEVEL / 2)  # of a 95 % interval, in standard errors


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--results", required=True, type=existing_folder)
    command.add_argument("--left", required=True)
    command.add_argument("--right", required=True)
    command.add_argument("--seed", required=True, type=int)
    command.add_argument("--output", required=True)
    args = command.parse_args(argv)
    for side in ("left", "right"):
        if not (args.results / getattr(args, side) / "config.yaml").is_file():
            runs = sorted(path.parent.name for path in args.results.glob("*/config.yaml"))
            command.error(
                f"--{side}: there is no finished run {getattr(args, side)} in {args.results}; found {', '.join(runs) or 'none'}; "
                f"name one of them: --config left=… right=…"
            )
    return args


@program
def main(argv=None):
    args = arguments(argv)
    runs = [args.results / args.left, args.results / args.right]
    configs = [yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8")) for run in runs]
    comparison = {
        "left": args.left,
        "right": args.right,
        "ner": corrected(list(ner_scores(*runs)), "score"),
        "summarization": corrected(list(summary_scores(*runs, configs, args.seed)), "metric"),
        "speed": list(speeds(*runs, configs)),
        "only_left": only(*configs),
        "only_right": only(*reversed(configs)),
        "settings": compared(*configs, "left", "right"),
    }
    with whole(args.output) as folder:
        folder.mkdir()
        write_json(folder / "comparison.json", comparison)
        (folder / "comparison.md").write_text(markdown(comparison), encoding="utf-8")
    progress(f"written to {Path(args.output) / 'comparison.md'}")


# ------------------------------------------------------------------ scores


def corrected(rows, score):
    """The rows with `holm`, their p-values corrected within the same score, and `beyond_noise`, which it decides."""
    for family in dict.fromkeys(row[score] for row in rows):
        members = [row for row in rows if row[score] == family]
        for row, p in zip(members, holm([row["p"] for row in members]), strict=True):
            row |= {"holm": float(p), "beyond_noise": bool(p < LEVEL)}
    return rows


def ner_scores(left, right):
    """Rows of the scores that both runs have: of all sentences, of each language, of each type."""
    blocks = [dict(ner_blocks(read_json(run / "ner" / "metrics.json")["test"])) for run in (left, right)]
    for place in blocks[0]:
        if place in blocks[1]:
            for score in NER_SCORES:
                one, other = (block[place][score] for block in blocks)
                difference = other["value"] - one["value"]
                sizes = [block[place]["support"] for block in blocks]
                yield {"of": place, "score": score, "left": one, "right": other, "difference": difference} | {
                    "support": sizes,
                    "p": normal_p(difference, one, other),
                }


def normal_p(difference, *blocks):
    """The two-sided p-value of a difference of two independent scores, from their intervals; 1 without any difference."""
    width = sum((block["high"] - block["low"]) ** 2 for block in blocks) ** 0.5 / 2
    if difference == 0:
        return 1.0
    return 2 * NormalDist().cdf(-abs(difference) / width * HALF_WIDTH) if width else 0.0


def ner_blocks(test):
    yield "all", test["overall"]
    yield from test["by_language"].items()
    yield from test["by_type"].items()


def summary_scores(left, right, configs, seed):
    """Rows of the systems that both runs have."""
    systems = [config["summarization"]["systems"] for config in configs]
    for name in systems[0]:
        if name in systems[1]:
            tables = [read_scores(run / "summarization" / "systems" / name / "scores_by_article.csv") for run in (left, right)]
            metrics = [metric for metric in tables[0].columns if metric in tables[1].columns]
            values = [table[metrics].to_numpy() for table in tables]
            same = tables[0].index.equals(tables[1].index) and same_references(left, right, name)
            differences, p_values = paired_tests(values[1] - values[0], seed) if same else unpaired_tests(*values, seed)
            for number, metric in enumerate(metrics):
                yield {
                    "system": name,
                    "metric": metric,
                    "left": float(values[0][:, number].mean()),
                    "right": float(values[1][:, number].mean()),
                    "difference": float(differences[number]),
                    "p": float(p_values[number]),
                    "articles": [len(table) for table in tables],
                    "same_articles": same,
                }


def same_references(left, right, system):
    """Ids can be row numbers, which other data share."""
    rows = [read_jsonl(run / "summarization" / "systems" / system / "predictions.jsonl") for run in (left, right)]
    one, other = ([row["reference"] for row in side] for side in rows)
    return one == other


def unpaired_tests(left, right, seed):
    """Differences of means, right minus left, and two-sided p-values by a bootstrap of the centred means of each side by itself."""
    observed = right.mean(axis=0) - left.mean(axis=0)
    drawn = resampled_means(right - right.mean(axis=0), seed) - resampled_means(left - left.mean(axis=0), seed + 1)
    return observed, ((abs(drawn) >= abs(observed) - 1e-12).sum(axis=0) + 1) / (RESAMPLES + 1)


def read_scores(path):
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; expected the scores of a finished run; run that workflow to its end")
    return pd.read_csv(path, index_col="id", dtype={"id": str}, keep_default_na=False)


def speeds(left, right, configs):
    """Rows of time, speed and size; what depends on the machine is no matter of noise."""
    systems = [config["summarization"]["systems"] for config in configs]
    for name in systems[0]:
        if name in systems[1]:
            records = [read_json(run / "summarization" / "systems" / name / "speed.json") for run in (left, right)]
            found = [key for key in SPEEDS if all(record.get(key) is not None for record in records)]
            devices = [record.get("device") for record in records]
            yield {"system": name, "devices": devices} | {key: [record[key] for record in records] for key in found}


def only(ours, theirs):
    """The systems of one configuration that the other lacks."""
    return [name for name in ours["summarization"]["systems"] if name not in theirs["summarization"]["systems"]]


# ------------------------------------------------------------------ as text


def markdown(comparison):
    left, right = (code(comparison[side]) for side in ("left", "right"))
    lines = [
        f"# {left} and {right}",
        "",
        f"Differences are {right} minus {left}. **Bold**: more than noise, "
        f"at a level of {LEVEL} for the p-value that is corrected for all rows of the same score.",
        "",
    ]
    lines += ["## Named entities", ""]
    lines += table(
        ("of", "score", left, right, "difference", "p", "corrected"),
        [
            [
                escape(row["of"]),
                row["score"],
                interval(row["left"]),
                interval(row["right"]),
                bold(f"{row['difference']:+.3f}", row),
                *p_values(row),
            ]
            for row in comparison["ner"]
        ],
    )
    different = sum(not row["same_articles"] for row in comparison["summarization"])
    lines += ["## Summaries", ""]
    if different:
        lines += ["The runs summarized different articles: a difference can be that of the articles.", ""]
    lines += table(
        ("system", "score", left, right, "difference", "p", "corrected", "articles"),
        [
            [
                code(row["system"]),
                row["metric"],
                f"{row['left']:.2f}",
                f"{row['right']:.2f}",
                bold(f"{row['difference']:+.2f}", row),
                *p_values(row),
                row["articles"][0] if row["same_articles"] else " and ".join(map(str, row["articles"])),
            ]
            for row in comparison["summarization"]
        ],
    )
    for side, name in (("left", left), ("right", right)):
        if comparison[f"only_{side}"]:
            lines += [f"Only {name} has {', '.join(map(code, comparison[f'only_{side}']))}.", ""]
    lines += ["## Time and size", ""]
    lines += table(
        ("system", *(f"{key} {name}" for key in SPEEDS for name in (left, right))),
        [[code(row["system"]), *(number(value) for key in SPEEDS for value in row.get(key, [None, None]))] for row in comparison["speed"]],
    )
    lines += ["## Settings that differ", ""]
    lines += table(
        ("key", left, right),
        [[code(row["key"]), setting(row, "left"), setting(row, "right")] for row in comparison["settings"]],
    )
    return literal_code_spans("\n".join(lines))


def p_values(row):
    return [f"{row[kind]:.4f}" for kind in ("p", "holm")]


def table(columns, rows):
    if not rows:
        return ["None.", ""]
    return [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}", *(f"| {' | '.join(map(str, row))} |" for row in rows), ""]


def interval(block):
    return f"{block['value']:.3f} [{block['low']:.3f}, {block['high']:.3f}]"


def bold(text, row):
    return f"**{text}**" if row["beyond_noise"] else text


def number(value):
    return "" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.2f}"


def setting(row, side):
    return escape(row[side]) if side in row else ""


if __name__ == "__main__":
    main()
