"""Whole runs of the workflow in copies of the project, so that a test never touches the results of whoever runs it."""

import os
import re
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = [
    "Snakefile",
    "Makefile",
    "README.md",
    "LICENSE",
    "pyproject.toml",
    "config.yaml",
    "requirements.in",
    "requirements.txt",
    "rules",
    "scripts",
    "envs",
    "schemas",
    "presets",
    "profiles",
    "prompts",
    "report",
    "data",
    "tests",
]
# two jobs of one thread at a time: what little the smoke preset does is mostly imports, which use one core whatever they are given
CORES = ("--cores", "2", "--max-threads", "1")
TOKEN = f"hf_{uuid.uuid4().hex}"  # in the environment of every run, so that a test can look for it in what the run wrote


def copy_of_project(folder):
    """The project's own files in `folder`, without results or assets."""
    folder.mkdir(exist_ok=True)
    ignore = shutil.ignore_patterns("__pycache__", ".part-*")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=ignore)
        elif source.exists():
            shutil.copy2(source, folder / part)
    return folder


def environment(**variables):
    """What a run sees: this Python first on PATH, nothing of the caller's about the hub (HF_HUB_OFFLINE, a token), and `variables`."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING_FACE"))}
    return own | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"} | variables


def snakemake(folder, *options, timeout=1200, **variables):
    """Run Snakemake of this Python in `folder`, with more environment variables; a CompletedProcess with stdout and stderr together."""
    command = [sys.executable, "-m", "snakemake", *options]
    own = environment(HF_TOKEN=TOKEN) | variables
    return subprocess.run(
        command, cwd=folder, env=own, timeout=timeout, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )


def worker_out_of_memory(most):
    """Code for a sitecustomize module: the second worker's training step fails on more than `most` rows, as if memory had run out."""
    return f"""
import os
if "KARGAH_TRIED" in os.environ:
    import transformers
    step = transformers.Trainer.training_step

    def training_step(self, model, inputs, *args, **kwargs):
        if len(inputs["input_ids"]) > {most} and os.environ["RANK"] == "1":
            raise RuntimeError("CUDA out of memory. Tried to allocate more than there is.")
        return step(self, model, inputs, *args, **kwargs)

    transformers.Trainer.training_step = training_step
"""


def worker_killed(step):
    """Code for a sitecustomize module: the second worker is killed when that many steps are done."""
    return f"""
import os
if "KARGAH_TRIED" in os.environ and os.environ.get("RANK") == "1":
    import signal, transformers
    step = transformers.Trainer.training_step

    def training_step(self, *args, **kwargs):
        if self.state.global_step == {step}:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, *args, **kwargs)

    transformers.Trainer.training_step = training_step
"""


def planned(output):
    """{rule: jobs} from the table that a dry run prints."""
    table = output.split("job ", 1)[1].split("total", 1)[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.M)}


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A copy of the project in which nothing has run."""
    return copy_of_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """A copy of the project in which the smoke preset has run to its end."""
    folder = copy_of_project(tmp_path_factory.mktemp("smoke"))
    run = snakemake(folder, *CORES, "--configfile", "presets/smoke.yaml", "--show-failed-logs")
    assert run.returncode == 0, run.stdout[-6000:]
    return folder
