"""Outputs that appear whole or not at all."""

import shutil
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(target):
    """Yield a sibling path to write to (a file, or a folder that the block creates); move it onto `target` only if the block succeeds.

    The name keeps its suffix, since some writers choose a format by it.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".part-{target.name}")
    remove(part)
    try:
        yield part
    except BaseException:
        remove(part)
        raise
    remove(target)
    part.rename(target)


def remove(path):
    """Delete a file or a folder with all that is in it; nothing there is no error."""
    path = Path(path)
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
