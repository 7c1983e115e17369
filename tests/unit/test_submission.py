"""The archive, and the record of the configuration."""

import fnmatch
import json
import re
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

import record_config
import submission
from lib.config import checked
from lib.portable_text import portable
from lib.report_studies import figure_names
from lib.settings import overrides
from report_run import ROOT, make_run, with_studies, write, write_text

TOKEN = "hf_" + "a" * 34
ID = "NLP-CA4-00000000/"


@pytest.fixture
def run(tmp_path):
    """A run with a report, models, and logs that hold what must not leave the machine."""
    return finished(make_run(tmp_path / "results" / "made_up", overrides={"seeds": [42, 43]}))


def finished(folder):
    """The run with its report, and with the files that the report does not read."""
    figures = figure_names(yaml.safe_load((folder / "config.yaml").read_text("utf-8")))
    for language in ("en", "fa"):
        write_text(folder / "report" / f"report.{language}.html", "<p>the report")
        write_text(folder / "report" / f"report.{language}.md", "".join(f"![](figures/{name}.{language}.svg)\n" for name in figures))
        for name in figures:
            write_text(folder / "report" / "figures" / f"{name}.{language}.svg", "<svg/>")
    for place in ("ner", "ner/seeds/43", "summarization/systems/smollm2_tuned"):
        write_text(folder / place / "model" / "model.safetensors", 2000 * "weights")
        write_text(folder / place / "model" / "README.md", "# a model card")
    write_text(folder / "ner" / "sentences.html", "<p>")
    write_text(folder / "summarization" / "lengths" / "llama.json", "{}")
    logs, machine = folder.parents[1] / "logs", f"read {Path.cwd()}/results/x.json with {sys.prefix}/bin/python and {TOKEN}\n"
    write_text(logs / "ner" / "train.log", machine)
    write_text(logs / "ner" / "variants" / "as_downloaded" / "train.log", machine)
    write_text(logs / "finetune" / "smollm2_tuned.log", f"in {Path.home()}/work\n")
    for name in ("summ_split.log", "score.log", "compare.log", "record_config.log", "prune/smollm2_pruned.log", "lead/lead3.log"):
        write_text(logs / name, f"log of {name}")
    return folder


def project():
    names = ["Snakefile", "config.yaml", *(f"{part}/{glob}" for part, glob in (("rules", "*"), ("scripts", "**/*.py"), ("prompts", "*")))]
    return [path.relative_to(ROOT) for name in names for path in sorted(ROOT.glob(name)) if path.is_file()]


def pack(run, target, own_answers=None, own_templates=None, megabytes=0.001, data=(), more=()):
    submission.main(
        [
            *("--config", str(run / "config.yaml"), "--logs", str(run.parents[1] / "logs")),
            *("--parts", str(ROOT / "report" / "submission.yaml"), "--output", str(target), "--largest-model-mb", str(megabytes)),
            *("--answers", *filter(None, [own_answers]), str(ROOT / "report" / "answers")),
            *("--templates", *filter(None, [own_templates]), str(ROOT / "report" / "templates")),
            *("--data", *map(str, data), "--project", *map(str, [*project(), *more])),
        ]
    )
    with zipfile.ZipFile(target) as archive:
        assert archive.namelist() == sorted(archive.namelist())
        assert all(name.startswith(ID) and ".." not in name for name in archive.namelist())
        return {name.removeprefix(ID): archive.read(name) for name in archive.namelist()}


def test_what_shards_of_an_earlier_attempt_left_is_not_packed(run, tmp_path):
    system = run / "summarization" / "systems" / "llama_zero_shot"
    for name in ("predictions.2-of-8.jsonl", "speed.1-of-1.json"):
        write_text(system / name, "{}")
    write_text(run.parents[1] / "logs" / "generate" / "llama_zero_shot" / "1-of-1.log", "a log")
    packed = [Path(name).name for name in pack(run, tmp_path / "out.zip")]
    assert {"predictions.jsonl", "speed.json", "1-of-1.log"} <= set(packed)
    assert not {"predictions.2-of-8.jsonl", "speed.1-of-1.json"} & set(packed)


