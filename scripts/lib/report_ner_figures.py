"""Pictures of the tagger: its data (labels, lengths), its training, its scores by type, and which types it takes for which."""

from lib import figures
from lib.drawing import Column, Drawn, course, extremes, plot_score, say
from lib.program import InputError

SCORES = ("accuracy", "precision", "recall", "f1")
FEWEST = 100  # texts, below which a split's shares of lengths are noise


def labels(report, _study):
    """How many entities of each type the sentences used hold, by data set and split."""
    language, parts = report.language, report.run["ner"]["cleaning"]["splits"]
    titles = dataset_titles(report)
    counts = {}  # data set → type → split → entities
    for part in parts:
        for kind, count in part["kept"]["entities"].items():
            counts.setdefault(part["dataset"], {}).setdefault(kind, {})[part["split"]] = count
    types = [kind for kind in report.run["ner"]["labels"]["types"] if any(kind in found for found in counts.values())]
    types.sort(key=lambda kind: -sum(sum(found.get(kind, {}).values()) for found in counts.values()))
    words = {split: report.label_of("words", split) for split in dict.fromkeys(part["split"] for part in parts)}
    rows = [
        {"label": report.plain(kind)}
        | {dataset: {words[split]: found[kind].get(split, 0) for split in words} for dataset, found in counts.items() if kind in found}
        for kind in types
    ]
    panels = {dataset: titles[dataset] for dataset in counts}
    seen = []
    for dataset, found in counts.items():
        sums = {report.plain(kind): sum(found[kind].values()) for kind in types if kind in found}
        seen.append(extremes(report, titles[dataset], sums, language.integer))
    cells = [
        [report.asset_title(part["dataset"]), language.phrase(f"words.{part['split']}")]
        + [language.integer(part["kept"]["entities"].get(kind, 0)) for kind in types]
        for part in parts
    ]
    columns = ["dataset", "split", *(Column(report.code(kind)) for kind in types)]
    svg = figures.bars(rows, panels, report.label_of("figures", "entities_axis"))
    return Drawn(svg, seen, columns, cells)


def lengths(report, _study):
    """How long the sentences used are."""
    width, titles, panels = report.run["ner"]["cleaning"]["length_width"], dataset_titles(report), {}
    for part in report.run["ner"]["cleaning"]["splits"]:
        if part["kept"]["rows"]:
            panels.setdefault(part["dataset"], {})[part["split"]] = part["kept"]["lengths"]
    panels = [
        {"title": titles[name], "shown": report.asset_title(name), "width": width, "counts": counts} for name, counts in panels.items()
    ]
    return of_lengths(report, panels, "dataset")


def of_lengths(report, panels, what):
    """`panels` as [{"title", "shown": the title in a table, "width", "counts": {split: texts a bin}}]."""
    language, seen, rows = report.language, [], []
    splits = list(dict.fromkeys(split for panel in panels for split in panel["counts"]))
    words = {split: report.label_of("words", split) for split in splits}
    for panel in panels:
        panel["shares"] = {}
        most = max(map(sum, panel["counts"].values()))
        for split, counts in panel["counts"].items():
            if sum(counts) < min(FEWEST, most):
                continue
            shares = panel["shares"][words[split]] = [100 * count / sum(counts) for count in counts]
            place = shares.index(max(shares))
            values = {"share": language.percent(shares[place] / 100, 0), "bin": bin_name(report, panel["width"], place, len(shares))}
            seen.append(say(report, "peak", title=panel["title"], group=words[split], **values))
        bins = max(map(len, panel["counts"].values()))
        for place in range(bins):
            cells = [language.integer(panel["counts"][split][place]) if split in panel["counts"] else "–" for split in splits]
            rows.append([panel["shown"], bin_name(report, panel["width"], place, bins), *cells])
    columns = [what, "#length", *(Column(language.phrase(f"words.{split}")) for split in splits)]
    svg = figures.distributions(panels, report.label_of("figures", "words_axis"), report.label_of("figures", "share_axis"))
    return Drawn(svg, seen, columns, rows)


def bin_name(report, width, place, bins):
    """The lengths of a bin of a histogram in words; the last one holds all longer ones."""
    low, high = place * width, (place + 1) * width - 1
    number = report.language.integer
    if place == bins - 1:
        return report.language.phrase("figures.at_least", low=number(low))
    return number(low) if low == high else report.language.phrase("figures.from_to", low=number(low), high=number(high))


