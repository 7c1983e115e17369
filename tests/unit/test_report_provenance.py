"""The rules behind a report: who makes what, what the jobs took, the graph, and the commit."""

import json
import re
import subprocess
from xml.etree import ElementTree

import pytest

from lib import rule_drawing
from lib.commit import commit, short
from lib.program import InputError
from lib.report_provenance import provenance
from lib.rule_record import compact, measured, rules_of

RULES = {
    "fetch": {"depth": 1, "after": []},
    "finetune": {"depth": 2, "after": ["fetch", "prune"]},
    "prune": {"depth": 3, "after": ["finetune"]},
    "generate": {"depth": 2, "after": ["fetch", "finetune", "prune"]},
    "count": {"depth": 4, "after": ["prune", "count"]},
    "report": {"depth": 5, "after": ["generate", "count", "fetch"]},
}
MAKERS = {
    "config.yaml": "record",
    "ner/metrics.json": "evaluate",
    "ner/seeds/43/metrics.json": "evaluate",
    "summarization/systems/a/speed.json": "generate",
    "summarization/systems/b/speed.json": "generate",
    "summarization/systems/lead/speed.json": "lead",
}


def test_a_compact_record_knows_the_rule_of_every_file():
    record = {"files": compact(MAKERS | {f"summarization/systems/s{number}/speed.json": "generate" for number in range(1000)})}
    assert len(record["files"]) == 5
    assert {path: rules_of(record, path) for path in MAKERS} == {path: [rule] for path, rule in MAKERS.items()}
    assert rules_of(record, "summarization/systems/*/speed.json") == ["generate", "lead"]
    assert rules_of(record, "ner/seeds/*/metrics.json") == ["evaluate"]
    with pytest.raises(InputError, match="no rule makes ner/nothing.json"):
        rules_of(record, "ner/nothing.json")


def test_only_jobs_of_this_run_are_counted(tmp_path):
    record = {
        "rules": {"finetune": {"benchmark": "finetune/{system}.jsonl"}, "train": {"benchmark": "{tagger}/train.jsonl"}},
        "wildcards": {"system": ["a", "b/seeds/43"], "tagger": ["ner"]},
    }
    for path, seconds, memory in (
        ("finetune/a.jsonl", 2.0, 100.0),
        ("finetune/b/seeds/43.jsonl", 3.0, "NA"),
        ("finetune/gone.jsonl", 900.0, 900.0),
        ("ner/train.jsonl", 5.0, 50.0),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(json.dumps({"s": seconds, "max_rss": memory}))
    found = measured(record, tmp_path)
    assert (found["finetune"].seconds, found["finetune"].megabytes) == ([2.0, 3.0], [100.0])
    assert (found["train"].seconds, found["train"].megabytes) == ([5.0], [50.0])


def test_rules_without_measurement_are_named(tmp_path):
    rules = {name: rule | {"script": "x", "jobs": 1, "benchmark": f"{name}.jsonl"} for name, rule in RULES.items()}
    for name in ("fetch", "report"):
        (tmp_path / f"{name}.jsonl").write_text('{"s": 1.0, "max_rss": 10.0}')
    found = provenance({"rules": rules, "wildcards": {}, "files": {}}, tmp_path, tmp_path / "none.json", tmp_path)
    assert [row["name"] for row in found["rules"]] == ["fetch", "finetune", "generate", "prune", "count", "report"]
    assert found["unmeasured"] == ["finetune", "generate", "prune", "count", "report"], "a report cannot know how long it takes itself"
    assert found["rules"][0]["bytes"] == 10 * 2**20
    assert found["checks"] == []


def test_the_graph_leaves_out_what_follows_and_turns_back_what_would_go_round():
    down, up, circular = rule_drawing.edges(RULES)
    assert sorted(down) == [
        ("count", "report"),
        ("fetch", "finetune"),
        ("finetune", "prune"),
        ("generate", "report"),
        ("prune", "count"),
        ("prune", "generate"),
    ]
    assert (up, circular) == ([("prune", "finetune")], ["count"])
    text = rule_drawing.mermaid(RULES)
    assert "  prune -.-> finetune" in text and '  count["count ↻"]' in text and text.count(" --> ") == len(down)


def test_the_drawing_has_every_rule_in_its_row():
    drawing = ElementTree.fromstring(rule_drawing.svg(RULES, "A <title>", "A & text"))
    texts = {text.text: float(text.get("y")) for text in drawing.iter("{http://www.w3.org/2000/svg}text")}
    assert set(texts) == {"fetch", "finetune", "prune", "generate", "count ↻", "report"}
    assert texts["fetch"] < texts["finetune"] < texts["prune"] < texts["generate"] == texts["count ↻"] < texts["report"]
    assert drawing.find("{http://www.w3.org/2000/svg}title").text == "A <title>"


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_the_commit_is_the_projects(tmp_path):
    assert commit(tmp_path) == {"commit": None, "changed": []} and short(commit(tmp_path)) is None
    git(tmp_path, "init", "-q")
    project = tmp_path / "unpacked"
    project.mkdir()
    (project / "Snakefile").write_text("a")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "another project's")
    assert commit(project)["commit"] is None, "a repository around an unpacked archive says nothing about it"
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "first")
    assert re.fullmatch("[0-9a-f]{40}", commit(project)["commit"]) and commit(project)["changed"] == []
    (project / "Snakefile").write_text("b")
    (project / "results").write_text("a run's")
    assert commit(project)["changed"] == ["unpacked/Snakefile"]
    assert short(commit(project)) == commit(project)["commit"][:7] + "+"
    assert short(commit(project), besides=["unpacked/Snakefile"]) == commit(project)["commit"][:7]