def reconfigure(run, change):
    config = yaml.safe_load((run / "config.yaml").read_text("utf-8"))
    change(config)
    (run / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False), encoding="utf-8")


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_the_archive_holds_report_code_and_output(run, tmp_path):
    names = set(pack(run, tmp_path / "a.zip"))
    assert {"README.md", "settings.yaml", "workflow/Snakefile", "workflow/scripts/lib/publish.py"} <= names
    assert {f"report/report.{form}" for form in ("en.html", "en.md", "fa.html", "fa.md")} <= names
    assert {"report/figures/scores.en.svg", "report/figures/scores.fa.svg"} <= names
    tagger, systems = "1-entity-recognition/output/ner", "output/summarization/systems"
    assert {
        "1-entity-recognition/ner_train.py",
        f"{tagger}/metrics.json",
        f"{tagger}/training_log.jsonl",
        f"{tagger}/sentences.html",
    } <= names
    assert {f"{tagger}/seeds/43/metrics.json", f"{tagger}/variants/my_own/seeds/43/metrics.json"} <= names
    assert "1-entity-recognition/logs/ner/variants/as_downloaded/train.log" in names
    assert {"2-summarization-data/summ_split.py", "2-summarization-data/output/summarization/stats.json"} <= names
    assert {"3-prompting/generate.py", f"3-prompting/{systems}/llama_few_shot/scores.json", "3-prompting/logs/lead/lead3.log"} <= names
    assert {"4-fine-tuning/finetune.py", f"4-fine-tuning/{systems}/smollm2_tuned/seeds/43/scores.json"} <= names
    assert {f"4-fine-tuning/{systems}/smollm2_base/predictions.jsonl", "4-fine-tuning/logs/finetune/smollm2_tuned.log"} <= names
    assert {
        "5-pruning/prune.py",
        f"5-pruning/{systems}/smollm2_pruned/sparsity.csv",
        f"5-pruning/{systems}/smollm2_retuned/scores.json",
    } <= names
    assert "6-provenance/output/assets/llama.json" in names
    assert not [name for name in names if "parquet" in name or "compare.log" in name]


def test_links_and_pictures_of_the_report_work_in_the_archive(run, tmp_path):
    write_text(
        run / "report" / "report.en.md",
        "![](figures/scores.en.svg) [`ner/metrics.json`](../ner/metrics.json)"
        " [`summarization/systems/*/scores.json`](../summarization/systems/) [`ner/test.parquet`](../ner/test.parquet) [N2](#N2)",
    )
    write_text(
        run / "report" / "report.fa.html", '<a href="../ner/metrics.json" rel="noreferrer"><code>x</code></a> <a href="../no">gone</a>'
    )
    content = pack(run, tmp_path / "a.zip")
    assert content["report/report.en.md"].decode() == (
        "![](figures/scores.en.svg) [`ner/metrics.json`](../1-entity-recognition/output/ner/metrics.json)"
        " [`summarization/systems/*/scores.json`](../3-prompting/output/summarization/systems/) `ner/test.parquet` [N2](#N2)"
    )
    page = content["report/report.fa.html"].decode()
    assert page == '<a href="../1-entity-recognition/output/ner/metrics.json" rel="noreferrer"><code>x</code></a> gone'


def test_every_system_lies_in_one_part_and_what_is_left_of_another_configuration_in_none(tmp_path):
    folder = make_run(tmp_path / "results" / "made_up", overrides={"seeds": [42]}, change=with_studies)
    finished(folder)
    write(folder / "summarization" / "systems" / "removed_yesterday" / "scores.json", {})
    names = pack(folder, tmp_path / "a.zip")
    found = [name.split("/") for name in names if name.endswith("/scores.json")]
    places = {parts[4]: parts[0] for parts in found}
    assert len(found) == len(places) == len(yaml.safe_load((folder / "config.yaml").read_text("utf-8"))["summarization"]["systems"])
    assert {name for name, part in places.items() if part == "3-prompting"} == {
        *("lead3", "llama_zero_shot", "llama_few_shot", "shots_1", "shots_similar"),
    }
    assert places["tuned_nf4"] == places["smollm2_chat"] == places["smollm2_tuned_again"] == "4-fine-tuning"
    assert places["pruned_50_retuned"] == places["wanda_50"] == "5-pruning"
    assert "3-prompting/output/summarization/studies/shots.csv" in names


