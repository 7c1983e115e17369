"""The smoke preset, and more, with --use-conda: environments as envs/ pins them, and every job in one of them.

test_determinism.py compares its results with those of the venv.
"""

import re
import shutil
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from conda_run import environments, snakemake_with_conda
from lock import CUDA
from reruns import PAGE
from runs import CORES, ROOT, planned, snakemake
from sources_run import CONFIG, RUN, TARGETS

SYSTEMS = f"{RUN}/summarization/systems"
BY_HAND = ["compare", f"{SYSTEMS}/smollm2_tuned/validation_loss.json"]  # what no other rule asks for here
ENVS = re.findall(r"^\| `(envs/\w+\.yaml)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.M)
SHARDED = f"{SYSTEMS}/smollm2_base/predictions.jsonl"


def test_environments_hold_what_envs_pins_and_nothing_else():
    made = list(environments().glob("*.yaml"))
    assert sorted(path.read_text() for path in made) == sorted(path.read_text() for path in (ROOT / "envs").glob("*.yaml"))
    for path in made:
        pins = dict(pin.split("==") for pin in yaml.safe_load(path.read_text())["dependencies"][-1]["pip"])
        found = {canonical(package.metadata["Name"]): package for package in metadata.distributions(path=[str(libraries(path))])}
        assert {name: found[name].version.split("+")[0] for name in pins} == pins
        more = [name for name, package in found.items() if name not in pins and package.read_text("INSTALLER").strip() == "pip"]
        assert [name for name in more if not CUDA.match(name)] == []
        assert not more or "+cpu" not in found["torch"].version


def libraries(path):
    """Where the packages of the environment lie whose file this is a copy of."""
    return path.with_suffix("") / "lib" / "python3.11" / "site-packages"


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_rule_runs_in_an_environment(again, tmp_path):
    [log, *_] = sorted((again / ".snakemake" / "log").glob("*.log"))
    copy = copy_of(again, tmp_path / "copy")
    by_hand = snakemake_with_conda(copy, *CORES, *CONFIG, "--config", "left=reruns", "right=reruns", "--", *BY_HAND)
    assert by_hand.returncode == 0, by_hand.stdout[-3000:]
    sharded = snakemake_with_conda(copy, *CORES, *CONFIG, "--set-scatter", "generation=2", "--", SHARDED)
    assert sharded.returncode == 0, sharded.stdout[-3000:]
    rules = [rule for path in (again / "rules").glob("*.smk") for rule in re.split(r"^rule ", path.read_text(), flags=re.M)[1:]]
    with_scripts = {rule.partition(":")[0] for rule in rules if "\n    shell:\n" in rule}
    assert with_scripts == set().union(*map(rules_in_environments, (log.read_text(), by_hand.stdout, sharded.stdout)))


def copy_of(run, folder):
    """A copy of a finished run, that shares no disk with it."""
    shutil.copytree(run, folder, symlinks=True)
    for path in filter(Path.is_symlink, folder.iterdir()):
        target = path.readlink()
        path.unlink()
        shutil.copytree(target, path, symlinks=True)
    return folder


def rules_in_environments(said):
    """The rules of a run, each of whose jobs Snakemake ran in an environment."""
    jobs = {rule: count for rule, count in planned(said).items() if rule != "all"}
    assert len(re.findall(r"^Activating conda environment:", said, re.M)) == sum(jobs.values())
    return set(jobs)


def test_a_second_run_has_nothing_to_do(again):
    run = snakemake_with_conda(again, "-n", *CONFIG, "--", *TARGETS)
    assert "Nothing to be done" in run.stdout, run.stdout[-2000:]


@pytest.mark.parametrize(("env", "rules"), ENVS, ids=lambda value: str(value).split()[0])
def test_an_edited_env_file_runs_again_what_runs_in_it(again, env, rules):
    path, text = again / env, (again / env).read_text()
    everything = planned(snakemake_with_conda(again, "-n", "-F", "--quiet", "rules", *CONFIG, "--", *TARGETS).stdout)
    path.write_text(f"{text}# edited\n")
    try:
        run = snakemake_with_conda(again, "-n", "--quiet", "rules", *CONFIG, "--", *TARGETS)
    finally:
        path.write_text(text)
    assert run.returncode == 0, run.stdout[-3000:]
    found, owners = planned(run.stdout), set(re.findall(r"`(\w+)`", rules)) & set(everything)
    assert {rule: found.get(rule) for rule in owners} == {rule: everything[rule] for rule in owners}
    if env == "envs/report.yaml":
        assert set(found) == owners | {"all"}, "nothing follows from tables and pages"


def test_what_was_fetched_in_an_environment_serves_a_run_without(again):
    """As the README says how."""
    options = ["-n", "--quiet", "rules", *CONFIG, "--config", "run=other"]
    run = snakemake(again, *options, "--rerun-triggers", "code", "input", "mtime", "params", "--", *TARGETS)
    jobs = planned(run.stdout)
    assert "ner_train" in jobs
    assert "fetch" not in jobs