def training(report, _study):
    """Losses, and what was measured on the validation data, over the steps of the tagger's training."""
    log, language = report.run["ner"]["log"], report.language
    panels = [
        {"title": report.label_of("figures", "loss"), "lines": loss_lines(report, log), "ring": None},
        {"title": report.label_of("figures", "validation_scores"), "lines": [], "ring": None},
    ]
    evaluated = [row for row in log if "validation_loss" in row]
    for score in SCORES:
        points = [(row["step"], row[score]) for row in evaluated]
        panels[1]["lines"].append({"group": report.label_of("metrics", score), "marked": True, "points": points})
    step, lines = report.label_of("figures", "step_axis"), [line for panel in panels for line in panel["lines"]]
    seen = [course(report, line["group"], line["points"], lambda value: language.num(value, 3), step) for line in lines]
    svg = figures.trainings(panels, step, common=False)
    return Drawn(svg, seen, [], [])


def loss_lines(report, log):
    """The lines of a training's losses: what was logged in training, and what was measured on the validation data."""
    lines = []
    for key, name in (("loss", "training_loss"), ("validation_loss", "validation_loss")):
        points = [(row["step"], row[key]) for row in log if key in row]
        if points:
            lines.append({"group": report.label_of("figures", name), "marked": key != "loss" or len(points) == 1, "points": points})
    return lines


def types(report, _study):
    """F1 of each type in each language of the test set."""
    language, test, rows, cells = report.language, report.run["ner"]["metrics"]["test"], [], []
    found = {code: block["by_type"] for code, block in test["by_language"].items()}
    titles = {code: report.plain(language.name(code)) for code in found}
    for kind, block in test["by_type"].items():
        scored = [code for code in found if kind in found[code]]  # a language that has none of a type has no scores of it
        counted = sum(found[code][kind]["support"] for code in scored)
        if counted != block["support"]:
            lacking = " or ".join(f"test.by_language.{code}.by_type.{kind}" for code in found if code not in scored)
            raise InputError(
                f"{test._source}: test.by_type.{kind} counts {block['support']} entities, the languages {counted} of them; "
                f"expected {lacking}; run the rule that writes the file again"
            )
        for code in scored:
            block = found[code][kind]
            rows.append({"label": report.plain(kind), "group": titles[code], "f1": plot_score(block["f1"])})
            scores = [language.fraction(block[score]) for score in ("f1", "precision", "recall")]
            cells.append([report.code(kind), language.name(code), language.integer(block["support"]), *scores])
    seen = []
    for code, blocks in found.items():
        values = {report.plain(kind): block["f1"]["value"] for kind, block in blocks.items()}
        what = f"F1{language.entry('words.comma')}{titles[code]}"
        seen += [extremes(report, what, values, lambda value: language.num(value, 3))] if values else []
    svg = figures.intervals(rows, {"f1": report.label_of("metrics", "f1")})
    return Drawn(svg, seen, ["type", "language", "#support", "#f1", "#precision", "#recall"], cells)


def confusion(report, _study):
    """Entities of the test set by their type in the data and the type predicted."""
    language, table = report.language, report.run["ner"]["errors"]["confusion"]
    shown = [report.label_of("words", "no_entity") if label == "none" else report.plain(label) for label in table["labels"]]
    cells, confused, right = [], {}, {}
    for gold, counts in zip(shown, table["counts"], strict=True):
        total = sum(counts)
        for predicted, count in zip(shown, counts, strict=True):
            if gold != shown[-1] or predicted != shown[-1]:  # what is no entity in both is counted nowhere
                cells.append({"x": predicted, "y": gold, "share": count / total if total else 0, "text": f"{count:,}" if count else ""})
                if predicted == gold and total:
                    right[gold] = count / total
                elif count and shown[-1] not in (gold, predicted):
                    confused[gold, predicted] = count
    seen = [extremes(report, report.label_of("figures", "right_share"), right, lambda share: language.percent(share, 0))] if right else []
    if confused:
        gold, predicted = max(confused, key=confused.get)
        seen.append(say(report, "confused", gold=gold, predicted=predicted, count=language.integer(confused[gold, predicted])))
    heads = [language.phrase("words.no_entity") if label == "none" else report.code(label) for label in table["labels"]]
    rows = [[head, *map(language.integer, counts)] for head, counts in zip(heads, table["counts"], strict=True)]
    rows[-1][-1] = "–"
    axes = [report.label_of("tables", name) for name in ("predicted_type", "gold_type")]
    svg = figures.cells([{"title": None, "columns": shown, "rows": shown, "cells": cells}], *axes, step=62)
    return Drawn(svg, seen, ["gold_type", *map(Column, heads)], rows)


def dataset_titles(report):
    return {
        part["dataset"]: report.plain(report.run["assets"][part["dataset"]]["title"]) for part in report.run["ner"]["cleaning"]["splits"]
    }


KINDS = {
    "ner_labels": labels,
    "ner_lengths": lengths,
    "ner_training": training,
    "ner_types": types,
    "confusion": confusion,
}
