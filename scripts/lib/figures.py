"""Charts as vector graphics that need neither script nor network: the marks of the data, and words from whoever asks for them.

A chart is described in Vega-Lite, and vl-convert draws it, on this machine; equal data give equal bytes. Colours are variables of the page
around the picture (`--figure-1`, …, `--figure-line`) and its text colour, so that one picture suits a light and a dark page; `standalone`
sets them within a picture that stands in a file of its own. The palette is that of Okabe and Ito, which colour blindness leaves apart, and
what is told by colour is told by shape as well.
"""

import re
from xml.sax.saxutils import escape

PALETTE = {  # on a light and on a dark ground
    "--figure-1": ("#0072b2", "#56b4e9"),
    "--figure-2": ("#d55e00", "#f08a3c"),
    "--figure-3": ("#009e73", "#2fd0a3"),
    "--figure-4": ("#b0558a", "#e39bc4"),
    "--figure-5": ("#8a6d00", "#f0e442"),
    "--figure-6": ("#4d4d4d", "#bdbdbd"),
    "--figure-line": ("#d5dae1", "#3a4452"),
    "--figure-ground": ("#ffffff", "#14181f"),
    "color": ("#1d2430", "#e3e7ed"),
}
COLOURS = [f"var({name})" for name in PALETTE if re.fullmatch(r"--figure-\d", name)]
SHAPES = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross"]
LINE, TEXT = "var(--figure-line)", "currentColor"
WIDTH = 760  # of the marks, in CSS pixels
ROW = 26
LONG = 26  # letters of a legend's entry, of which three stand in no line any more
ROW_OF_GROUPS, ROW_OF_GROUP = 10, 12  # of labels that several groups share
WIDEST = 480
HEIGHT = 250
ABREAST = 2  # panels in a line whose titles are long
STRONGEST = 0.5  # opacity of a ground on which text of the page's colour can still be read
COLUMN = 740  # of the page's text, less what stands between and around panels
LETTER = 5.8  # pixels that one of a label takes, about
PADDING = 5
AROUND = dict.fromkeys(("top", "right", "bottom"), PADDING)
WIDER = 0.8  # pixels a letter, that a reader's font may take beyond the one that labels are measured in
DASHES = ([1, 0], [6, 2], [2, 2])
BESIDE = 6  # between groups that share a place on the axis
ROLES = re.compile(r' (?:role="graphics-[\w-]+"|aria-roledescription="[^"]*")')  # of marks that have no name of their own
SPAN = {"type": "rule", "strokeWidth": 1.2, "opacity": 0.55}  # an interval
NUMBER = re.compile(r"(<text[^>]*>)([−\d.,]+)(</text>)")
CONFIG = {
    "background": "transparent",
    "aria": False,  # the picture as a whole has a title and a description, and its data stand in a table
    "font": "Vazirmatn, system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": TEXT,
        "titleColor": TEXT,
        "gridColor": LINE,
        "tickColor": LINE,
        "domainColor": LINE,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 330,
        "labelPadding": 5,
        "titlePadding": 8,
        "tickCount": 6,
    },
    "legend": {
        "labelColor": TEXT,
        "labelFontSize": 12,
        "labelLimit": 360,
        "title": None,
        "orient": "bottom",
        "symbolSize": 80,
        "symbolOpacity": 1,
        "rowPadding": 5,
        "columnPadding": 18,
    },
}


def intervals(rows, panels):
    """Values with their intervals, a line of labels each, in one panel a score; groups that share a label stand one above the other.

    rows    [{"label", "group", panel: {"value", "low", "high"}, …}], from above to below
    panels  {name of a score in `rows`: what it is called}
    """
    names, groups = distinct(rows, "label"), distinct(rows, "group")
    several = len(names) < len(rows)
    aside = {"yOffset": nominal("group", sort=groups, scale={"paddingOuter": 0.7})} if several else {}
    longest = max(map(len, names))
    slack = WIDER * longest
    width = (min(WIDTH * 0.68, COLUMN - LETTER * longest) - slack) / len(panels)
    height = {"step": ROW_OF_GROUPS + ROW_OF_GROUP * len(groups) if several else ROW, "for": "position"}
    charts = []
    for panel, title in panels.items():
        values = [{**row[panel], "label": row["label"], "group": row["group"]} for row in rows]
        y = nominal("label", sort=names, title=None, axis={"labels": not charts, "ticks": False, "domain": False})
        common = {"y": y, "color": colour(groups), **aside}
        span = layer(values, {"type": "rule", "strokeWidth": 2.5}, x=quantitative("low"), x2={"field": "high"}, **common)
        points = layer(values, marks(75), x=quantitative("value"), shape=shape(groups), **common)
        charts.append(panel_of([span, points], title, width, height))
    return svg({"hconcat": charts, "spacing": 28, "padding": {"left": PADDING + slack, **AROUND}})


