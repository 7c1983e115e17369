"""Fixtures that all unit tests share."""

import json
import os
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


DRAWN = {}  # chart as JSON → picture


@pytest.fixture(scope="module")
def pictures_drawn_once():
    """For tests that write report after report: no chart is drawn again that was drawn (test_figures: it would be the same)."""
    draw = figures.svg

    def drawn(chart):
        key = json.dumps(chart)
        if key not in DRAWN:
            DRAWN[key] = draw(chart)
        return DRAWN[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "svg", drawn)
        yield
