"""Which files a script is made of."""

import ast
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).parents[1]


def files_of_script(path):
    """A script, and every module under scripts/ that it imports, itself first."""
    found, todo = [], [Path(path)]
    while todo:
        path = todo.pop(0)
        if path not in found:
            found.append(path)
            todo += _imported(path)
    return found


@cache
def _imported(path):
    """Files under scripts/ that `import a.b`, `from a import b` or `from a.b import c` in the file at `path` can mean."""
    found = []
    for node in _statements(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        names += [name.rsplit(".", depth)[0] for name in names for depth in range(1, name.count(".") + 1)]  # the packages above
        for name in names:
            place = SCRIPTS / name.replace(".", "/")
            found += [file for file in (place.with_suffix(".py"), place / "__init__.py") if file.exists()]
    return found


def _statements(node):
    """All statements below a node; ast.walk would look into every expression too."""
    for part in ("body", "handlers", "orelse", "finalbody", "cases"):
        for below in getattr(node, part, ()):
            yield below
            yield from _statements(below)