def bars(rows, panels, x_title):
    """Counts as bars, a line of labels each, in one panel a whole: the parts of a bar are groups, and beside it stands its sum.

    rows    [{"label", panel: {group: count}, …}], from above to below; a panel that does not count a label lacks it
    panels  {name in `rows`: what it is called}
    """
    names = distinct(rows, "label")
    groups = list(dict.fromkeys(group for row in rows for panel in panels for group in row.get(panel, {})))
    width, charts = WIDTH * 0.88 / len(panels), []
    for panel, title in panels.items():
        parts, sums = [], []
        for row in (row for row in rows if panel in row):
            parts += [
                {"label": row["label"], "group": group, "count": count, "place": groups.index(group)} for group, count in row[panel].items()
            ]
            sums.append({"label": row["label"], "count": sum(row[panel].values()), "text": f"{sum(row[panel].values()):,}"})
        y = nominal("label", sort=names, title=None, scale={"domain": names})
        y["axis"] = {"labels": not charts, "ticks": False, "domain": False}
        most = max((row["count"] for row in sums), default=0) or 1
        x = number("count", title=x_title, axis={"tickCount": 4}, scale={"domain": [0, most * 1.16], "nice": False})
        bar = layer(parts, {"type": "bar", "height": {"band": 0.66}}, x=x, y=y, color=colour(groups), order=number("place"))
        text = layer(sums, {"type": "text", "align": "left", "dx": 5, "fontSize": 11, "color": TEXT}, x=x, y=y, text=nominal("text"))
        charts.append(panel_of([bar, text], title, width, {"step": ROW - 2}))
    return svg({"hconcat": charts, "spacing": 28})


def distributions(panels, x_title, y_title):
    """How often which length occurs: an outline for each group, in one panel a kind of text with an axis of its own.

    panels  [{"title", "width", "shares": {group: [percent of the group's texts in each bin of this width, …]}}]
    """
    groups = list(dict.fromkeys(group for panel in panels for group in panel["shares"]))
    width, charts = WIDTH / len(panels) - 30, []
    x = number("x", title=x_title, axis={"tickCount": 6}, scale={"nice": False})
    strokes = {"symbolType": "stroke", "symbolStrokeWidth": 2, "symbolSize": 260, "alone": True}
    for panel in panels:
        y = number("y", title=None if charts else y_title, axis={"tickCount": 5})
        layers = []
        for group, shares in panel["shares"].items():
            values = [{"x": place * panel["width"], "y": share, "group": group} for place, share in enumerate([*shares, 0])]
            common = {"x": x, "y": y, "color": colour(groups, **strokes)}
            if group == groups[0]:
                layers.append(layer(values, {"type": "area", "interpolate": "step-after", "opacity": 0.15}, **common))
            line = {"type": "line", "interpolate": "step-after", "strokeWidth": 1.8}
            layers.append(layer(values, line, strokeDash=dash(groups), **common))
        charts.append(panel_of(layers, panel["title"], width, HEIGHT * 0.76))
    return svg({"hconcat": charts, "spacing": 44, "bounds": "flush"})


def trainings(panels, x_title, common):
    """What was measured while a model was trained: thin lines for what was logged, lines with marks for what was evaluated.

    panels  [{"title", "lines": [{"group", "marked", "points": [(x, y), …]}], "ring": (x, y) or None}]; a ring stands around one point
    common  whether all panels have the same vertical axis, so that they can be compared
    """
    lines = [line for panel in panels for line in panel["lines"]]
    groups, marked = distinct(lines, "group"), [line["group"] for line in lines if line["marked"]]
    places, values = zip(*(point for line in lines for point in line["points"]), strict=True)
    x = number("x", title=x_title, scale={"domain": reach([0, *places]), "nice": False}, axis={"tickCount": 5, "format": ",d"})
    y = quantitative("y") | ({"scale": {"domain": reach(values), "nice": False, "zero": False}} if common else {})
    columns = min(len(panels), ABREAST)
    width, charts = min(WIDTH / columns - 40, WIDEST), []
    for panel in panels:
        layers = []
        for line in panel["lines"]:
            values = [{"x": place, "y": value, "group": line["group"]} for place, value in line["points"]]
            stroke = {"strokeWidth": 2, "opacity": 1} if line["marked"] else {"strokeWidth": 1.2, "opacity": 0.75}
            layers.append(layer(values, {"type": "line", **stroke}, x=x, y=y, color=colour(groups)))
            if line["marked"]:
                layers.append(layer(values, marks(55), x=x, y=y, color=colour(groups), shape=shape(groups, marked)))
        if panel["ring"]:
            ring = {"type": "point", "size": 260, "strokeWidth": 1.6, "color": TEXT, "opacity": 1}
            layers.append(layer([dict(zip("xy", panel["ring"], strict=True))], ring, x=x, y=y))
        charts.append(panel_of(layers, panel["title"], width, HEIGHT * 0.8, room=40))
    return svg({"concat": charts, "columns": columns, "spacing": {"row": 84, "column": 56}, "bounds": "flush"})


