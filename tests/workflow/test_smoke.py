"""The smoke preset from nothing to its report, and what CONTRACT's readers rely on in its files."""

import json
import re
import shutil
import zipfile

import pandas as pd
import pytest
import torch
import yaml

from lib.rule_record import rules_of
from runs import CORES, TOKEN, planned, snakemake

NER_BLOCK = {"accuracy", "precision", "recall", "f1", "support"}
SCORES = {"rouge1", "rouge2", "rougeL", "rougeLsum", "bertscore_precision", "bertscore_recall", "bertscore_f1"}
SYSTEMS = [
    "lead3",
    "llama_zero_shot",
    "llama_few_shot",
    "smollm2_base",
    "smollm2_tuned",
    "smollm2_pruned",
    "smollm2_retuned",
    "smollm2_tuned_again",
]
TUNED = ["smollm2_tuned", "smollm2_retuned", "smollm2_tuned_again"]
SPARSE = ["smollm2_pruned", "smollm2_retuned"]


@pytest.fixture(scope="module")
def results(smoke):
    return smoke / "results" / "smoke"


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def is_interval(block):
    return set(block) == {"value", "low", "high"} and block["low"] <= block["value"] <= block["high"]


def test_nothing_is_left_half_written(smoke):
    assert not [path for path in smoke.rglob("*") if ".part" in path.name]


def test_a_second_run_has_nothing_to_do(smoke):
    run = snakemake(smoke, *CORES, "--configfile", "presets/smoke.yaml")
    assert run.returncode == 0
    assert "Nothing to be done" in run.stdout


def test_a_touched_script_runs_nothing(smoke):
    for script in (smoke / "scripts").rglob("*.py"):
        script.touch()
    run = snakemake(smoke, "-n", "--configfile", "presets/smoke.yaml")
    assert "Nothing to be done" in run.stdout, run.stdout[-2000:]


def test_what_is_checked_anew_is_not_fetched_anew(smoke):
    checks = read(smoke / "assets" / "preflight.json")
    assert {"failed"} & {check["status"] for check in checks["checks"]} == set()
    assert checks["hours"] > 0
    (smoke / "more.yaml").write_text("summarization: {systems: {lead2: {kind: lead, sentences: 2}}}\n")
    run = snakemake(smoke, "-n", "--quiet", "rules", "--configfile", "presets/smoke.yaml", "more.yaml")
    assert run.returncode == 0, run.stdout[-3000:]
    jobs = planned(run.stdout)
    assert (jobs["preflight"], jobs["lead"]) == (1, 1)
    assert not {"fetch", "generate", "finetune", "ner_train"} & set(jobs)


def test_ner_data(results):
    splits = {name: pd.read_parquet(results / "ner" / f"{name}.parquet") for name in ("train", "validation", "test")}
    for rows in splits.values():
        assert list(rows.columns) == ["tokens", "ner_tags", "language", "source"]
        assert (rows.tokens.map(len) == rows.ner_tags.map(len)).all()
        assert set(rows.language) == {"en", "fa"}
        assert all(re.fullmatch("O|[BI]-[A-Z]+", tag) for tags in rows.ner_tags for tag in tags)
    texts = {name: {" ".join(tokens) for tokens in rows.tokens} for name, rows in splits.items()}
    assert not texts["test"] & (texts["train"] | texts["validation"])
    assert not texts["validation"] & texts["train"]


def test_ner_metrics(results):
    metrics = read(results / "ner" / "metrics.json")
    for split in ("validation", "test"):
        overall = metrics[split]["overall"]
        assert {*NER_BLOCK, "loss", "outside_annotation"} <= set(overall)
        assert set(metrics[split]["by_language"]) == {"en", "fa"}
        for score in ("accuracy", "precision", "recall", "f1"):
            assert is_interval(overall[score])
        assert metrics[split]["majority_baseline"]["f1"]["value"] == 0
        assert all("accuracy" not in block for block in metrics[split]["by_type"].values())


