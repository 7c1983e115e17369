"""Modules of a package without the package's own `__init__`, which may import far more than they need."""

import sys
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec, module_from_spec


@contextmanager
def bare(*packages):
    """Within this context the packages, each after the one around it, stand empty, so that a module of theirs can be imported alone.

    They have a version, for which a module may ask. Afterwards they are as if they had never been imported, and so whole for whoever
    imports them. One that is whole already stays so.
    """
    empty = []
    try:
        for name in packages:
            if name not in sys.modules:
                sys.modules[name] = module_from_spec(find_spec(name))
                empty.append(name)
                if "." not in name:
                    sys.modules[name].__version__ = version(name)
        yield
    finally:
        for name in empty:
            del sys.modules[name]