def reach(values):
    """The least and the greatest, with a little room on both sides."""
    room = 0.05 * (max(values) - min(values)) or 0.5
    return [min(values) - room, max(values) + room]


def cells(panels, x_title, y_title, step):
    """Numbers in a grid, on a ground that is the stronger the larger their share; one panel below the other.

    panels  [{"title" or None, "columns", "rows": names in order, "cells": [{"x", "y", "share", "text"}]}]
    step    width of a cell in CSS pixels
    """
    bare, charts = {"ticks": False, "domain": False}, []
    for panel in panels:
        x = nominal("x", sort=list(map(str, panel["columns"])), title=x_title, axis={"orient": "top", "labelAngle": 0, **bare})
        y = nominal("y", sort=panel["rows"], title=y_title, axis=bare)
        values = [cell | {"x": str(cell["x"])} for cell in panel["cells"]]
        strength = number("share", scale={"domain": [0, 1], "range": [0, STRONGEST]}, legend=None)
        rect = {"type": "rect", "color": COLOURS[0], "stroke": LINE, "strokeWidth": 1, "strokeOpacity": 1}
        ground = layer(values, rect, x=x, y=y, fillOpacity=strength)
        text = layer(values, {"type": "text", "fontSize": min(12, round(step * 0.42)), "color": TEXT}, x=x, y=y, text=nominal("text"))
        charts.append(panel_of([ground, text], panel["title"], {"step": step}, {"step": min(step, ROW)}, above=52))
    return svg({"vconcat": charts, "spacing": 30})


def curves(points, panels, x_title, baselines):
    """A line for each group over a common axis, in one panel a score; a mark at zero and a dashed line for what they are measured against.

    points     [{"group", "x", panel: {"value", "low", "high"} or None, …}]
    panels     {name of a score in `points`: what it is called}
    baselines  {panel: {"value", "low", "high"}}
    """
    groups = distinct(points, "group")
    x = quantitative("x", x_title) | {"axis": {"values": sorted({point["x"] for point in points} | {0}), "format": "~r"}}
    ends = {"y": quantitative("low"), "y2": {"field": "high"}}
    width, charts = min(WIDTH / len(panels) - 40, WIDEST), []
    apart = BESIDE / width * max(point["x"] for point in points)
    for panel, title in panels.items():
        y = quantitative("value")
        level = [{**baselines[panel], "x": 0}]
        layers = [
            layer(level, {"type": "rule", "strokeDash": [6, 4], "color": TEXT, "opacity": 0.7}, y=y),
            layer(level, {**SPAN, "color": TEXT}, x=x, **ends),
            layer(level, {**marks(75), "color": TEXT, "shape": "circle"}, x=x, y=y),
        ]
        known = [point for point in points if point[panel]]
        for group in groups:
            values = [
                {**point[panel], "x": point["x"] + apart * aside(point, known), "group": group}
                for point in known
                if point["group"] == group
            ]
            common = {"x": x, "color": colour(groups)}
            layers.append(layer(values, SPAN, **ends, **common))
            layers.append(layer(values, {"type": "line", "strokeWidth": 2}, y=y, **common))
            layers.append(layer(values, marks(75), y=y, shape=shape(groups), **common))
        charts.append(panel_of(layers, title, width, HEIGHT))
    return svg({"hconcat": charts, "spacing": 60, "bounds": "flush"})


def aside(point, points):
    """How many places a point stands right of its own, so that those of other groups at the same place are seen; zero is the baseline's."""
    there = [other["group"] for other in points if other["x"] == point["x"]]
    return there.index(point["group"]) + (1 if point["x"] == 0 else -(len(there) - 1) / 2)


def scatter(points, panels, y_title):
    """A score with its interval against one cost a panel.

    points  [{"group", "value", "low", "high", panel: number or None, …}]
    panels  {name of a cost in `points`: what it is called}
    """
    groups = distinct(points, "group")
    width, charts = min(WIDTH / len(panels) - 40, WIDEST), []
    for panel, title in panels.items():
        values = [{key: point[key] for key in ("group", "value", "low", "high")} | {"x": point[panel]} for point in points]
        values = [value for value in values if value["x"] is not None]
        x = quantitative("x", title) | {"axis": {"tickCount": 4, "labelOverlap": True, "labelSeparation": 8}}
        y_title_here = None if charts else y_title
        common = {"x": x, "color": colour(groups)}
        span = layer(values, SPAN, y=quantitative("low", y_title_here), y2={"field": "high"}, **common)
        dots = layer(values, marks(90), y=quantitative("value", y_title_here), shape=shape(groups), **common)
        charts.append({"layer": [span, dots], "width": width, "height": HEIGHT})
    return svg({"hconcat": charts, "spacing": 28})