def test_what_train_lacks_of_test_is_scored_apart(results):
    folder = results / "ner" / "variants" / "as_downloaded"
    downloaded, clean = (len(pd.read_parquet(path / "train.parquet")) for path in (folder, results / "ner"))
    assert downloaded > clean
    unseen = read(folder / "metrics.json")["test_unseen"]
    seen = unseen["seen"]
    assert seen["rows"] == len(pd.read_parquet(folder / "test.parquet"))
    assert seen["copies"] > 0
    assert unseen["overall"]["sentences"] == seen["rows"] - seen["copies"] - seen["near"]
    assert "test_unseen" not in read(results / "ner" / "metrics.json")
    assert (folder / "model" / "model.safetensors").exists()


def test_ner_model_is_an_ordinary_folder(results):
    names = {path.name for path in (results / "ner" / "model").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".py"))]


def test_training_logs(results):
    for log in [results / "ner", *(results / "summarization" / "systems" / name for name in TUNED)]:
        rows = lines(log / "training_log.jsonl")
        assert any({"step", "epoch", "loss", "learning_rate", "seconds"} <= set(row) for row in rows)
        assert any("validation_loss" in row for row in rows)


@pytest.mark.parametrize("log", ["ner/train.log", "finetune/smollm2_tuned.log"])
def test_a_job_computes_with_the_threads_of_its_rule(smoke, log):
    """CORES gives one to each job; left alone, torch takes as many as there are cores."""
    assert ", 1 threads" in (smoke / "logs" / "smoke" / log).read_text(encoding="utf-8") or torch.cuda.is_available()


def test_tagged_sentences(results):
    for sentence in read(results / "ner" / "sentences.json"):
        assert len(sentence["tokens"]) == len(sentence["tags"]) == len(sentence["scores"])


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_has_its_files(results, system):
    folder = results / "summarization" / "systems" / system
    test = pd.read_parquet(results / "summarization" / "test.parquet")
    predictions = lines(folder / "predictions.jsonl")
    assert [row["id"] for row in predictions] == list(test.id)
    assert all(set(row) >= {"id", "prediction", "reference", "prompt_tokens", "new_tokens", "truncated"} for row in predictions)
    scores = read(folder / "scores.json")
    assert all(is_interval(scores[name]) for name in SCORES)
    assert scores["n"] == len(test)
    assert set(scores["truncated"]) == {"predictions", "references"}
    speed = read(folder / "speed.json")
    assert speed["seconds"] >= 0
    assert speed["shards"] == (None if system == "lead3" else 1)
    if system != "lead3":
        assert read(folder / "generation.json")["template_version"] >= 1
    assert (folder / "model").is_dir() == (system in TUNED + SPARSE)
    assert (folder / "sparsity.csv").exists() == (system in SPARSE)


def test_a_shard_that_died_costs_itself_only_and_shards_change_no_summary(smoke, tmp_path):
    folder, system = tmp_path / "copy", "results/smoke/summarization/systems/smollm2_base"
    shutil.copytree(smoke, folder, symlinks=True)
    (folder / "fp32.yaml").write_text("summarization: {systems: {smollm2_base: {precision: fp32}}}\n")
    options = [*CORES, "--configfile", "presets/smoke.yaml", "fp32.yaml"]
    run = snakemake(folder, *options, "--", f"{system}/predictions.jsonl")
    assert run.returncode == 0, run.stdout[-3000:]
    whole = {name: (folder / system / name).read_bytes() for name in ("predictions.jsonl", "generation.json")}
    options += ["--set-scatter", "generation=3"]
    run = snakemake(folder, *options, "--notemp", "--", f"{system}/predictions.2-of-3.jsonl")  # the one that ended before the others died
    assert run.returncode == 0, run.stdout[-3000:]
    run = snakemake(folder, *options, "--", f"{system}/predictions.jsonl")
    assert run.returncode == 0, run.stdout[-3000:]
    assert sorted(re.findall(r"^Finished jobid: \d+ \(Rule: (\w+)\)", run.stdout, re.M)) == ["gather_predictions", "generate", "generate"]
    assert whole == {name: (folder / system / name).read_bytes() for name in whole}
    assert not list((folder / system).glob("*-of-*"))


