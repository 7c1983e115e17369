"""What the report cannot do without: each file that it reads, and each key of these; without one it names it and writes nothing."""

import copy
import json
import re
import shutil
from functools import cache
from types import SimpleNamespace

import pytest
import yaml

import report
from lib import figures, report_data, report_provenance
from lib.program import InputError
from lib.report_data import Record, run_files
from report_run import ROOT, make_run, with_studies

# What a report can go without: what it counts or shows as it finds it, since nobody can know beforehand what there is to find
OPTIONAL = [
    ("config_differences.json", r"#\.(assignment|here)"),  # a side that lacks the setting is left out
    ("environment.json", r"packages\.\w+"),  # what is not installed is not listed
    ("ner/audit.json", r"findings\.#\.(examples|detail)\..*"),
    ("ner/cleaning.json", r"splits\.#\.kept\.entities\.\w+"),  # a type that does not occur is not counted
    ("ner/training.json", r"aligned\.\w+"),  # a language may have no short sentence with such an entity
    ("summarization/split.json", r"\w+\.(dropped|left_out|noticed)\.\w+"),
    ("training_log.jsonl", r"line #\.(loss|validation_loss|learning_rate|seconds)"),  # a step has either loss
    ("ner/training.json", r"aligned\.\w+"),  # a language may have no sentence that shows it
    ("generation.json", r"shots_by_article\.\w+"),
    ("ner/variants/*/metrics.json", r"test_unseen\.by_language\.\w+"),  # a language may have no unseen sentence
]


SEEN = set()  # (file, key) of what was looked for without need, and the last key of what was gone through


def looked_for(record, key):
    SEEN.add((str(record._source), f"{record._path}.{key}".lstrip(".")))


def gone_through(record):
    if record:
        looked_for(record, list(dict.keys(record))[-1])
    return record


class Watched(Record):
    """A record that notes what is done with it; asking for a key by its name is not noted."""

    def get(self, key, default=None):
        looked_for(self, key)
        return super().get(key, default)

    def __contains__(self, key):
        looked_for(self, key)
        return super().__contains__(key)

    def __iter__(self):
        return dict.__iter__(gone_through(self))

    def items(self):
        return dict.items(gone_through(self))

    def values(self):
        return dict.values(gone_through(self))

    def keys(self):
        return dict.keys(gone_through(self))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"), overrides={"seeds": [42, 43]}, change=with_studies)


@pytest.fixture
def write(monkeypatch):
    """The report of a run in English, as Markdown, without drawing; `without` takes a key of a file away."""
    monkeypatch.setattr(figures, "svg", lambda chart: '<svg class="marks"></svg>')
    monkeypatch.setattr(report_provenance, "commit", cache(report_provenance.commit))
    folder = ROOT / "report"
    folders = {"templates": [folder / "templates"], "answers": [folder / "answers"], "prompts": ROOT / "prompts"}
    arguments = SimpleNamespace(**folders, report_folder=folder)
    language = report.Language("en", report.read_yaml(folder / "texts.en.yaml"), "texts.en.yaml")
    readers = {name: getattr(report_data, name) for name in ("read_json", "read_jsonl")}

    def write(run, without=None):
        for name, reader in readers.items():
            monkeypatch.setattr(report_data, name, lambda path, reader=reader: taken_away(reader(path), str(path), without))
        loaded = report.load_run(run)
        provenance = report.provenance(loaded["rules"], run / "benchmarks", run / "preflight.json", ROOT)
        sources = report.read_sources(arguments, provenance)
        written = report.Report(loaded, language, "md", sources)
        written.pictures = report.pictures(written, report.figure_names(loaded["config"]))
        return written.markdown()

    return write


def taken_away(content, path, without):
    if without is None or path != without[0]:
        return content
    content = copy.deepcopy(content)
    key, node = without[1], content
    if line := re.match(r"line (\d+)\.", key):
        key, node = key[line.end() :], content[int(line[1]) - 1]
    while key not in node:
        part = next(part for part in node if key.startswith(f"{part}.")) if isinstance(node, dict) else int(key.split(".")[0])
        key, node = key[len(f"{part}.") :], node[part]
    del node[key]
    return content


def generic(run, source, key):
    """The same for all systems, variants, assets, seeds and rows."""
    file = re.sub(r"\b(systems|variants|assets|seeds|studies)/\w+", r"\1/*", source.removeprefix(f"{run}/"))
    return file, re.sub(r"\b\d+\b", "#", re.sub(r"^systems\.\w+", "systems.*", key))


def found_by_chance(run, write, monkeypatch):
    """(file, key) of each kind that the report looks for without need, or meets on its way through all that it finds."""
    monkeypatch.setattr(report_data, "Record", Watched)
    SEEN.clear()
    write(run)
    monkeypatch.setattr(report_data, "Record", Record)
    kinds = {generic(run, *place): place for place in sorted(SEEN) if place[0].endswith((".json", ".jsonl"))}
    return [
        place for (file, kind), place in kinds.items() if not any(re.fullmatch(key, kind) and file.endswith(name) for name, key in OPTIONAL)
    ]