def test_every_script_of_the_chain_is_the_code_of_a_part():
    parts = yaml.safe_load((ROOT / "report" / "submission.yaml").read_text("utf-8"))["parts"]
    patterns = [pattern for part in parts for pattern in part["code"]]
    scripts = [path.relative_to(ROOT).as_posix() for path in (ROOT / "scripts").glob("*.py")]
    assert {script for script in scripts if not any(fnmatch.fnmatch(script, pattern) for pattern in patterns)} == {
        *("scripts/report.py", "scripts/submission.py", "scripts/compare.py"),
    }


def test_code_without_output_or_logs_is_not_packed(run, tmp_path):
    (run.parents[1] / "logs" / "prune" / "smollm2_pruned.log").unlink()
    (run.parents[1] / "logs" / "score.log").unlink()
    with pytest.raises(SystemExit, match="there is nothing of 5-pruning; expected its logs; run the workflow"):
        pack(run, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


def test_nothing_of_the_machine_leaves_with_it(run, tmp_path):
    content = pack(run, tmp_path / "a.zip")
    text = b"\n".join(data for name, data in content.items() if not name.startswith("workflow/")).decode("utf-8", "replace")
    assert "read ./results/x.json with python/bin/python and hf_…" in text
    assert "in ~/work" in text
    assert TOKEN not in text
    assert not re.search(rf"(?<![\w.~-]){re.escape(str(ROOT))}", text)
    assert str(sys.prefix) not in text and f"{Path.home()}/" not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("File /usr/lib/python3.11/json.py, line 3", "File usr/lib/python3.11/json.py, line 3"),
        ("file:///usr/share/x and 'PATH=/usr/bin:/bin/x'", "file://usr/share/x and 'PATH=usr/bin:bin/x'"),
        ("results/tmp/x, https://usr.example/usr/bin, </usr/b>, and/or, /, 3 /tmpx/y", None),
        (f"{ROOT}/x: {ROOT}. {sys.prefix}/lib {Path.home()}/y {tempfile.gettempdir()}/z", "./x: .. python/lib ~/y tmp/z"),
    ],
)
def test_absolute_paths_become_relative(text, expected):
    assert portable(text) == (text if expected is None else expected)
    assert not portable(f"{ROOT}-other/x").startswith(("/", "."))


def test_a_token_in_a_file_of_the_project_is_refused(run, tmp_path):
    write_text(tmp_path / "own" / "en" / "N2.md", f"mine\n{TOKEN}")
    with pytest.raises(SystemExit) as end:
        pack(run, tmp_path / "a.zip", own_answers=str(tmp_path / "own"))
    assert "N2.md: line 2 holds an access token" in str(end.value) and TOKEN not in str(end.value)


def test_models_and_local_data_go_in_up_to_a_size(run, tmp_path, monkeypatch):
    model = "1-entity-recognition/output/ner/seeds/43/model"
    without = pack(run, tmp_path / "a.zip", data=[ROOT / "data"])
    assert f"{model}/model.safetensors" not in without and f"{model}/README.md" in without
    left = without["README.md"].decode().split("## Left out for their size")[1].split("##")[0]
    assert f"- `{model}`, 0.0 MB" in left and "- `./data`, 0." in left
    whole = pack(run, tmp_path / "b.zip", megabytes=1, data=[Path("tests/data/pairs")])
    assert whole[f"{model}/model.safetensors"] == (run / "ner/seeds/43/model/model.safetensors").read_bytes()
    assert "workflow/tests/data/pairs/data/train.jsonl" in whole
    assert "Nothing." in whole["README.md"].decode()


