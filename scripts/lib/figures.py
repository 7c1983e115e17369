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
WIDEST = 480
HEIGHT = 250
BESIDE = 5  # between groups that share a place on the axis
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
        "titlePadding": 8,
        "tickCount": 6,
    },
    "legend": {
        "labelColor": "currentColor",
        "labelFontSize": 12,
        "labelLimit": 360,
        "title": None,
        "orient": "bottom",
        "columns": 2,
        "symbolSize": 80,
        "symbolOpacity": 1,
        "rowPadding": 5,
        "columnPadding": 18,
    },
    "title": {"color": "currentColor", "fontSize": 13, "anchor": "start", "fontWeight": "bold"},
}


def intervals(rows, panels):
    """Values with their intervals, a line of labels each, in one panel a score.

    rows    [{"label", "group", panel: {"value", "low", "high"}, …}], from above to below
    panels  {name of a score in `rows`: what it is called}
    """
    alt = altair()
    names = [row["label"] for row in rows]
    groups = list(dict.fromkeys(row["group"] for row in rows))
    charts = []
    for panel, title in panels.items():
        data = alt.Data(values=[{**row[panel], "label": row["label"], "group": row["group"]} for row in rows])
        axis = alt.Axis(title=None, labels=not charts, ticks=False, domain=False)
        y = alt.Y("label:N", sort=names, axis=axis)
        base = alt.Chart(data).encode(y=y, color=colour(alt, groups))
        span = base.mark_rule(strokeWidth=2.5).encode(x=quantitative(alt.X, "low", None), x2="high:Q")
        points = base.mark_point(filled=True, size=75, opacity=1).encode(x=alt.X("value:Q"), shape=shape(alt, groups))
        charts.append((span + points).properties(title=title, width=WIDTH * 0.68 / len(panels), height=alt.Step(ROW)))
    return svg(alt.hconcat(*charts, spacing=28))


def curves(points, panels, x_title, baselines):
    """A line for each group over a common axis, in one panel a score; a dashed line for what they are measured against.

    points     [{"group", "x", panel: {"value", "low", "high"} or None, …}]
    panels     {name of a score in `points`: what it is called}
    baselines  {panel: value}; a panel without one has no dashed line
    """
    alt = altair()
    groups = list(dict.fromkeys(point["group"] for point in points))
    charts = []
    for panel, title in panels.items():
        layers = []
        for place, group in enumerate(groups):
            aside = {"xOffset": BESIDE * (place - (len(groups) - 1) / 2)}
            values = [{**point[panel], "x": point["x"], "group": group} for point in points if point["group"] == group and point[panel]]
            x = quantitative(alt.X, "x", x_title).axis(values=sorted({point["x"] for point in points} | {0}))
            base = alt.Chart(alt.Data(values=values)).encode(x=x, color=colour(alt, groups))
            line = base.mark_line(strokeWidth=2, **aside).encode(y=quantitative(alt.Y, "value", None))
            span = base.mark_rule(strokeWidth=1.2, opacity=0.55, **aside).encode(y="low:Q", y2="high:Q")
            dots = base.mark_point(filled=True, size=75, opacity=1, **aside).encode(y="value:Q", shape=shape(alt, groups))
            layers += [span, line, dots]
        if panel in baselines:
            level = alt.Chart(alt.Data(values=[{"level": baselines[panel]}]))
            layers.insert(0, level.mark_rule(strokeDash=[6, 4], color="currentColor", opacity=0.7).encode(y="level:Q"))
        charts.append(alt.layer(*layers).properties(title=title, width=min(WIDTH / len(panels) - 40, WIDEST), height=HEIGHT))
    return svg(alt.hconcat(*charts, spacing=60, bounds="flush"))


def scatter(points, panels, y_title):
    """A score with its interval against one cost a panel; each point is a group of its own.

    points  [{"group", "value", "low", "high", panel: number or None, …}]
    panels  {name of a cost in `points`: what it is called}
    """
    alt = altair()
    groups = [point["group"] for point in points]
    charts = []
    for panel, title in panels.items():
        values = [{key: point[key] for key in ("group", "value", "low", "high")} | {"x": point[panel]} for point in points]
        base = alt.Chart(alt.Data(values=[value for value in values if value["x"] is not None]))
        base = base.encode(x=quantitative(alt.X, "x", title), color=colour(alt, groups))
        span = base.mark_rule(strokeWidth=1.2, opacity=0.55).encode(
            y=quantitative(alt.Y, "low", y_title if not charts else None), y2="high:Q"
        )
        dots = base.mark_point(filled=True, size=90, opacity=1).encode(y="value:Q", shape=shape(alt, groups))
        charts.append(alt.layer(span, dots).properties(width=WIDTH / len(panels) - 40, height=HEIGHT))
    return svg(alt.hconcat(*charts, spacing=28))


def altair():
    """Altair, which takes a while to import, once a figure is drawn."""
    import altair

    return altair


def colour(alt, groups):
    scale = alt.Scale(domain=groups, range=[COLOURS[place % len(COLOURS)] for place in range(len(groups))])
    return alt.Color("group:N", scale=scale, legend=alt.Legend() if len(groups) > 1 else None)


def shape(alt, groups):
    """Shapes turn with the colours, and one place further after each turn, so that no two groups look alike."""
    range_ = [SHAPES[(place + place // len(COLOURS)) % len(SHAPES)] for place in range(len(groups))]
    return alt.Shape("group:N", scale=alt.Scale(domain=groups, range=range_), legend=alt.Legend() if len(groups) > 1 else None)


def quantitative(channel, field, title):
    """An axis (a class of Altair) that need not begin at zero: what is read from it are distances."""
    return channel(f"{field}:Q", title=title, scale={"zero": False, "nice": True, "padding": 12})


def svg(chart):
    import vl_convert

    return vl_convert.vegalite_to_svg(chart.configure(**CONFIG).to_dict())


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
