"""Dry runs: what every preset plans, what is refused before any job starts; and the house style."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from unittest import mock

import pytest
import yaml

from lib.modules import files_of_script
from plans import Edit, plan
from runs import ROOT, planned, snakemake

PRESETS = [None, *sorted(path.name for path in (ROOT / "presets").glob("*.yaml"))]
PROFILES = sorted(path.parent.name for path in (ROOT / "profiles").glob("*/config.*yaml"))
CHAIN = {
    "fetch", "provenance", "ner_clean", "ner_audit", "ner_train", "ner_evaluate", "ner_predict",
    "summ_split", "token_lengths", "text_statistics", "lead", "generate", "finetune", "prune", "sparsity",
    "score", "compare_systems", "qualities", "report",
}  # fmt: skip


PRUNED = {"kind": "prune", "parent": "smollm2_tuned", "method": "l1_unstructured", "amount_of": "prunable", "scope": "layer"}


@pytest.mark.parametrize("preset", PRESETS, ids=lambda name: name or "config.yaml")
def test_every_preset_plans_the_whole_chain(project, preset):
    run = snakemake(project, "-n", "--quiet", "rules", *(["--configfile", f"presets/{preset}"] if preset else []))
    assert run.returncode == 0, run.stdout[-3000:]
    jobs = planned(run.stdout)
    assert set(jobs) >= CHAIN, CHAIN - set(jobs)
    expected = (6, 9, 31, 1) if preset == "study.yaml" else (3, 1, 7, 1)
    assert (jobs["finetune"], jobs["prune"], jobs["generate"], jobs["score"]) == expected


def test_prefetch_fetches_all_that_the_run_needs_and_nothing_else(project):
    plans = {}
    for targets in ([], ["--", "prefetch"]):
        run = snakemake(project, "-n", "--quiet", "rules", "--configfile", "presets/smoke.yaml", *targets)
        assert run.returncode == 0, run.stdout[-3000:]
        plans[len(targets)] = planned(run.stdout)
    assert plans[2] == {"preflight": 1, "fetch": plans[0]["fetch"], "prefetch": 1}


def test_the_study_of_taggers_adds_to_any_preset(project):
    run = snakemake(project, "-n", "--quiet", "rules", "--configfile", "presets/demo.yaml", "presets/ner_study.yaml")
    assert run.returncode == 0, run.stdout[-3000:]
    jobs = planned(run.stdout)
    assert (jobs["ner_train"], jobs["ner_clean"], jobs["ner_audit"]) == (7, 7, 7)


def test_every_trained_model_repeats_for_each_further_seed(project):
    (project / "seeds.yaml").write_text("seeds: [42, 43, 44]\n")
    run = snakemake(project, "-n", "--quiet", "rules", "--configfile", "presets/demo.yaml", "seeds.yaml")
    assert run.returncode == 0, run.stdout[-3000:]
    jobs = planned(run.stdout)
    assert (jobs["ner_train"], jobs["ner_clean"], jobs["finetune"], jobs["prune"]) == (3, 1, 9, 3)
    assert jobs["generate"] == 7 + 2 * 4, "systems that are only prompted do not depend on the training seed"
    assert jobs["score"] == 1, "all systems of all seeds are scored together"


def test_no_training_s_checkpoints_lie_in_the_folder_of_another_s(project):
    """A training tidies its own; those of a variant, or of a further seed, are not among it."""
    (project / "seeds.yaml").write_text("seeds: [42, 43]\nner: {variants: {english: {train_languages: [en]}}}\n")
    run = snakemake(project, "-n", "-p", "--configfile", "presets/smoke.yaml", "seeds.yaml")
    assert run.returncode == 0, run.stdout[-3000:]
    folders = [Path(folder) for folder in re.findall(r"--work (\S+)", run.stdout)]
    assert len(set(folders)) == len(folders) == 3 * 2 + 3 * 2, "three taggers, three fine-tuned systems, two seeds"
    assert not [(one, two) for one in folders for two in folders if one in two.parents]


def test_a_thousand_systems_make_command_lines_that_a_shell_takes(project):
    """Linux gives one argument, such as the command of `bash -c`, 128 KiB."""
    systems = {
        f"smollm2_pruned_and_retuned_at_{amount:03}": {"kind": "finetune", "parent": f"smollm2_pruned_at_amount_{amount:03}"}
        for amount in range(500)
    } | {f"smollm2_pruned_at_amount_{amount:03}": PRUNED | {"amount": (amount + 1) / 600} for amount in range(500)}
    sweep = {"baseline": "smollm2_tuned", "systems": list(systems), "axis": "amount"}
    text = yaml.safe_dump({"summarization": {"systems": systems, "studies": {"sweep": sweep}}})
    (project / "sweep.yaml").write_text(text)
    tables = [f"results/smoke/summarization/{name}" for name in ("comparison.csv", "studies/sweep.csv", "qualities.json")]
    run = snakemake(project, "-n", "-p", "--configfile", "presets/smoke.yaml", "sweep.yaml", "--", *tables)
    assert run.returncode == 0, run.stdout[-3000:]
    commands = re.findall("python scripts/(score|compare_systems|qualities).py(.*)", run.stdout)
    assert [name for name, _ in commands].count("compare_systems") == 2
    assert {name for name, _ in commands} == {"score", "compare_systems", "qualities"}
    assert max(len(options) for _, options in commands) < 100 * 1024


@pytest.mark.parametrize(("asked", "given"), [("4", "4"), ("3 * attempt", "3")])
def test_the_number_of_processes_of_fine_tuning_is_a_resource(project, asked, given):
    """As a number, or growing with the attempt, as docs/slurm.md has it for the memory of several processes."""
    more = ["-n", "-p", "--set-resources", f"finetune:processes={asked}", "--configfile", "presets/smoke.yaml"]
    run = snakemake(project, *more, "--", "results/smoke/summarization/systems/smollm2_tuned/model")
    assert run.returncode == 0, run.stdout[-3000:]
    assert re.findall(r"finetune\.py .*?--processes (\d+)", run.stdout, re.S) == [given]


@pytest.mark.parametrize(("configured", "options"), [(3, []), (1, ["--set-scatter", "generation=3"])], ids=["config", "command line"])
def test_the_test_articles_are_divided_among_jobs(project, configured, options):
    jobs, shards = planned_with_shards(project, configured, *options)
    assert (jobs["generate"], jobs["gather_predictions"]) == (3, 1)
    assert shards == ["1-of-3", "2-of-3", "3-of-3"]


@pytest.mark.parametrize(("configured", "options"), [(1, []), (3, ["--set-scatter", "generation=1"])], ids=["config", "command line"])
def test_one_shard_needs_no_job_to_join_it(project, configured, options):
    jobs, shards = planned_with_shards(project, configured, *options)
    assert jobs["generate"] == 1
    assert "gather_predictions" not in jobs
    assert shards == ["1-of-1"]


def planned_with_shards(project, configured, *options):
    """The jobs that make one system's summaries, and their shards."""
    (project / "shards.yaml").write_text(f"summarization: {{generation: {{shards: {configured}}}}}\n")
    target = "results/smoke/summarization/systems/smollm2_base/predictions.jsonl"
    run = snakemake(project, "-n", "-p", "--configfile", "presets/smoke.yaml", "shards.yaml", *options, "--", target)
    assert run.returncode == 0, run.stdout[-3000:]
    return planned(run.stdout), sorted(re.findall(r"--shard (\S+)", run.stdout))