def test_a_key_that_is_not_asked_for_by_name_is_missed_all_the_same(run, write, monkeypatch):
    """Without what is asked for by name nothing can be written; this is about all other keys."""
    places, whole = found_by_chance(run, write, monkeypatch), write(run)
    assert (str(run / "ner" / "metrics.json"), "test.by_language.fa") in places
    for source, key in places:
        try:
            assert write(run, without=(source, key)) == whole, f"{source}: nobody missed {key}"
        except InputError as error:
            assert source in str(error) and key in str(error)
        except StopIteration:
            pass  # looked for, and not there


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("ner/metrics.json", "test.overall.f1.low"),
        ("ner/metrics.json", "test.majority_baseline"),
        ("ner/metrics.json", "validation.by_language.en"),
        ("ner/metrics.json", "test.by_type.DAT"),
        ("ner/audit.json", "findings"),
        ("ner/audit.json", "subwords.fa"),
        ("ner/training.json", "precision"),
        ("ner/errors.json", "confusion"),
        ("ner/labels.json", "sources.peyma"),
        ("ner/seeds/43/metrics.json", "test.overall.f1"),
        ("ner/seeds/43/metrics.json", "test.by_language.fa"),
        ("ner/variants/as_downloaded/metrics.json", "test_unseen"),
        ("ner/variants/as_downloaded/metrics.json", "test_unseen.seen"),
        ("summarization/split.json", "train.sampled"),
        ("summarization/stats.json", "splits.train.article.words.max"),
        ("summarization/stats.json", "splits.test.reference.tokens.llama"),
        ("summarization/qualities.json", "reference.faithful_entities"),
        ("summarization/qualities.json", "systems.lead3"),
        ("summarization/systems/smollm2_tuned/scores.json", "rouge2"),
        ("summarization/systems/smollm2_tuned/scores.json", "bertscore_f1.value"),
        ("summarization/systems/smollm2_tuned/seeds/43/scores.json", "rouge1"),
        ("summarization/systems/smollm2_tuned/training.json", "best_step"),
        ("summarization/systems/smollm2_retuned/training.json", "validation_loss.before"),
        ("summarization/systems/smollm2_pruned/storage.json", "bitmask_bytes"),
        ("summarization/systems/lead3/scores.json", "truncated.references"),
        ("summarization/systems/llama_zero_shot/speed.json", "peak_memory_bytes"),
        ("summarization/systems/llama_few_shot/generation.json", "shots"),
        ("summarization/systems/llama_few_shot/predictions.jsonl", "line 3.truncated"),
        ("summarization/systems/wanda_50/validation_loss.json", "low"),
        ("assets/conll2003.json", "resolved"),
        ("environment.json", "python"),
    ],
)
def test_a_missing_key_is_named(run, write, file, key):
    with pytest.raises(InputError) as error:
        write(run, without=(str(run / file), key))
    assert file in str(error.value) and key in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("file", "row", "column", "named"),
    [
        ("summarization/comparison.csv", "smollm2_retuned", None, "smollm2_retuned"),
        ("summarization/comparison.csv", None, "rouge1_holm_smollm2_pruned", "no key smollm2_retuned.rouge1_holm_smollm2_pruned"),
        ("summarization/comparison.csv", None, "bertscore_f1_p_lead3", "bertscore_f1_p_lead3"),
        ("summarization/studies/pruning.csv", "wanda_50", None, "wanda_50"),
        ("summarization/studies/pruning.csv", None, "rouge1_minus_smollm2_tuned", "rouge1_minus_smollm2_tuned"),
        ("summarization/systems/smollm2_pruned/sparsity.csv", "total", None, "total"),
        ("summarization/systems/smollm2_pruned/sparsity.csv", None, "zeros", "zeros"),
    ],
)
def test_a_missing_row_or_column_is_named(run, write, monkeypatch, file, row, column, named):
    reader = report_data.table

    def table(path):
        rows = reader(path)
        if str(path) != str(run / file):
            return rows
        kept = [entry for entry in rows if row is None or row not in entry.values()]
        return [{key: value for key, value in entry.items() if key != column} for entry in kept]

    monkeypatch.setattr(report_data, "table", table)
    with pytest.raises(InputError) as error:
        write(run)
    assert file in str(error.value) and f"{named};" in str(error.value)


def by_hand(run):
    folder = ROOT / "report"
    options = [("--config", run / "config.yaml"), ("--templates", folder / "templates"), ("--answers", folder / "answers")]
    options += [("--report-folder", folder), ("--prompts", ROOT / "prompts"), ("--output", run / "report")]
    options += [("--benchmarks", run / "benchmarks"), ("--preflight", run / "preflight.json")]
    report.main([str(part) for option in options for part in option])


def test_without_any_one_file_the_script_names_it_and_writes_nothing(run, tmp_path, capsys):
    folder = shutil.copytree(run, tmp_path / "run")
    files = run_files(yaml.safe_load((run / "config.yaml").read_text("utf-8")))
    assert len(files) > 100
    for name in files:
        (folder / name).rename(tmp_path / "away")
        with pytest.raises(SystemExit) as end:
            by_hand(folder)
        assert end.value.code not in (0, None)
        (message,) = [line for line in (str(end.value), capsys.readouterr().err.strip()) if line.startswith("error: ")]
        assert name in message and "\n" not in message
        (tmp_path / "away").rename(folder / name)
    assert not (folder / "report").exists()


def test_without_a_key_the_script_says_so_in_one_line_and_writes_nothing(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    path = folder / "ner" / "metrics.json"
    metrics = json.loads(path.read_text("utf-8"))
    del metrics["test"]["by_language"]["fa"]
    path.write_text(json.dumps(metrics), encoding="utf-8")
    with pytest.raises(SystemExit) as end:
        by_hand(folder)
    assert str(end.value).startswith(f"error: {path}: there is no key test.by_language.fa; found en; run") and "\n" not in str(end.value)
    assert not (folder / "report").exists()
