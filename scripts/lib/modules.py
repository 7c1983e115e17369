"""Which files a script is made of."""

import re
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).parents[1]
# a parser takes half a second of every start of Snakemake for all files
IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]*(\([^)]*\)|.*)|import[ \t]+(.+))", re.M)


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
    for module, parts, modules in IMPORT.findall(path.read_text(encoding="utf-8")):
        names = [module, *(f"{module}.{part}" for part in re.findall(r"\w+", parts))] if module else re.findall(r"[\w.]+", modules)
        names += [name.rsplit(".", depth)[0] for name in names for depth in range(1, name.count(".") + 1)]  # the packages above
        for name in names:
            if name.partition(".")[0] in _names():
                place = SCRIPTS / name.replace(".", "/")
                found += [file for file in (place.with_suffix(".py"), place / "__init__.py") if file.exists()]
    return found


@cache
def _names():
    """Of the modules and packages in scripts/ itself."""
    return {path.stem for path in SCRIPTS.iterdir()}
