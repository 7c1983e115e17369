"""The archive, and the record of the configuration."""

import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

import record_config
import submission
from report_run import ROOT, make_run, write_text

TOKEN = "hf_" + "a" * 34


@pytest.fixture
def run(tmp_path):
    """A run with a report, a model, and logs that hold what must not leave the machine."""
    folder = make_run(tmp_path / "results" / "made_up", overrides={"seeds": [42, 43]})
    for name in ("report.en.md", "report.en.html", "report.fa.md", "report.fa.html"):
        write_text(folder / "report" / name, f"the report, {name}")
    for name in ("scores.en.svg", "scores.fa.svg"):
        write_text(folder / "report" / "figures" / name, "<svg/>")
    write_text(folder / "summarization" / "systems" / "smollm2_tuned" / "model" / "model.safetensors", "weights")
    write_text(folder / "summarization" / "systems" / "smollm2_tuned" / "model" / "config.json", "{}")
    write_text(folder / "ner" / "seeds" / "43" / "model" / "config.json", "{}")
    write_text(
        tmp_path / "logs" / "ner" / "variants" / "as_downloaded" / "train.log",
        f"read {Path.cwd()}/results/x.json with {sys.prefix}/bin/python and {TOKEN}\n",
    )
    write_text(tmp_path / "logs" / "finetune" / "smollm2_tuned.log", f"in {Path.home()}/work\n")
    return folder


def project():
    names = ["Snakefile", "config.yaml", *(f"{part}/{glob}" for part, glob in (("rules", "*"), ("scripts", "**/*.py"), ("prompts", "*")))]
    return [path for name in names for path in sorted(ROOT.glob(name)) if path.is_file()]


def pack(run, target, own_answers=None):
    submission.main(
        [
            *("--config", str(run / "config.yaml"), "--logs", str(run.parents[1] / "logs")),
            *("--parts", str(ROOT / "report" / "submission.yaml"), "--output", str(target)),
            *("--answers", *filter(None, [own_answers]), str(ROOT / "report" / "answers")),
            *("--project", *(str(path.relative_to(ROOT)) for path in project())),
        ]
    )
    with zipfile.ZipFile(target) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_the_archive_holds_report_code_and_output(run, tmp_path):
    content = pack(run, tmp_path / "a.zip")
    assert {name.split("/")[0] for name in content} == {"NLP-CA4-00000000"}
    names = {name.removeprefix("NLP-CA4-00000000/") for name in content}
    assert {"README.md", "report/report.en.html", "report/report.fa.md", "workflow/Snakefile", "workflow/scripts/lib/publish.py"} <= names
    assert {"1-entity-recognition/ner_train.py", "1-entity-recognition/output/ner/metrics.json"} <= names
    assert {"1-entity-recognition/output/ner/training_log.jsonl", "1-entity-recognition/logs/ner/variants/as_downloaded/train.log"} <= names
    assert {"2-summarization/output/summarization/systems/lead3/scores.json", "2-summarization/logs/finetune/smollm2_tuned.log"} <= names
    assert {"3-pruning/prune.py", "3-pruning/output/summarization/systems/smollm2_pruned/sparsity.csv"} <= names
    repeated = (
        "1-entity-recognition/output/ner/seeds/43/metrics.json",
        "1-entity-recognition/output/ner/variants/my_own/seeds/43/metrics.json",
    )
    assert {*repeated, "2-summarization/output/summarization/systems/smollm2_tuned/seeds/43/scores.json"} <= names
    assert not [name for name in names if "safetensors" in name or "parquet" in name or "/model/" in name]


def test_nothing_of_the_machine_leaves_with_it(run, tmp_path):
    text = b"\n".join(pack(run, tmp_path / "a.zip").values()).decode("utf-8", "replace")
    log = "read ./results/x.json with python/bin/python and hf_…"
    assert log in text
    assert TOKEN not in text
    assert not re.search(rf"(?<![\w.~-]){re.escape(str(ROOT))}", text)
    assert str(sys.prefix) not in text and f"{Path.home()}/" not in text


def test_the_same_run_gives_the_same_bytes(run, tmp_path):
    pack(run, tmp_path / "a.zip")
    (run / "ner" / "metrics.json").touch()
    pack(run, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_the_index_tells_whose_answers_it_holds(run, tmp_path):
    write_text(tmp_path / "own" / "en" / "N2.md", "mine")
    index = pack(run, tmp_path / "a.zip", own_answers=str(tmp_path / "own"))["NLP-CA4-00000000/README.md"].decode()
    assert "- en: the student's own: N2; still the project's: N3, N7, " in index
    assert "- fa: the student's own: none; still the project's: N2, " in index


def test_a_number_as_student_id_is_refused(run, tmp_path):
    config = yaml.safe_load((run / "config.yaml").read_text("utf-8")) | {"student_id": 123}
    (run / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with pytest.raises(SystemExit, match="student_id is 123"):
        pack(run, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


def test_a_missing_report_is_named(run, tmp_path):
    shutil.rmtree(run / "report")
    with pytest.raises(SystemExit, match="report.en.md"):
        pack(run, tmp_path / "a.zip")


# ------------------------------------------------------------------ the record of the configuration


def test_the_configuration_is_recorded_with_its_differences(tmp_path):
    assignment = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    config = json.loads(json.dumps(assignment))
    config |= {"run": "mine", "about": {"en": "x", "fa": "y"}}
    config["ner"]["training"]["eval_steps"] = 40
    config["ner"]["sentences"] = config["ner"]["sentences"][:1]
    config["models"]["llama"] = {"title": "Another", "source": "local", "path": "somewhere", "prompt": "chat"}
    del config["summarization"]["systems"]["lead3"]
    files = [tmp_path / name for name in ("config.yaml", "differences.json", "environment.json")]
    record_config.main(
        [
            *("--config", json.dumps(config), "--assignment", json.dumps(assignment), "--output", str(files[0])),
            *("--differences", str(files[1]), "--environment", str(files[2])),
        ]
    )
    assert yaml.safe_load(files[0].read_text("utf-8")) == config
    assert list(yaml.safe_load(files[0].read_text("utf-8"))["summarization"]["systems"]) == list(config["summarization"]["systems"])
    differences = {entry.pop("key"): entry for entry in json.loads(files[1].read_text("utf-8"))}
    assert differences["ner.training.eval_steps"] == {"assignment": 400, "here": 40}
    assert differences["models.llama.path"] == {"here": "somewhere"}
    assert differences["summarization.systems.lead3.kind"] == {"assignment": "lead"}
    assert len(differences["ner.sentences"]["here"]) == 1
    assert not {"run", "about.en"} & set(differences) and "ner.max_length" not in differences
    environment = json.loads(files[2].read_text("utf-8"))
    assert environment["python"].startswith("3.") and environment["packages"]["pandas"]
