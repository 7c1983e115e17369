"""Fixtures that all unit tests share."""

import json
import os
from functools import wraps
from inspect import isfunction
from pathlib import Path

import lib.offline  # noqa: F401

import pytest
from hypothesis import settings

from lib import figures

# No deadline: a busy machine is no bug. On CI the same examples each time, so that a failure there is the change's.
settings.register_profile("kargah", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("kargah")


@pytest.fixture(scope="session")
def real_data():
    """The folder of real test data that KARGAH_REAL_DATA names; without it the test is skipped, and says so."""
    folder = os.environ.get("KARGAH_REAL_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("KARGAH_REAL_DATA names no folder: real test data was not read")
    return Path(folder)


DRAWN = {}  # (how, data as JSON) → picture


@pytest.fixture(scope="module")
def pictures_drawn_once():
    """For tests that write report after report: nothing is drawn from the same data again (test_figures: it would be the same)."""

    def once(draw):
        @wraps(draw)
        def drawn(*data, **named):
            key = (draw.__name__, json.dumps([data, named]))
            if key not in DRAWN:
                DRAWN[key] = draw(*data, **named)
            return DRAWN[key]

        return drawn

    with pytest.MonkeyPatch.context() as patch:
        for name, function in vars(figures).copy().items():
            if isfunction(function) and figures.svg.__name__ in function.__code__.co_names:
                patch.setattr(figures, name, once(function))
        yield
