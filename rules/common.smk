# Shared by all rule files: the checked config, chains of systems, inputs of scripts, flags of command lines.
import ast
import json
import os
import re
import sys
from functools import cache
from pathlib import Path

SCRIPTS = Path(workflow.basedir) / "scripts"
sys.path.insert(0, str(SCRIPTS))

from lib.config import ConfigError, checked
from snakemake.exceptions import WorkflowError

try:
    config = checked(config, Path(workflow.basedir))
except ConfigError as error:
    raise WorkflowError(f"config: {error}") from None

SUMMARIZATION = config["summarization"]
SYSTEMS = SUMMARIZATION["systems"]

# glibc gives large tensors back to the system after every step, and first touches are slow; read at the start of a process only
os.environ.setdefault("MALLOC_MMAP_MAX_", "0")
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", "100000000000")
os.environ.setdefault("MALLOC_TOP_PAD_", "1000000000")


# ------------------------------------------------------------------ systems


def systems_of_kind(*kinds):
    return [name for name, system in SYSTEMS.items() if system["kind"] in kinds]


def lineage(name):
    """The system and its ancestors, itself first."""
    yield name
    parent = SYSTEMS[name].get("parent")
    if parent:
        yield from lineage(parent)


def root_model(name):
    """The key under `models` from which a system's model descends."""
    return SYSTEMS[list(lineage(name))[-1]]["model"]


def is_sparse(name):
    """Whether a system is pruned or descends from one that is."""
    return any(SYSTEMS[ancestor]["kind"] == "prune" for ancestor in lineage(name))


def makes_model(name):
    return SYSTEMS[name]["kind"] in ("finetune", "prune")


def model_made_by(name):
    """The folder of the model that a system makes, or that it prompts."""
    if makes_model(name):
        return f"<results>/summarization/systems/{name}/model"
    return start_model(name)


def start_model(name):
    """The folder of the model from which a system starts: its parent's, or a fetched one."""
    parent = SYSTEMS[name].get("parent")
    return model_made_by(parent) if parent else asset("models", SYSTEMS[name]["model"])


def prompt_template(name):
    """The file of the prompt template that a system uses: its own, else the nearest ancestor's, else its root model's."""
    for ancestor in lineage(name):
        if "prompt" in SYSTEMS[ancestor]:
            return f"prompts/{SYSTEMS[ancestor]['prompt']}.yaml"
    return f"prompts/{config['models'][root_model(name)]['prompt']}.yaml"


def settings(name, section):
    """A system's settings of `generation` or `training`: the section's, overridden by the system's own keys."""
    own = SYSTEMS[name].get("training", {}) if section == "training" else SYSTEMS[name]
    return {key: own.get(key, value) for key, value in SUMMARIZATION[section].items()}


# ------------------------------------------------------------------ scripts


@cache
def script(name):
    """A script and every module under scripts/ that it imports, itself first.

    Snakemake compares the content of a rule's inputs, so an edit to any of these files reruns the rule,
    and a new time stamp alone does not.
    """
    found, todo = [], [SCRIPTS / name]
    while todo:
        path = todo.pop(0)
        if path not in found:
            found.append(path)
            todo += imported_modules(path)
    return [os.path.relpath(path, workflow.basedir) for path in found]


def imported_modules(path):
    """Files under scripts/ that `import a.b`, `from a import b` or `from a.b import c` in the file at `path` can mean."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        names += [name.rsplit(".", depth)[0] for name in names for depth in range(1, name.count(".") + 1)]  # the packages above
        for name in names:
            place = SCRIPTS / name.replace(".", "/")
            yield from (file for file in (place.with_suffix(".py"), place / "__init__.py") if file.exists())


# ------------------------------------------------------------------ command lines


def any_of(names):
    """A wildcard constraint that matches exactly these names, and nothing if there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def flags(section, *keys):
    """The named keys of a config section as command-line flags: leaves only, so that no other key reruns the rule."""
    return " ".join(f"--{key.replace('_', '-')} {section[key]}" for key in keys)


def as_json(value):
    """A value as one stable JSON text, for a flag quoted with :q."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
