"""Charts as vector graphics that need neither script nor network: the marks of the data, and words from whoever asks for them.

Altair describes a chart and vl-convert draws it, on this machine; equal data give equal bytes. Colours are variables of the page around the
picture (`--figure-1`, …, `--figure-line`) and its text colour, so that one picture suits a light and a dark page; `standalone` sets them
within a picture that stands in a file of its own. The palette is that of Okabe and Ito, which colour blindness leaves apart, and what is
told by colour is told by shape as well.
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
LINE = "var(--figure-line)"
WIDTH = 760  # of the marks, in CSS pixels
ROW = 26
LONG = 26  # letters of a legend's entry, of which three stand in no line any more
ROW_OF_GROUPS, ROW_OF_GROUP = 10, 12  # of labels that several groups share
WIDEST = 480
HEIGHT = 250
ABREAST = 2  # panels in a line whose titles are long
STRONGEST = 0.5  # opacity of a ground on which text of the page's colour can still be read
DASHES = ([1, 0], [6, 2], [2, 2])
BESIDE = 6  # between groups that share a place on the axis
ROLES = re.compile(r' (?:role="graphics-[\w-]+"|aria-roledescription="[^"]*")')  # of marks that have no name of their own
NUMBER = re.compile(r"(<text[^>]*>)([−\d.,]+)(</text>)")
CONFIG = {
    "background": "transparent",
    "aria": False,  # the picture as a whole has a title and a description, and its data stand in a table
    "font": "Vazirmatn, system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "currentColor",
        "titleColor": "currentColor",
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
        "labelColor": "currentColor",
        "labelFontSize": 12,
        "labelLimit": 360,
        "title": None,
        "orient": "bottom",
        "symbolSize": 80,
        "symbolOpacity": 1,
        "rowPadding": 5,
        "columnPadding": 18,
    },
    "title": {"color": "currentColor", "fontSize": 13, "anchor": "start", "fontWeight": "bold"},
}


def intervals(rows, panels):
    """Values with their intervals, a line of labels each, in one panel a score; groups that share a label stand one above the other.

    rows    [{"label", "group", panel: {"value", "low", "high"}, …}], from above to below
    panels  {name of a score in `rows`: what it is called}
    """
    alt = altair()
    names, groups = distinct(rows, "label"), distinct(rows, "group")
    several = len(names) < len(rows)
    aside = {"yOffset": alt.YOffset("group:N", sort=groups, scale=alt.Scale(paddingOuter=0.7))} if several else {}
    width = WIDTH * 0.68 / len(panels)
    height = {"step": ROW_OF_GROUPS + ROW_OF_GROUP * len(groups) if several else ROW, "for": "position"}
    charts = []
    for panel, title in panels.items():
        data = alt.Data(values=[{**row[panel], "label": row["label"], "group": row["group"]} for row in rows])
        axis = alt.Axis(title=None, labels=not charts, ticks=False, domain=False)
        base = alt.Chart(data).encode(y=alt.Y("label:N", sort=names, axis=axis), color=colour(alt, groups), **aside)
        span = base.mark_rule(strokeWidth=2.5).encode(x=quantitative(alt.X, "low", None), x2="high:Q")
        points = base.mark_point(filled=True, size=75, opacity=1).encode(x=alt.X("value:Q"), shape=shape(alt, groups))
        charts.append(alt.layer(span, points, heading(alt, title, width)).properties(width=width, height=height))
    return svg(alt.hconcat(*charts, spacing=28))


def bars(rows, panels, x_title):
    """Counts as bars, a line of labels each, in one panel a whole: the parts of a bar are groups, and beside it stands its sum.

    rows    [{"label", panel: {group: count}, …}], from above to below; a panel that does not count a label lacks it
    panels  {name in `rows`: what it is called}
    """
    alt = altair()
    names = distinct(rows, "label")
    groups = list(dict.fromkeys(group for row in rows for panel in panels for group in row.get(panel, {})))
    width, charts = WIDTH * 0.88 / len(panels), []
    for panel, title in panels.items():
        counts = [(row["label"], row[panel]) for row in rows if panel in row]
        parts = [
            {"label": label, "group": group, "count": count, "place": groups.index(group)}
            for label, found in counts
            for group, count in found.items()
        ]
        sums = [{"label": label, "count": sum(found.values()), "text": f"{sum(found.values()):,}"} for label, found in counts]
        axis = alt.Axis(title=None, labels=not charts, ticks=False, domain=False)
        y = alt.Y("label:N", sort=names, scale=alt.Scale(domain=names), axis=axis)
        most = max((row["count"] for row in sums), default=1) or 1
        x = alt.X("count:Q", title=x_title, axis=alt.Axis(tickCount=4), scale=alt.Scale(domain=[0, most * 1.16], nice=False))
        bar = alt.Chart(alt.Data(values=parts)).mark_bar(height={"band": 0.66})
        bar = bar.encode(y=y, x=x, color=colour(alt, groups), order="place:Q")
        text = alt.Chart(alt.Data(values=sums)).mark_text(align="left", dx=5, fontSize=11, color="currentColor")
        text = text.encode(y=y, x="count:Q", text="text:N")
        charts.append(alt.layer(bar, text, heading(alt, title, width)).properties(width=width, height=alt.Step(ROW - 2)))
    return svg(alt.hconcat(*charts, spacing=28))


def distributions(panels, x_title, y_title):
    """How often which length occurs: an outline for each group, in one panel a kind of text with an axis of its own.

    panels  [{"title", "width", "shares": {group: [percent of the group's texts in each bin of this width, …]}}]
    """
    alt = altair()
    groups = list(dict.fromkeys(group for panel in panels for group in panel["shares"]))
    width, charts = WIDTH / len(panels) - 30, []
    for panel in panels:
        layers = []
        for group, shares in panel["shares"].items():
            values = [{"x": place * panel["width"], "y": share, "group": group} for place, share in enumerate([*shares, 0])]
            x = alt.X("x:Q", title=x_title, axis=alt.Axis(tickCount=6), scale=alt.Scale(nice=False))
            y = alt.Y("y:Q", title=y_title if not charts else None, axis=alt.Axis(tickCount=5))
            coloured = colour(alt, groups, symbolType="stroke", symbolStrokeWidth=2, symbolSize=260)
            base = alt.Chart(alt.Data(values=values)).encode(x=x, y=y, color=coloured)
            if group == groups[0]:
                layers.append(base.mark_area(interpolate="step-after", opacity=0.15))
            layers.append(base.mark_line(interpolate="step-after", strokeWidth=1.8).encode(strokeDash=dash(alt, groups)))
        charts.append(alt.layer(*layers, heading(alt, panel["title"], width)).properties(width=width, height=HEIGHT * 0.76))
    return svg(alt.hconcat(*charts, spacing=44, bounds="flush"))


def trainings(panels, x_title, common):
    """What was measured while a model was trained: thin lines for what was logged, lines with marks for what was evaluated.

    panels  [{"title", "lines": [{"group", "marked", "points": [(x, y), …]}], "ring": (x, y) or None}]; a ring stands around one point
    common  whether all panels have the same vertical axis, so that they can be compared
    """
    alt = altair()
    groups = list(dict.fromkeys(line["group"] for panel in panels for line in panel["lines"]))
    marked = [line["group"] for panel in panels for line in panel["lines"] if line["marked"]]
    places, values = zip(*(point for panel in panels for line in panel["lines"] for point in line["points"]), strict=True)
    x = alt.X("x:Q", title=x_title, scale=alt.Scale(domain=reach([0, *places]), nice=False), axis=alt.Axis(tickCount=5, format=",d"))
    y = quantitative(alt.Y, "y", None)
    y = y.scale(domain=reach(values), nice=False, zero=False) if common else y
    columns = min(len(panels), ABREAST)
    width, charts = min(WIDTH / columns - 40, WIDEST), []
    for panel in panels:
        layers = []
        for line in panel["lines"]:
            values = [{"x": place, "y": value, "group": line["group"]} for place, value in line["points"]]
            base = alt.Chart(alt.Data(values=values)).encode(x=x, y=y, color=colour(alt, groups))
            layers.append(base.mark_line(strokeWidth=2 if line["marked"] else 1.2, opacity=1 if line["marked"] else 0.75))
            if line["marked"]:
                layers.append(base.mark_point(filled=True, size=55, opacity=1).encode(shape=shape(alt, groups, marked)))
        if panel["ring"]:
            ring = alt.Chart(alt.Data(values=[dict(zip("xy", panel["ring"], strict=True))]))
            layers.append(ring.mark_point(size=260, strokeWidth=1.6, color="currentColor", opacity=1).encode(x=x, y=y))
        charts.append(alt.layer(*layers, heading(alt, panel["title"], width + 40)).properties(width=width, height=HEIGHT * 0.8))
    return svg(alt.concat(*charts, columns=columns, spacing={"row": 84, "column": 56}, bounds="flush"))


def reach(values):
    """The least and the greatest, with a little room on both sides."""
    room = 0.05 * (max(values) - min(values)) or 0.5
    return [min(values) - room, max(values) + room]


def cells(panels, x_title, y_title, step):
    """Numbers in a grid, on a ground that is the stronger the larger their share; one panel below the other.

    panels  [{"title" or None, "columns", "rows": names in order, "cells": [{"x", "y", "share", "text"}]}]
    step    width of a cell in CSS pixels
    """
    alt = altair()
    charts = []
    for panel in panels:
        names = list(map(str, panel["columns"]))
        x = alt.X("x:N", sort=names, title=x_title, axis=alt.Axis(orient="top", labelAngle=0, ticks=False, domain=False))
        y = alt.Y("y:N", sort=panel["rows"], title=y_title, axis=alt.Axis(ticks=False, domain=False))
        base = alt.Chart(alt.Data(values=[cell | {"x": str(cell["x"])} for cell in panel["cells"]])).encode(x=x, y=y)
        strength = alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0, STRONGEST]), legend=None)
        ground = base.mark_rect(color=COLOURS[0], stroke=LINE, strokeWidth=1, strokeOpacity=1).encode(fillOpacity=strength)
        text = base.mark_text(fontSize=min(12, step * 0.42), color="currentColor").encode(text="text:N")
        title = [heading(alt, panel["title"], WIDTH, above=52)] if panel["title"] else []
        charts.append(alt.layer(ground, text, *title).properties(width=alt.Step(step), height=alt.Step(min(step, ROW))))
    return svg(alt.vconcat(*charts, spacing=30))


def curves(points, panels, x_title, baselines):
    """A line for each group over a common axis, in one panel a score; a mark at zero and a dashed line for what they are measured against.

    points     [{"group", "x", panel: {"value", "low", "high"} or None, …}]
    panels     {name of a score in `points`: what it is called}
    baselines  {panel: {"value", "low", "high"}}
    """
    alt = altair()
    groups = distinct(points, "group")
    x = quantitative(alt.X, "x", x_title).axis(values=sorted({point["x"] for point in points} | {0}), format="~r")
    width, charts = min(WIDTH / len(panels) - 40, WIDEST), []
    apart = BESIDE / width * max(point["x"] for point in points)
    for panel, title in panels.items():
        y = quantitative(alt.Y, "value", None)
        level = alt.Chart(alt.Data(values=[{**baselines[panel], "x": 0}])).encode(x=x)
        line = alt.Chart(alt.Data(values=[baselines[panel]])).mark_rule(strokeDash=[6, 4], color="currentColor", opacity=0.7).encode(y=y)
        span = level.mark_rule(strokeWidth=1.2, opacity=0.55, color="currentColor").encode(y="low:Q", y2="high:Q")
        dot = level.mark_point(filled=True, size=75, opacity=1, color="currentColor", shape="circle").encode(y="value:Q")
        layers = [line, span, dot]
        known = [point for point in points if point[panel]]
        for group in groups:
            values = [
                {**point[panel], "x": point["x"] + apart * aside(point, known), "group": group}
                for point in known
                if point["group"] == group
            ]
            base = alt.Chart(alt.Data(values=values)).encode(x=x, color=colour(alt, groups))
            line = base.mark_line(strokeWidth=2).encode(y=y)
            span = base.mark_rule(strokeWidth=1.2, opacity=0.55).encode(y="low:Q", y2="high:Q")
            dots = base.mark_point(filled=True, size=75, opacity=1).encode(y="value:Q", shape=shape(alt, groups))
            layers += [span, line, dots]
        charts.append(alt.layer(*layers, heading(alt, title, width)).properties(width=width, height=HEIGHT))
    return svg(alt.hconcat(*charts, spacing=60, bounds="flush"))


def aside(point, points):
    """How many places a point stands right of its own, so that those of other groups at the same place are seen; zero is the baseline's."""
    there = [other["group"] for other in points if other["x"] == point["x"]]
    return there.index(point["group"]) + (1 if point["x"] == 0 else -(len(there) - 1) / 2)


def scatter(points, panels, y_title):
    """A score with its interval against one cost a panel.

    points  [{"group", "value", "low", "high", panel: number or None, …}]
    panels  {name of a cost in `points`: what it is called}
    """
    alt = altair()
    groups = distinct(points, "group")
    width, charts = min(WIDTH / len(panels) - 40, WIDEST), []
    for panel, title in panels.items():
        values = [{key: point[key] for key in ("group", "value", "low", "high")} | {"x": point[panel]} for point in points]
        base = alt.Chart(alt.Data(values=[value for value in values if value["x"] is not None]))
        x = quantitative(alt.X, "x", title).axis(tickCount=4, labelOverlap=True, labelSeparation=8)
        base = base.encode(x=x, color=colour(alt, groups))
        span = base.mark_rule(strokeWidth=1.2, opacity=0.55).encode(
            y=quantitative(alt.Y, "low", y_title if not charts else None), y2="high:Q"
        )
        dots = base.mark_point(filled=True, size=90, opacity=1).encode(y="value:Q", shape=shape(alt, groups))
        charts.append(alt.layer(span, dots).properties(width=width, height=HEIGHT))
    return svg(alt.hconcat(*charts, spacing=28))


def distinct(rows, key):
    return list(dict.fromkeys(row[key] for row in rows))


def heading(alt, title, width, above=14):
    """The title of a panel as a mark, so that the titles of panels side by side stand at one height, whatever their axes reach to."""
    text = alt.Chart(alt.Data(values=[{"title": title}])).mark_text(
        align="left", fontSize=13, fontWeight="bold", color="currentColor", limit=width
    )
    return text.encode(text="title:N", x=alt.value(0), y=alt.value(-above))


def altair():
    """Altair, which takes a while to import, once a figure is drawn."""
    import altair

    return altair


def colour(alt, groups, **keys):
    scale = alt.Scale(domain=groups, range=[COLOURS[place % len(COLOURS)] for place in range(len(groups))])
    return alt.Color("group:N", scale=scale, legend=legend(alt, groups, **keys))


def dash(alt, groups):
    scale = alt.Scale(domain=groups, range=[DASHES[place % len(DASHES)] for place in range(len(groups))])
    return alt.StrokeDash("group:N", scale=scale, legend=legend(alt, groups))


def legend(alt, groups, **keys):
    """None for one group; the same number of columns for all channels, so that they share one legend."""
    return alt.Legend(columns=2 if max(map(len, groups)) > LONG else 3, **keys) if len(groups) > 1 else None


def shape(alt, groups, marked=None):
    """Shapes turn with the colours, and one place further after each turn, so that no two groups look alike.

    `marked` are the groups that have marks, if not all have; the others are strokes.
    """
    range_ = [SHAPES[(place + place // len(COLOURS)) % len(SHAPES)] for place in range(len(groups))]
    range_ = [shape if marked is None or group in marked else "stroke" for shape, group in zip(range_, groups, strict=True)]
    return alt.Shape("group:N", scale=alt.Scale(domain=groups, range=range_), legend=legend(alt, groups))


def quantitative(channel, field, title):
    """An axis (a class of Altair) that need not begin at zero: what is read from it are distances."""
    return channel(f"{field}:Q", title=title, scale={"zero": False, "nice": True, "padding": 12})


def svg(chart):
    import vl_convert

    picture = vl_convert.vegalite_to_svg(chart.configure(**CONFIG).to_dict(validate=False))  # vl-convert checks it, too
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