# ------------------------------------------------------------------ pieces of Vega-Lite


def layer(values, mark, **encoding):
    return {"data": {"values": values}, "mark": mark, "encoding": encoding}


def panel_of(layers, title, width, height, above=14, room=0):
    """Layers with a title, which is a mark, so that titles side by side stand at one height, whatever their axes reach to."""
    if title:
        limit = WIDTH if isinstance(width, dict) else width + room
        mark = {"type": "text", "align": "left", "fontSize": 13, "fontWeight": "bold", "color": TEXT, "limit": limit}
        layers = [*layers, layer([{"title": title}], mark, text=nominal("title"), x={"value": 0}, y={"value": -above})]
    return {"layer": layers, "width": width, "height": height}


def nominal(field, **keys):
    return {"field": field, "type": "nominal", **keys}


def number(field, **keys):
    return {"field": field, "type": "quantitative", **keys}


def quantitative(field, title=None):
    """An axis that need not begin at zero: what is read from it are distances."""
    return number(field, title=title, scale={"zero": False, "nice": True, "padding": 12})


def marks(size):
    return {"type": "point", "filled": True, "size": size, "opacity": 1}


def distinct(rows, key):
    return list(dict.fromkeys(row[key] for row in rows))


def colour(groups, **keys):
    scale = {"domain": groups, "range": [COLOURS[place % len(COLOURS)] for place in range(len(groups))]}
    return nominal("group", scale=scale, legend=legend(groups, **keys))


def dash(groups):
    scale = {"domain": groups, "range": [DASHES[place % len(DASHES)] for place in range(len(groups))]}
    return nominal("group", scale=scale, legend=legend(groups, alone=True))


def shape(groups, marked=None):
    """Shapes turn with the colours, and one place further after each turn, so that no two groups look alike.

    `marked` are the groups that have marks, if not all have; the others are strokes.
    """
    shapes = [SHAPES[(place + place // len(COLOURS)) % len(SHAPES)] for place in range(len(groups))]
    shapes = [shape if marked is None or group in marked else "stroke" for shape, group in zip(shapes, groups, strict=True)]
    return nominal("group", scale={"domain": groups, "range": shapes}, legend=legend(groups))


def legend(groups, alone=False, **keys):
    """None for one group, unless it is to be named; the same number of columns for all channels, so that they share one legend."""
    return {"columns": 2 if max(map(len, groups)) > LONG else 3, **keys} if len(groups) > 1 or alone else None


def svg(chart):
    import vl_convert  # takes a while, once a figure is drawn

    picture = vl_convert.vegalite_to_svg({**chart, "config": CONFIG})
    font = f' font-family="{CONFIG["font"]}"'
    return picture.replace(font, "").replace("<svg", f"<svg{font}", 1)  # once, and not at each text


# ------------------------------------------------------------------ in a page, in a file


def described(picture, name, title, description, digits=None):
    """A drawn picture with its title and description for those who do not see it; numbers in other `digits`, a table of str.translate."""
    if digits:
        picture = NUMBER.sub(lambda match: match[1] + match[2].translate(digits) + match[3], picture)
    picture = ROLES.sub("", picture)
    head, rest = picture.replace("`", "&#96;").split(">", 1)  # Markdown around it must not see a code span
    head = head.replace(' class="marks"', f' class="marks" role="img" direction="ltr" aria-labelledby="{name}-title {name}-text"')
    words = f'<title id="{name}-title">{escape(str(title))}</title><desc id="{name}-text">{escape(str(description))}</desc>'
    return f"{head}>{words.replace('`', '&#96;')}{rest}"


def style():
    """What a page has to say of the figures' colours: (for a light ground, for a dark one)."""
    return tuple("".join(f"{name}:{colours[side]};" for name, colours in PALETTE.items() if name != "color") for side in (0, 1))


def standalone(picture):
    """The picture as a file of its own: with its colours, and a ground, since nobody knows what it will lie on."""
    light, dark = ("".join(f"{name}:{colours[side]};" for name, colours in PALETTE.items()) for side in (0, 1))
    rules = f"<style>svg{{{light}}}@media (prefers-color-scheme:dark){{svg{{{dark}}}}}</style>"
    ground = '<rect width="100%" height="100%" fill="var(--figure-ground)"/>'
    place = picture.index("</desc>") + len("</desc>")
    return f"{picture[:place]}{rules}{ground}{picture[place:]}\n"