def test_the_same_run_gives_the_same_bytes(run, tmp_path):
    pack(run, tmp_path / "a.zip")
    (run / "ner" / "metrics.json").touch()
    write_text(run.parents[1] / "logs" / "submission.log", "packed once")
    pack(run, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_the_index_tells_whose_answers_it_holds(run, tmp_path):
    write_text(tmp_path / "own" / "en" / "N2.md", "mine")
    write_text(tmp_path / "own" / "en" / "N3.md", (ROOT / "report/answers/en/N3.md").read_text("utf-8") + "\n")  # a copy is no own answer
    reconfigure(run, lambda config: config["report"].update(answers=str(tmp_path / "own")))
    content = pack(run, tmp_path / "a.zip", own_answers=str(tmp_path / "own"))
    index = content["README.md"].decode()
    assert "- en: the student's own: N2; still the project's: N3, N7, " in index
    assert "- fa: the student's own: none; still the project's: N2, " in index
    assert content["workflow/own/answers/en/N2.md"] == b"mine"
    assert yaml.safe_load(content["settings.yaml"])["report"]["answers"] == "own/answers"


def test_the_index_links_to_what_is_there(run, tmp_path):
    content = pack(run, tmp_path / "a.zip")
    for target in re.findall(r"\]\(([^)]+)\)", content["README.md"].decode()):
        assert any(name == target or name.startswith(f"{target}/") for name in content), target
    for name in re.findall("^- `(.+)`$", content["README.md"].decode().split("## Files")[1], re.M):
        assert name in content


def test_names_in_the_index_are_text(run, tmp_path):
    reconfigure(run, lambda config: config.update(student_name="<img src=x onerror=1> | [a](b)\n# x", course="`*<script>*`"))
    index = pack(run, tmp_path / "a.zip")["README.md"].decode()
    assert "&lt;img src=x onerror=1&gt; &#124; &#91;a&#93;(b) # x, 00000000" in index
    assert "<script>" not in index


def test_the_settings_make_the_run_again(run, tmp_path):
    assignment = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    reconfigure(run, lambda config: config["ner"].update(variants=assignment["ner"]["variants"]))
    reconfigure(run, lambda config: config["summarization"]["systems"].pop("lead3"))
    reconfigure(run, lambda config: config["summarization"].update(compare_to=["smollm2_base"]))
    settings = yaml.safe_load(pack(run, tmp_path / "a.zip")["settings.yaml"])
    assert settings["summarization"]["systems"] == {"lead3": None}
    assert settings["run"] == "made_up"
    update_config(assignment, settings)  # as --configfile does
    assert checked(assignment, ROOT) == yaml.safe_load((run / "config.yaml").read_text("utf-8"))


@pytest.mark.parametrize("presets", [["demo"], ["smoke"], ["demo", "study"], ["smoke", "study", "ner_study"]], ids="+".join)
def test_the_settings_of_every_preset_give_its_configuration(presets):
    base, asked = (yaml.safe_load((ROOT / "config.yaml").read_text("utf-8")) for _ in range(2))
    for preset in presets:
        update_config(asked, yaml.safe_load((ROOT / "presets" / f"{preset}.yaml").read_text("utf-8")))
    resolved = checked(asked, ROOT)
    update_config(base, overrides(base, resolved))
    again = checked(base, ROOT)
    assert again == resolved
    assert list(again["summarization"]["systems"]) == list(resolved["summarization"]["systems"])


def test_a_number_as_student_id_is_refused(run, tmp_path):
    reconfigure(run, lambda config: config.update(student_id=123))
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
    files = [tmp_path / name for name in ("config.yaml", "differences.json", "environment.json", "rules.json")]
    record_config.main(
        [
            *("--config", json.dumps(config), "--assignment", json.dumps(assignment), "--output", str(files[0])),
            *("--differences", str(files[1]), "--environment", str(files[2])),
            *("--rules", '{"files": {"config.yaml": "record_config"}}', "--rule-record", str(files[3])),
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
    assert environment["machine"]["processor"] and environment["machine"]["cores"] >= 1 and environment["machine"]["memory_bytes"] > 1e8
    assert json.loads(files[3].read_text("utf-8"))["files"] == {"config.yaml": "record_config"}
