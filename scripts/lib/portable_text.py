"""Text that a run wrote, made fit to leave the machine: paths of its own become relative, access tokens go."""

import os
import re
import sys
import tempfile
from pathlib import Path

TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{16,}")
BEGINS = r"(?<![\w.~/<-])|(?<=file://)"  # not within a relative path, an address or a closing tag
ENDS = r"(?![\w-]|\.\w)"  # not within a longer name


def portable(text):
    """The text with paths below the project, Python, the temporary and the home folder named by these, and no path that is absolute."""
    for place, name in own_places():
        text = re.sub(rf"(?:{BEGINS}){re.escape(place)}{ENDS}", name, text)
    return TOKEN.sub("hf_…", top_folders().sub("", text))


def own_places():
    """(path, its name elsewhere), a folder before the one that holds it."""
    named = {".": [Path.cwd(), os.environ.get("PWD")], "python": [sys.prefix], "tmp": [tempfile.gettempdir()], "~": [Path.home()]}
    places = {str(form): name for name, paths in named.items() for path in paths if path for form in (path, Path(path).resolve())}
    return sorted(((place, name) for place, name in places.items() if place != "/"), key=lambda pair: -len(pair[0]))


def top_folders():
    """The slash before any folder at the root of this machine."""
    names = "|".join(re.escape(entry.name) for entry in os.scandir("/") if entry.is_dir())
    return re.compile(rf"(?:{BEGINS})/(?=(?:{names})/)")


def token_line(text):
    """The number of the first line that holds an access token, or None."""
    return next((number for number, line in enumerate(text.splitlines(), 1) if TOKEN.search(line)), None)
