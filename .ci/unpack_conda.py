"""Take conda out of conda-lock, which brings it as a part of itself.

    python .ci/unpack_conda.py WHEEL FOLDER

reads    WHEEL      conda-lock's
writes   FOLDER     conda/, as if it had been installed there
"""

import re
import sys
import zipfile
from pathlib import Path

VENDORED = "conda_lock/_vendor/"


def main(wheel, folder):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith(f"{VENDORED}conda/"):
                path = Path(folder) / name.removeprefix(VENDORED)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(own_names(archive.read(name)) if path.suffix == ".py" else archive.read(name))


def own_names(source):
    """The source of a module with imports as they were before conda-lock took it in."""
    source = source.replace(b"from conda_lock._vendor import conda", b"import conda")
    return re.sub(rb"conda_lock\.(_vendor|vendor)\.", b"", source)


if __name__ == "__main__":
    main(*sys.argv[1:])