def test_a_system_may_have_another_prompt_than_its_model(project):
    (project / "plain.yaml").write_text("summarization: {systems: {smollm2_base: {prompt: plain}}}\n")
    target = "results/smoke/summarization/systems/smollm2_base/predictions.jsonl"
    for files, template in ((["presets/smoke.yaml"], "chat"), (["presets/smoke.yaml", "plain.yaml"], "plain")):
        run = snakemake(project, "-n", "-p", "--configfile", *files, "--", target)
        assert f"--template prompts/{template}.yaml" in run.stdout, run.stdout[-3000:]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_plans(project, profile):
    run = snakemake(project, "-n", "--quiet", "rules", "--profile", f"profiles/{profile}", "--configfile", "presets/smoke.yaml")
    assert run.returncode == 0, run.stdout[-3000:]


def test_every_job_asks_for_memory_and_time_that_grow_with_its_attempts():
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "rules").glob("*.smk")]
    here = {
        name for text in texts for names in re.findall(r"^localrules:\n((?: +\w+,\n)+)", text, re.M) for name in re.findall(r"\w+", names)
    }
    jobs = {
        name: body for text in texts for name, body in re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", text, re.M | re.S) if name not in here
    }
    assert len(jobs) > 10
    assert not [name for name, body in jobs.items() if "mem_mb=growing(" not in body or "runtime=growing(" not in body]