@pytest.mark.parametrize("system", SPARSE)
def test_thirty_percent_of_the_prunable_weights_are_zero(results, system):
    table = pd.read_csv(results / "summarization" / "systems" / system / "sparsity.csv").set_index("layer")
    assert list(table.columns) == ["zeros", "weights", "sparsity"]
    assert list(table.index[-2:]) == ["prunable", "total"]
    assert table.loc["prunable", "sparsity"] == pytest.approx(0.3, abs=0.005)
    assert table.loc["total", "sparsity"] < table.loc["prunable", "sparsity"]


def test_comparison_names_every_system(results):
    table = pd.read_csv(results / "summarization" / "comparison.csv")
    assert list(table.system) == SYSTEMS
    holm = table.set_index("system").filter(regex="^rouge1_holm_")
    assert set(holm.index[holm.notna().any(axis=1)]) == set(SYSTEMS), "a study does not take the assignment's own tests away"
    assert table.set_index("system").loc["smollm2_retuned", "rouge1_p_smollm2_pruned"] <= 1


def test_a_study_has_its_table(results):
    table = pd.read_csv(results / "summarization" / "studies" / "again.csv", index_col="system")
    assert list(table.index) == ["smollm2_tuned", "smollm2_pruned", "smollm2_retuned"]
    assert table["bertscore_f1_holm_smollm2_tuned"].notna().tolist() == [False, True, True]
    assert not [column for column in table.columns if column.endswith("_smollm2_pruned")]


def test_qualities_of_every_system_and_of_the_references(results):
    qualities = read(results / "summarization" / "qualities.json")
    assert list(qualities["systems"]) == SYSTEMS
    assert qualities["entity_types"] == ["PER", "ORG", "LOC"]
    for block in (qualities["reference"], *qualities["systems"].values()):
        assert block["counts"]["summaries"] == 6
        assert is_interval(block["words"])
    assert qualities["systems"]["lead3"]["novel_trigrams"]["value"] == 0


def test_resolved_configuration_and_provenance(results):
    config = yaml.safe_load((results / "config.yaml").read_text())
    assert config["run"] == "smoke"
    used = set(config["models"]) - {"llama_sister", "smollm2_sister"}  # these are for presets/study.yaml
    for name in [*sorted(used), "conll2003", "peyma_arman", "cnn_dailymail"]:
        provenance = read(results / "assets" / f"{name}.json")
        assert provenance["source"] in ("hub", "local", "wheel", "random")
        assert all(re.fullmatch("[0-9a-f]{64}", file["sha256"]) for file in provenance["files"])


IDS = [f"N{i}" for i in range(1, 14)] + [f"S{i}" for i in range(1, 22)] + [f"P{i}" for i in range(1, 9)]


@pytest.mark.parametrize("language", ["en", "fa"])
def test_the_report_has_every_requirement_in_order(results, language):
    text = (results / "report" / f"report.{language}.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ .*?\b([NSP]\d+)\b", text, re.M)
    assert list(dict.fromkeys(headings)) == IDS
    page = (results / "report" / f"report.{language}.html").read_text(encoding="utf-8")
    without_links = re.sub(r"<a [^>]*>", "", page)
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", without_links), "the page would ask a network for something"


def test_the_rules_of_the_run_are_recorded(results):
    record = read(results / "rules.json")
    assert set(record["rules"]) >= {"fetch", "ner_train", "finetune", "prune", "generate", "lead", "score", "study", "report", "preflight"}
    assert record["rules"]["generate"]["jobs"] == len(SYSTEMS) - 1
    assert {"fetch", "finetune", "prune", "summ_split"} == set(record["rules"]["generate"]["after"])
    assert rules_of(record, "summarization/systems/lead3/predictions.jsonl") == ["lead"]
    assert rules_of(record, "summarization/systems/smollm2_tuned/predictions.jsonl") == ["generate"]
    assert rules_of(record, "ner/variants/as_downloaded/metrics.json") == ["ner_evaluate"]


def test_the_report_tells_what_each_rule_took_and_links_to_files_that_are_there(results):
    text = (results / "report" / "report.en.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| <a id=\"rule-(\w+)\"></a>.*?\| ([\d,]+) \| ([\d,]+) \|", text, re.M)
    assert {name: jobs == measured for name, jobs, measured in rows if name != "report"} == dict.fromkeys(
        set(read(results / "rules.json")["rules"]) - {"report"}, True
    )
    links = set(re.findall(r"\]\((\.\./[^)]*)\)", text))
    assert len(links) > 20
    assert not [link for link in links if not (results / "report" / link).exists()]


