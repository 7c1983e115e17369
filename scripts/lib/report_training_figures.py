"""Pictures of the summarizers' data, trainings and pruned layers."""

import re

from lib import figures
from lib.drawing import Drawn, course, say
from lib.report_ner_figures import loss_lines, of_lengths
from lib.report_studies import further_tunings, layers_shown, tunings

LAYER = re.compile(r"(?:.*\.)?(\d+)\.(.+)")
SPREAD = 0.01  # between layers, of the share of zeros
CELL, WIDEST_GRID = (24, 40), 760


def lengths(report, _study):
    """How long articles and references are, in words."""
    panels = [
        {"title": report.label_of("words", f"{text}s"), "shown": report.language.phrase(f"words.{text}s")}
        | {"width": found["width"], "counts": dict(found["counts"])}
        for text, found in report.run["summ"]["stats"]["histograms"].items()
    ]
    return of_lengths(report, panels, "part")


def tuning(report, _study):
    return of_trainings(report, tunings(report.run["config"]))


def tuning_again(report, _study):
    return of_trainings(report, ["smollm2_tuned", *further_tunings(report.run["config"])])


def of_trainings(report, names):
    """Losses of several trainings on the same axes; a ring marks the weights that were kept."""
    language, panels, seen, rows = report.language, [], [], []
    step = report.label_of("figures", "step_axis")
    for name in names:
        system = report.system(name)
        lines, best = loss_lines(report, system["log"]), system["training"]["best_step"]
        ring = next(
            ((row["step"], row["validation_loss"]) for row in system["log"] if row["step"] == best and "validation_loss" in row), None
        )
        panels.append({"title": report.label(name), "lines": lines, "ring": ring})
        for line in lines:
            what = f"{report.label(name)}{language.entry('words.comma')}{line['group']}"
            seen.append(course(report, what, line["points"], lambda value: language.num(value, 3), step))
        for row in system["log"]:
            losses = [language.num(row.get(key), 4) for key in ("loss", "validation_loss")]
            rows.append([report.title(name), language.integer(row["step"]), *losses])
    svg = figures.trainings(panels, step, common=True)
    return Drawn(svg, seen, ["system", "#step", "#loss", "#validation_loss"], rows)


def sparsity(report, _study):
    """The share of zeros in every layer of the pruned models; of studies those whose layers differ in it."""
    language, panels, seen, rows = report.language, [], [], []
    own, others = layers_shown(report.run["config"])
    names = [*own, *(name for name in others if spread(report.system(name)["sparsity"]) >= SPREAD)]
    for name in names:
        table = report.system(name)["sparsity"]
        layers = {layer: row for layer, row in table.items() if layer not in ("prunable", "total")}
        places = {layer: (int(found[1]), found[2]) if (found := LAYER.fullmatch(layer)) else (0, layer) for layer in layers}
        short = short_names([part for _, part in places.values()])
        panels.append(
            {
                "title": report.label(name),
                "columns": sorted({block for block, _ in places.values()}),
                "rows": [report.plain(part) for part in short.values()],
                "cells": [
                    {
                        "x": block,
                        "y": report.plain(short[part]),
                        "share": layers[layer]["sparsity"],
                        "text": f"{100 * layers[layer]['sparsity']:.0f}",
                    }
                    for layer, (block, part) in places.items()
                ],
            }
        )
        shares = [row["sparsity"] for row in layers.values()]
        values = {"low": min(shares), "high": max(shares), "total": table["total"]["sparsity"]}
        shown = {key: language.percent(value, 1) for key, value in values.items()}
        seen.append(say(report, "sparsity" if shown["low"] != shown["high"] else "even", title=report.label(name), **shown))
        for layer, row in layers.items():
            counts = [language.integer(row[key]) for key in ("zeros", "weights")]
            rows.append([report.title(name), report.code(layer), *counts, language.percent(row["sparsity"], 2)])
    step = min(max(WIDEST_GRID // max(len(panel["columns"]) for panel in panels), CELL[0]), CELL[1])
    svg = figures.cells(panels, report.label_of("figures", "block_axis"), None, step)
    columns = ["system", "layer", "#zeros", "#weights", "#sparsity"]
    return Drawn(svg, seen, columns, rows)


def spread(table):
    shares = [row["sparsity"] for layer, row in table.items() if layer not in ("prunable", "total")]
    return max(shares) - min(shares)


def short_names(names):
    """The last part of each dotted name, where that tells them apart."""
    short = {name: name.rsplit(".", 1)[-1] for name in dict.fromkeys(names)}
    return short if len(set(short.values())) == len(short) else {name: name for name in short}


KINDS = {"lengths": lengths, "tuning": tuning, "tuning_again": tuning_again, "sparsity": sparsity}
