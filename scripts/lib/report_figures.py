"""The pictures of a report: which data of the run each shows, in the words of the report's language, with the table behind it."""

from dataclasses import dataclass, field

from lib import figures
from lib.report_data import reading
from lib.report_language import PERSIAN
from lib.report_studies import group, in_curve, members, position, studies, subject
from lib.systems import own_systems

COSTS = {"speed": "new_tokens_per_second", "loaded": "bytes_loaded", "peak_memory": "peak_memory_bytes"}
LOSS = "validation_loss"


@dataclass
class Picture:
    svg: str
    title: str
    columns: list  # of the table behind it: names under `tables` or `metrics` in the texts, `#` before those of figures
    rows: list  # of the same table, as Markup
    files: set = field(default_factory=set)  # of the run, from which it was drawn


def pictures(report, names):
    """{name: Picture}."""
    found = {}
    for name in names:
        with reading() as files:
            found[name] = picture(report, name)
        found[name].files = files
    return found


def picture(report, name):
    study = name.removeprefix("study_")
    if name == "scores":
        drawn = of_systems(report, own_systems(report.run["config"]))
        title = str(report.language.phrase("figures.scores"))
    else:
        kind = kind_of(report.run["config"], study)
        drawn = KINDS[kind](report, study)
        title = str(report.language.phrase(f"figures.{kind}", study=study))
    description = report.language.phrase("figures.described")
    digits = PERSIAN if report.language.code == "fa" else None
    svg, columns, rows = drawn
    return Picture(figures.described(svg, f"figure-{name}", title, description, digits), title, columns, rows)


def kind_of(config, study):
    """How a study is drawn: a curve over its axis, a score against its costs, or scores by system."""
    entry = studies(config)[study]
    if entry.get("axis"):
        return entry["axis"]
    return "costs" if subject(config, entry) == "precision" else "systems"


def plot_score(block):
    return {part: block[part] for part in ("value", "low", "high")}


# ------------------------------------------------------------------ kinds of pictures, each as (svg, columns, rows)


def of_systems(report, names):
    rows = []
    for name in names:
        system = report.system(name)
        kind = report.label_of("kinds", system["config"]["kind"])
        rows.append(
            {"label": report.label(name), "group": kind, **{metric: plot_score(system["scores"][metric]) for metric in report.deciding}}
        )
    svg = figures.intervals(rows, {metric: report.label_of("metrics", metric) for metric in report.deciding})
    table = [[report.title(name), *(report.score(name, metric) for metric in report.deciding)] for name in names]
    return svg, ["system", *(f"#{metric}" for metric in report.deciding)], table


def of_study(report, study):
    return of_systems(report, members(report.run["config"], studies(report.run["config"])[study]))


def of_curve(report, study):
    config = report.run["config"]
    entry, language = studies(config)[study], report.language
    names, baseline = in_curve(config, study), studies(config)[study]["baseline"]
    with_loss = entry["axis"] == "amount"
    panels = {"rouge1": report.label_of("metrics", "rouge1")} | ({LOSS: report.label_of("figures", LOSS)} if with_loss else {})
    points, table = [], []
    for name in sorted(names, key=lambda name: position(config, study, name)):
        system = report.system(name)
        line, x = report.line(group(config, study, name)), position(config, study, name)
        measured = {"rouge1": plot_score(system["scores"]["rouge1"]), LOSS: plot_score(system[LOSS]) if with_loss else None}
        points.append({"group": line, "x": 100 * x if with_loss else x, **measured})
        cells = [report.title(name), language.percent(x, 0) if with_loss else language.integer(x), report.score(name, "rouge1")]
        table.append([*cells, *([language.interval(system[LOSS], 3)] if with_loss else [])])
    lines = list(dict.fromkeys(point["group"] for point in points))
    points.sort(key=lambda point: lines.index(point["group"]))
    levels = {"rouge1": report.system(baseline)["scores"]["rouge1"]["value"]}
    cells = [report.title(baseline), "–", report.score(baseline, "rouge1")]
    if with_loss:
        levels[LOSS] = report.system(baseline)[LOSS]["value"]
        cells.append(language.interval(report.system(baseline)[LOSS], 3))
    svg = figures.curves(points, panels, report.label_of("figures", f"{entry['axis']}_axis"), levels)
    return svg, ["system", f"#{entry['axis']}", "#rouge1", *([f"#{LOSS}"] if with_loss else [])], [cells, *table]


def of_costs(report, study):
    names = [name for name in members(report.run["config"], studies(report.run["config"])[study]) if name in report.measured_systems()]
    points, table = [], []
    for name in names:
        speed = report.system(name)["speed"]
        costs = {cost: speed[key] if cost == "speed" else megabytes(speed[key]) for cost, key in COSTS.items()}
        points.append({"group": report.label(name), **plot_score(report.system(name)["scores"]["rouge1"]), **costs})
        sizes = [report.language.megabytes(speed[COSTS[cost]]) for cost in ("loaded", "peak_memory")]
        table.append([report.title(name), report.score(name, "rouge1"), report.language.num(speed[COSTS["speed"]]), *sizes])
    panels = {cost: report.label_of("figures", f"{cost}_axis") for cost in COSTS}
    svg = figures.scatter(points, panels, report.label_of("metrics", "rouge1"))
    return svg, ["system", "#rouge1", *(f"#{cost}" for cost in COSTS)], table


def megabytes(number):
    return None if number is None else number / 1e6


KINDS = {"amount": of_curve, "shots": of_curve, "costs": of_costs, "systems": of_study}
