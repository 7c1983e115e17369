"""Whole runs under conda, whose jobs find no Python but that of their environment."""

import os
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import pytest
from packaging.version import Version
from snakemake.deployment.conda import MIN_CONDA_VER

from runs import copy_of_project, snakemake

NO_PYTHON = """#!/bin/sh
echo "error: found no conda environment around this; expected one: python $1" >&2
exit 1
"""


def under_conda(folder, configfile, run):
    """Run a preset to its end in a copy of the project, in a run of that name; the copy."""
    options = ["--cores", "2", "--show-failed-logs", "--configfile", configfile, "--config", f"run={run}"]
    made = snakemake_with_conda(folder, *options, timeout=7200)
    assert made.returncode == 0, made.stdout[-6000:]
    return folder


def snakemake_with_conda(folder, *options, **more):
    """runs.snakemake with --use-conda, in environments that are made once and removed when this process ends."""
    return _with_conda(folder, environments(), *options, **more)


@cache
def environments():
    """The folder of the environments, some gigabytes."""
    expect_conda()
    folder, start = Path(_place().name), time.monotonic()
    project = copy_of_project(folder / "project")
    made = _with_conda(project, folder / "envs", "--cores", "1", "--conda-create-envs-only", "--configfile", "presets/smoke.yaml")
    assert made.returncode == 0, made.stdout[-6000:]
    size = subprocess.run(["du", "-sh", folder / "envs"], check=True, text=True, capture_output=True).stdout.split()[0]
    print(f"\nconda environments: {size}, {time.monotonic() - start:.0f} s")
    return folder / "envs"


def expect_conda():
    asked = subprocess.run(["bash", "-c", "conda --version"], text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    found = asked.stdout.split()[-1] if asked.returncode == 0 else "no such command"
    if asked.returncode or Version(found) < Version(MIN_CONDA_VER):
        way_out = "install it (https://conda-forge.org/download), or make one: .ci/conda-up FOLDER, and put FOLDER/condabin on PATH"
        pytest.fail(f"conda: {found}; the tests under conda need {MIN_CONDA_VER} or later; {way_out}", pytrace=False)


def _with_conda(folder, environments, *options, **more):
    places = [place for place in os.environ["PATH"].split(os.pathsep) if Path(place) != Path(sys.executable).parent]
    path = os.pathsep.join([str(_no_python()), *places])
    return snakemake(folder, "--use-conda", "--conda-prefix", str(environments), *options, PATH=path, **more)


@cache
def _no_python():
    """A folder whose python refuses to start."""
    folder = Path(_place().name) / "no_python"
    folder.mkdir()
    (folder / "python").write_text(NO_PYTHON)
    (folder / "python").chmod(0o755)
    return folder


@cache
def _place():
    return tempfile.TemporaryDirectory(prefix="kargah-conda-")  # it lasts as long as this object