def test_jobs_that_run_a_model_have_a_gpu_one_after_another(project, tmp_path, monkeypatch):
    options = Edit(options=("--configfile", "presets/smoke.yaml", "--cores", "16"))
    without = {job.rule: job.threads for job in plan(project, options, ["all"])}
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho a card, 16 GiB\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with_gpu = {job.rule: job.threads for job in plan(project, options, ["all"])}
    several = {rule for rule, threads in without.items() if threads > 1} - {"preflight"}
    assert several >= {"ner_train", "ner_evaluate", "generate", "finetune", "prune", "score", "qualities"}
    assert {without[rule] for rule in several} == {2} and {with_gpu[rule] for rule in several} == {16}
    assert [rule for rule in without if rule not in several and with_gpu[rule] != without[rule]] == []
    in_a_job = {job.rule: job.threads for job in plan(project, Edit(options=(*options.options, "--mode", "remote")), ["all"])}
    assert {in_a_job[rule] for rule in several} == {2}, "on a cluster's node, a job has what it asked for"


def test_of_large_files_too_the_content_decides_and_not_the_date(tmp_path):
    (tmp_path / "profiles").symlink_to(ROOT / "profiles")
    rule = 'rule copy:\n    input:\n        "data",\n    output:\n        "copy",\n    shell:\n        "cp {input} {output}"\n'
    (tmp_path / "Snakefile").write_text(rule)
    (tmp_path / "data").write_bytes(bytes(2_000_000))  # twice as much as without the profile
    assert snakemake(tmp_path, "--cores", "1").returncode == 0
    (tmp_path / "data").touch()
    assert "Nothing to be done" in snakemake(tmp_path, "-n").stdout
    (tmp_path / "data").write_bytes(bytes(2_000_001))
    assert "Nothing to be done" not in snakemake(tmp_path, "-n").stdout


@pytest.mark.parametrize("profile", ["slurm", "cluster-generic"])
def test_a_cluster_s_profile_sends_the_rules_that_use_a_gpu_to_one(profile):
    settings = yaml.safe_load((ROOT / "profiles" / profile / "config.v8+.yaml").read_text())
    asked = settings["set-resources"]
    assert settings["set-threads"]["preflight"] == 1, "no number of cores bounds those of a job here"
    device = ROOT / "scripts" / "lib" / "device.py"
    using = {path.stem for path in (ROOT / "scripts").glob("*.py") if device in files_of_script(path)}
    need_none = {"preflight", "prune", "ner_predict"}  # the first asks what is here; the others have little to compute
    assert {rule for rule, resources in asked.items() if resources.get("gpu")} == using - need_none


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--config", "student_id=0123"], "student_id: found 123, a number"),
        (["--config", "nonsense=1"], "nonsense: unknown key"),
        (["--config", "run=a/b"], "run: found 'a/b'"),
    ],
)
def test_a_wrong_configuration_stops_before_any_job(project, options, message):
    run = snakemake(project, "-n", *options)
    assert run.returncode != 0
    assert message in run.stdout
    assert "Traceback" not in run.stdout


def test_a_quoted_student_id_keeps_its_zero(project):
    run = snakemake(project, "-n", "--configfile", "presets/smoke.yaml", "--config", "student_id=!!str 0123", "--", "submission")
    assert run.returncode == 0, run.stdout[-2000:]
    assert "NLP-CA4-0123.zip" in run.stdout
    assert planned(run.stdout)["preflight"] == 1, "before this target, too"


ONLINE = ("fetch.py", "preflight.py")  # these talk to the hub
SCRIPTS = sorted(path.name for path in (ROOT / "scripts").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_says_how_it_is_started_by_hand(script, monkeypatch, capsys):
    """In this process, which imports what they share only once."""
    monkeypatch.setattr(sys, "argv", [f"scripts/{script}", "--help"])
    monkeypatch.setitem(sys.modules, "lib.tokenizers_only", ModuleType("lib.tokenizers_only"))  # it is for a process of its own
    with mock.patch.dict(os.environ), pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "scripts" / script), run_name="__main__")
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert f"python scripts/{script}" in shown
    assert "writes" in shown


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_that_loads_models_or_data_sets_is_offline_first(script):
    ours = files_of_script(ROOT / "scripts" / script)
    loads = any(
        re.search(r"^\s*(?:from|import) (?:torch|transformers|datasets)\b", path.read_text(encoding="utf-8"), re.M) for path in ours
    )
    offline = "\nimport lib.offline  # noqa: F401\n" in (ROOT / "scripts" / script).read_text(encoding="utf-8")
    assert offline or not loads or script in ONLINE


def test_house_style():
    tools = Path(sys.executable).parent
    for command in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["snakefmt", "--check", "Snakefile", "rules"]):
        environment = {"PATH": f"{tools}:/usr/bin:/bin"}
        run = subprocess.run([tools / command[0], *command[1:]], cwd=ROOT, env=environment, text=True, capture_output=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
    run = subprocess.run([sys.executable, "-m", "snakemake", "--lint"], cwd=ROOT, text=True, capture_output=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
