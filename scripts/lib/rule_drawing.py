"""The graph of a run's rules as a picture and as Mermaid text: rows from the rules that begin to the report, edges downwards.

An edge that follows from a longer way is left out. One that leads back up, where a rule's later jobs follow another's, is dashed; a rule
some of whose jobs follow others of its own is marked with ↻.
"""

from xml.sax.saxutils import escape

LETTER, PADDING, HEIGHT, GAP, ROW = 7.4, 9, 26, 16, 62
SWEEPS = 8


def edges(rules):
    """(downward, upward) edges of {rule: {"depth", "after"}} as pairs of rules, and the rules that follow themselves.

    `depth` is that of a rule's first job. Upward leads an edge of a circle whose second rule has its first job no later than the first.
    """
    every = [(other, name) for name, rule in rules.items() for other in rule["after"] if other in rules and other != name]
    before = ancestors(rules, every)
    up = [(one, two) for one, two in every if two in before[one] and rules[one]["depth"] >= rules[two]["depth"]]
    down = [edge for edge in every if edge not in up]
    before = ancestors(rules, down)
    short = [(one, two) for one, two in down if not any(one in before[via] for via, at in down if at == two)]
    return short, up, [name for name, rule in rules.items() if name in rule["after"]]


def ancestors(names, edges):
    """{name: all names from which a way leads to it}."""
    found = {name: {one for one, two in edges if two == name} for name in names}
    while True:
        more = {name: before.union(*(found[other] for other in before)) for name, before in found.items()}
        if more == found:
            return found
        found = more


def label(name, circular):
    return f"{name} ↻" if name in circular else name


def mermaid(rules):
    """The same for Markdown that draws it."""
    down, up, circular = edges(rules)
    lines = [f'  {name}["{label(name, circular)}"]' for name in rules]
    lines += [f"  {one} --> {two}" for one, two in down] + [f"  {one} -.-> {two}" for one, two in up]
    return "\n".join(["flowchart TD", *lines])


def svg(rules, title, description):
    """A picture in the colours of the text around it."""
    down, up, circular = edges(rules)
    rows, ways = layered(rules, down)
    sizes = {name: LETTER * len(label(name, circular)) + 2 * PADDING for name in rules}
    width = max(sum(sizes.get(name, 0) for name in row) + GAP * (len(row) + 1) for row in rows)
    places = {}
    for level, row in enumerate(rows):
        free = (width - sum(sizes.get(name, 0) for name in row)) / (len(row) + 1)
        x = 0
        for name in row:
            x += free
            places[name] = (x + sizes.get(name, 0) / 2, GAP + level * ROW)
            x += sizes.get(name, 0)
    shapes = [curve([places[point] for point in way]) for way in ways]
    shapes += [curve([places[one], places[two]], dashed=True) for one, two in up]
    shapes += [labelled_box(places[name], sizes[name], label(name, circular)) for name in rules]
    height = 2 * GAP + HEIGHT + ROW * (len(rows) - 1)
    box = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    head = f'<title id="rule-graph-title">{escape(title)}</title><desc id="rule-graph-text">{escape(description)}</desc>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" direction="ltr" aria-labelledby="rule-graph-title rule-graph-text">'
        f"{head}{''.join(shapes)}</svg>"
    )


def layered(names, down):
    """Rows of rules and of the points at which longer edges pass a row, with few crossings; and each edge as the points on its way."""
    before = ancestors(names, down)
    level = {}
    for name in sorted(names, key=lambda name: len(before[name])):
        level[name] = max((level[one] + 1 for one, two in down if two == name), default=0)
    rows = [[name for name in names if level[name] == at] for at in range(max(level.values()) + 1)]
    ways = []
    for one, two in down:
        passed = [(one, two, at) for at in range(level[one] + 1, level[two])]
        for point in passed:
            rows[point[2]].append(point)
        ways.append([one, *passed, two])
    above, below = {}, {}
    for way in ways:
        for one, two in zip(way, way[1:], strict=False):
            below.setdefault(one, []).append(two)
            above.setdefault(two, []).append(one)
    for sweep in range(SWEEPS):
        order, beside = (rows, above) if sweep % 2 == 0 else (rows[::-1], below)
        for row in order:
            place = {name: number / len(other) for other in rows for number, name in enumerate(other)}
            near = {name: beside.get(name, [name]) for name in row}
            row.sort(key=lambda name: sum(place[other] for other in near[name]) / len(near[name]))
    return rows, ways


def curve(points, dashed=False):
    """From the lower edge of the first box to the upper one of the last, with an arrowhead."""
    (x, y), *rest = points
    if dashed:
        y -= HEIGHT
    path, y = f"M{x:.1f},{y + HEIGHT:.1f}", y + HEIGHT
    for number, (across, down) in enumerate(rest, 1):
        down += HEIGHT * (number < len(rest)) / 2 + (HEIGHT if dashed else 0)
        middle = (y + down) / 2
        path += f" C{x:.1f},{middle:.1f} {across:.1f},{middle:.1f} {across:.1f},{down:.1f}"
        x, y = across, down
    tip = 5 if dashed else -5
    head = f"M{x - 3.5:.1f},{y + tip:.1f} L{x:.1f},{y:.1f} L{x + 3.5:.1f},{y + tip:.1f}"
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    line = f'<path d="{path}" fill="none" stroke="currentColor" stroke-opacity="0.55"{dash}/>'
    return f'{line}<path d="{head}" fill="none" stroke="currentColor"/>'


def labelled_box(place, width, name):
    x, y = place
    outline = f"M{x - width / 2:.1f},{y:.1f} h{width:.1f} v{HEIGHT} h{-width:.1f} Z"
    text = (
        f'<text x="{x:.1f}" y="{y + HEIGHT / 2 + 4:.1f}" text-anchor="middle" font-family="monospace" font-size="12" fill="currentColor">'
    )
    return f'<path d="{outline}" fill="none" stroke="currentColor"/>{text}{escape(name)}</text>'
