"""What the pictures of a report have in common: what a drawn one consists of, and how it is put into words."""

from dataclasses import dataclass


@dataclass
class Drawn:
    svg: str
    seen: list  # sentences that say what is to be seen, for those who do not see it
    columns: list  # of the table behind it: names under `tables` or `metrics` in the texts, `#` before those of figures; or Columns
    rows: list  # of the same table, as Markup; none where the table stands beside the picture anyway


@dataclass
class Column:
    """A column of figures with a title of its own."""

    title: str


def plot_score(block):
    return {part: block[part] for part in ("value", "low", "high")}


def say(report, key, **values):
    """A sentence about a picture, of the texts under figures.seen."""
    return report.language.entry(f"figures.seen.{key}").format(**values)


def extremes(report, what, values, shown):
    """Which is the highest and which the lowest: `values` is {name: number}, `shown` writes a number."""
    best, worst = max(values, key=values.get), min(values, key=values.get)
    if values[best] == values[worst]:
        return say(report, "equal", what=what, value=shown(values[best]))
    return say(report, "extremes", what=what, best=best, high=shown(values[best]), worst=worst, low=shown(values[worst]))


def course(report, what, points, shown, axis):
    """From where to where a line of (place, value) goes along an axis."""
    (start, first), (end, last) = points[0], points[-1]
    values = {"what": what, "first": shown(first), "axis": axis, "start": report.language.num(start, whole(start))}
    if len(points) == 1:
        return say(report, "point", **values)
    return say(report, "course", last=shown(last), end=report.language.num(end, whole(end)), **values)


def whole(number):
    """The digits after the point that a place on an axis needs."""
    return 0 if float(number).is_integer() else 1