def test_snakemakes_own_report(smoke):
    run = snakemake(smoke, "--configfile", "presets/smoke.yaml", "--report", "own.html")
    assert run.returncode == 0, run.stdout[-3000:]
    page = (smoke / "own.html").read_text(encoding="utf-8")
    for text in ("Entity recognition", "Training and compression", "Provenance", "training log", "smollm2_pruned", "report.fa.html"):
        assert text in page, text
    assert "from raw data to a finished report" in page
    assert not re.search(r"""<(?:script|img|link)[^>]+(?:src|href)=["'](?:https?:)?//""", page)


def test_two_runs_side_by_side(smoke):
    options = ["--cores", "1", "--configfile", "presets/smoke.yaml", "--config"]
    run = snakemake(smoke, *options, "left=smoke", "right=smoke", "--", "compare")
    assert run.returncode == 0, run.stdout[-3000:]
    comparison = read(smoke / "results" / "comparisons" / "smoke-smoke" / "comparison.json")
    assert comparison["settings"] == []
    assert {row["p"] for row in comparison["summarization"]} == {1.0}
    run = snakemake(smoke, *options, "left=smoke", "right=full", "--show-failed-logs", "--", "compare")
    assert run.returncode != 0
    assert "error: --right: there is no finished run full in results; found smoke; name one of them" in run.stdout


def test_sizes_without_zeros(results):
    for system in SPARSE:
        storage = read(results / "summarization" / "systems" / system / "storage.json")
        assert storage["bitmask_bytes"] < storage["dense_bytes"]
        assert storage["packed"]["zeros"] / storage["packed"]["weights"] == pytest.approx(0.3, abs=0.005)


@pytest.mark.parametrize("system", ["smollm2_pruned", "llama_zero_shot"])
def test_the_validation_loss_of_any_model_can_be_asked_for(smoke, results, system):
    path = results / "summarization" / "systems" / system / "validation_loss.json"
    run = snakemake(smoke, *CORES, "--configfile", "presets/smoke.yaml", "--", str(path.relative_to(smoke)))
    assert run.returncode == 0, run.stdout[-3000:]
    loss = read(path)
    assert set(loss) == {"value", "low", "high", "tokens", "pairs"}
    assert is_interval({key: loss[key] for key in ("value", "low", "high")})
    assert loss["pairs"] == 6


def test_the_archive(smoke, tmp_path):
    options = [*CORES, "--configfile", "presets/smoke.yaml"]
    run = snakemake(smoke, *options, "--", "submission")
    assert run.returncode == 0, run.stdout[-3000:]
    archive = next((smoke / "results" / "smoke" / "submission").glob("NLP-CA4-*.zip"))
    with zipfile.ZipFile(archive) as zipped:
        names = zipped.namelist()
        assert any(name.endswith("report.fa.html") for name in names)
        content = b"".join(zipped.read(name) for name in names)
        zipped.extractall(tmp_path)
    assert str(smoke).encode() not in content
    assert TOKEN.encode() not in content
    packed, data = next(tmp_path.iterdir()), archive.read_bytes()
    for part in sorted(packed.glob("[1-9]-*")):
        assert (
            [path for path in part.iterdir() if path.is_file()]
            and list((part / "output").rglob("*.*"))
            and list((part / "logs").rglob("*.log"))
        )
    assert (packed / "5-pruning" / "output" / "summarization" / "systems" / "smollm2_pruned" / "model" / "model.safetensors").is_file()
    again = snakemake(packed / "workflow", "-n", "--quiet", "rules", "--configfile", "../settings.yaml")
    assert again.returncode == 0, again.stdout[-3000:]
    assert planned(again.stdout)["finetune"] == len(TUNED)
    run = snakemake(smoke, *options, "--forcerun", "submission", "--", "submission")
    assert run.returncode == 0, run.stdout[-3000:]
    assert archive.read_bytes() == data


def test_a_token_is_written_nowhere(smoke):
    assert (smoke / ".snakemake" / "metadata").is_dir()
    for path in smoke.rglob("*"):
        assert not (path.is_file() and TOKEN.encode() in path.read_bytes()), path
