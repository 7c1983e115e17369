"""Pictures of systems: their scores, what these cost, and the curves of studies."""

from lib import figures
from lib.drawing import Drawn, course, extremes, plot_score, say
from lib.report_studies import DENSE, group, in_curve, measured, members, of_pruning, position, sparse_and_dense, studies
from lib.systems import own_systems

COSTS = {"speed": "new_tokens_per_second", "loaded": "bytes_loaded", "peak_memory": "peak_memory_bytes"}
LOSS = "validation_loss"
SCORE = "rouge1"  # of curves, and against costs


def scores(report, _study):
    return of_systems(report, own_systems(report.run["config"]))


def systems(report, study):
    return of_systems(report, of_study(report, study))


def of_systems(report, names):
    language, rows, seen = report.language, [], []
    for name in names:
        system = report.system(name)
        kind = report.label_of("kinds", system["config"]["kind"])
        measured_ = {metric: plot_score(system["scores"][metric]) for metric in report.deciding}
        rows.append({"label": report.label(name), "group": kind, **measured_})
    panels = {metric: report.label_of("metrics", metric) for metric in report.deciding}
    for metric, title in panels.items():
        seen.append(extremes(report, title, {row["label"]: row[metric]["value"] for row in rows}, language.num))
    table = [[report.title(name), *(report.score(name, metric) for metric in report.deciding)] for name in names]
    columns = ["system", *(f"#{metric}" for metric in report.deciding)]
    return Drawn(figures.intervals(rows, panels), seen, columns, table)


def curve(report, study):
    config = report.run["config"]
    entry, language = studies(config)[study], report.language
    names, baseline = in_curve(config, study), entry["baseline"]
    with_loss = entry["axis"] == "amount"
    panels = {SCORE: report.label_of("metrics", SCORE)} | ({LOSS: report.label_of("figures", LOSS)} if with_loss else {})
    points, table = [], []
    for name in sorted(names, key=lambda name: position(config, study, name)):
        line, x = report.line(group(config, study, name)), position(config, study, name)
        points.append({"group": line, "x": 100 * x if with_loss else x, **in_panels(report, name, with_loss)})
        table.append([report.title(name), language.percent(x, 0) if with_loss else language.integer(x), *in_cells(report, name, with_loss)])
    lines = list(dict.fromkeys(point["group"] for point in points))
    points.sort(key=lambda point: lines.index(point["group"]))
    levels = in_panels(report, baseline, with_loss)
    table.insert(0, [report.title(baseline), "–", *in_cells(report, baseline, with_loss)])
    axis = report.label_of("figures", f"{entry['axis']}_axis")
    svg = figures.curves(points, panels, axis, levels)
    seen = []
    for panel, title in panels.items():
        digits = 3 if panel == LOSS else 1
        seen.append(say(report, "level", what=title, title=report.label(baseline), value=language.num(levels[panel]["value"], digits)))
        for line in lines:
            reached = [(point["x"], point[panel]["value"]) for point in points if point["group"] == line]
            seen.append(course(report, line, reached, lambda value, digits=digits: language.num(value, digits), axis))
    columns = ["system", f"#{entry['axis']}", f"#{SCORE}", *([f"#{LOSS}"] if with_loss else [])]
    return Drawn(svg, seen, columns, table)


def in_panels(report, name, with_loss):
    system = report.system(name)
    return {SCORE: plot_score(system["scores"][SCORE])} | ({LOSS: plot_score(system[LOSS])} if with_loss else {})


def in_cells(report, name, with_loss):
    return [report.score(name, SCORE), *([report.language.interval(report.system(name)[LOSS], 3)] if with_loss else [])]


def own_costs(report, _study):
    return of_costs(report, measured(report.run["config"]))


def study_costs(report, study):
    known = report.measured_systems()
    return of_costs(report, [name for name in of_study(report, study) if name in known])


def of_costs(report, names):
    language, points, table = report.language, [], []
    for name in names:
        speed = report.system(name)["speed"]
        costs = {cost: speed[key] if cost == "speed" else megabytes(speed[key]) for cost, key in COSTS.items()}
        points.append({"group": report.label(name), **plot_score(report.system(name)["scores"][SCORE]), **costs})
        sizes = [language.megabytes(speed[COSTS[cost]]) for cost in ("loaded", "peak_memory")]
        table.append([report.title(name), report.score(name, SCORE), language.num(speed[COSTS["speed"]]), *sizes])
    return against_costs(report, points, tuple(COSTS), table)


def pruned_costs(report, _study):
    """What pruning costs and saves: the score against the size of a file without the zeros, and against speed."""
    config, language, points, table = report.run["config"], report.language, [], []
    names = sparse_and_dense(config)
    for name in names:
        system, line = report.system(name), of_pruning(config, name)
        size = system["storage"]["bitmask_bytes"] if line != DENSE else system["speed"]["bytes_stored"]
        costs = {"packed": megabytes(size), "speed": system["speed"]["new_tokens_per_second"]}
        words = report.label_of("methods", "none") if line == DENSE else report.line(line)
        points.append({"group": words, "name": report.label(name), **plot_score(system["scores"][SCORE]), **costs})
        table.append([report.title(name), report.score(name, SCORE), language.megabytes(size), language.num(costs["speed"])])
    return against_costs(report, points, ("packed", "speed"), table)


def against_costs(report, points, costs, table):
    language = report.language
    panels = {cost: report.label_of("figures", f"{cost}_axis") for cost in costs}
    title = report.label_of("metrics", SCORE)
    names = [point.get("name", point["group"]) for point in points]
    seen = [extremes(report, title, dict(zip(names, [point["value"] for point in points], strict=True)), language.num)]
    for cost, what in panels.items():
        known = {name: point[cost] for name, point in zip(names, points, strict=True) if point[cost] is not None}
        seen += [extremes(report, what, known, language.num)] if known else []
    columns = ["system", f"#{SCORE}", *(f"#{cost}" for cost in costs)]
    return Drawn(figures.scatter(points, panels, title), seen, columns, table)


def of_study(report, study):
    return members(report.run["config"], studies(report.run["config"])[study])


def megabytes(number):
    return None if number is None else number / 1e6


KINDS = {
    "scores": scores,
    "systems": systems,
    "amount": curve,
    "shots": curve,
    "own_costs": own_costs,
    "costs": study_costs,
    "pruned_costs": pruned_costs,
}
