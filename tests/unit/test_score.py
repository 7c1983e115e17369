"""Scores: what rouge_score and bert_score say when called directly, empty texts at 0, and Lead-3 on real articles."""

import csv
import json
import os
import shutil
import subprocess
import sys
from unittest import mock

import bert_score
import pytest
from bert_score.utils import get_bert_embedding
from rouge_score.rouge_scorer import RougeScorer

import lead
import lib.bertscore
import lib.rouge
import score
import summ_split
from lib.bertscore import BERTSCORE
from lib.records import read_jsonl, read_parquet, write_jsonl
from lib.rouge import ROUGE, rouge
from lib.sentences import sentences
from summarizing import command_line, pairs, tiny, write_pairs

SUMMARIES = [
    ("The old library opened. Readers came.", "Readers came to the old library."),
    ("The bridge is closed for repairs this winter.", "A bridge closes."),
    ("It snowed.", "It snowed all winter.\nTrains were late."),
]
OTHERS = ["Readers came to the old library.", "A long bridge closes its gates, and the river rises under it.", "Trains were late."]


def run_all(folder, systems, references, **changes):
    """{system: (its scores, its rows by article)} of {system: predictions}."""
    for system, predictions in systems.items():
        rows = [{"id": f"0{n}", "prediction": text, "reference": references[n]} for n, text in enumerate(predictions)]
        (folder / system).mkdir(parents=True, exist_ok=True)
        write_jsonl(folder / system / "predictions.jsonl", rows)
    arguments = {"systems_folder": folder, "systems": list(systems), "stemmer": True, "bertscore_model": tiny("bert")}
    arguments |= {"bertscore_name": "tiny", "bertscore_layer": 2, "bertscore_batch_size": 2, "seed": 42}
    with mock.patch.dict(os.environ):  # in which it says what oneDNN keeps
        score.main(command_line(arguments | changes))
    return {system: written(folder / system) for system in systems}


def written(folder):
    with open(folder / "scores_by_article.csv", encoding="utf-8") as file:
        return json.loads((folder / "scores.json").read_text()), list(csv.DictReader(file))


def run(folder, summaries, **changes):
    """Scores and rows by article of one system, from its pairs of prediction and reference."""
    predictions, references = zip(*summaries, strict=True) if summaries else ([], [])
    return run_all(folder, {"system": predictions}, references, **changes)["system"]


@pytest.mark.parametrize("stemmer", [True, False])
def test_rouge_equals_the_library_called_directly(tmp_path, stemmer):
    scores, _ = run(tmp_path, SUMMARIES, stemmer=stemmer)
    predictions, references = zip(*SUMMARIES, strict=True)
    scorer = RougeScorer(list(ROUGE), use_stemmer=stemmer)
    # these texts have one sentence a line once their two-sentence prediction is split
    split = [text.replace(". ", ".\n") for text in predictions]
    direct = [scorer.score(reference, text) for reference, text in zip(references, split, strict=True)]
    for metric in ROUGE:
        assert scores[metric]["value"] == pytest.approx(100 * sum(row[metric].fmeasure for row in direct) / 3, abs=1e-4)


@pytest.mark.parametrize("idf", [False, True])
@pytest.mark.parametrize("in_memory", [1000, 4])
def test_bertscore_equals_the_library_called_directly(tmp_path, monkeypatch, idf, in_memory):
    """For each of several systems, whose references are embedded once, in one chunk of articles or in several."""
    monkeypatch.setattr(lib.bertscore, "TEXTS", in_memory)
    predictions, references = zip(*SUMMARIES, strict=True)
    systems = {"one": predictions, "two": OTHERS, "same": predictions}
    found = run_all(tmp_path, systems, references, bertscore_idf=idf)
    for system, texts in systems.items():
        scores, by_article = found[system]
        columns = bert_score.score(list(texts), list(references), model_type=str(tiny("bert")), num_layers=2, idf=idf)
        for metric, column in zip(BERTSCORE, columns, strict=True):
            assert [float(row[metric]) for row in by_article] == pytest.approx([100 * value for value in column.tolist()], abs=1e-4)
            assert scores[metric]["low"] <= scores[metric]["value"] <= scores[metric]["high"]
        assert [row["id"] for row in by_article] == ["00", "01", "02"]
    assert found["same"] == found["one"]


def test_the_folder_of_an_encoder_may_be_called_anything(tmp_path):
    shutil.copytree(tiny("bert"), tmp_path / "student5" / "t5")
    found = run(tmp_path / "one", SUMMARIES, bertscore_model=tmp_path / "student5" / "t5")
    assert found == run(tmp_path / "other", SUMMARIES)


def test_onednn_keeps_no_kernels(tmp_path):
    """Each would be in the way of later batches' memory. Of one that it keeps it says so when it finds it again."""
    code = f"""if True:
        import sys
        from pathlib import Path

        sys.path[:0] = {sys.path!r}
        import score, test_score

        test_score.run(Path(sys.argv[1]), test_score.SUMMARIES)
    """
    said = {}
    for number, more in enumerate(({}, {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "100"})):
        environment = os.environ | {"ONEDNN_VERBOSE": "profile_create", "CUDA_VISIBLE_DEVICES": ""} | more
        command = [sys.executable, "-c", code, tmp_path / str(number)]
        said[number] = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert "create:cache_miss" in said[0] and "create:cache_hit" not in said[0]
    assert "create:cache_hit" in said[1], "nothing is kept at all, so that this test shows nothing"


def test_a_text_is_embedded_once(tmp_path, monkeypatch):
    embedded = []

    def spied(texts, *arguments, **options):
        embedded.extend(texts)
        return get_bert_embedding(texts, *arguments, **options)

    monkeypatch.setattr(lib.bertscore, "get_bert_embedding", spied)
    predictions, references = zip(*SUMMARIES, strict=True)
    run_all(tmp_path, {"one": predictions, "two": OTHERS, "same": predictions}, references)
    assert sorted(embedded) == sorted({*predictions, *references, *OTHERS})


def test_empty_texts_score_0_and_are_counted(tmp_path):
    scores, by_article = run(tmp_path, [*SUMMARIES, ("", "A reference."), (" \n", "A reference."), ("A summary.", "")])
    full, _ = run(tmp_path / "full", SUMMARIES)
    assert (scores["n"], scores["empty_predictions"], scores["empty_references"]) == (6, 2, 1)
    for metric in (*ROUGE, *BERTSCORE):
        assert [float(row[metric]) for row in by_article[3:]] == [0, 0, 0]
        assert scores[metric]["value"] == pytest.approx(full[metric]["value"] / 2, abs=1e-4)


@pytest.mark.parametrize("idf", [False, True])
def test_a_system_that_says_nothing_is_scored(tmp_path, idf):
    scores, _ = run(tmp_path, [("", "A reference."), ("", "Another.")], bertscore_idf=idf)
    assert all(scores[metric] == {"value": 0, "low": 0, "high": 0} for metric in (*ROUGE, *BERTSCORE))


def test_references_of_which_none_is_there_are_scored(tmp_path):
    scores, _ = run(tmp_path, [("A summary.", ""), ("Another.", " ")], bertscore_idf=True)
    assert scores["empty_references"] == 2
    assert all(scores[metric]["value"] == 0 for metric in (*ROUGE, *BERTSCORE))


def test_tokens_that_all_references_share_weigh_nothing_and_are_no_error(tmp_path):
    _, rows = run(tmp_path, [("A summary.", "The same."), ("The same.", "The same.")], bertscore_idf=True)
    assert all(float(row[metric]) == 0 for row in rows for metric in ("bertscore_recall", "bertscore_f1"))


@pytest.mark.parametrize(
    "text", ["<script>alert('1')</script>", "<p class=x>", "متن فارسی", "中文", "\u200c\u200c", "!!!", "\u0000", "😀", "word " * 3000]
)
def test_any_text_is_scored(tmp_path, text):
    scores, _ = run(tmp_path, [(text, "A plain reference."), ("A plain summary.", text), (text, text)])
    assert scores["n"] == 3
    assert scores["references_without_rouge_words"] == (0 if text.isascii() and any(map(str.isalpha, text)) else 2)


def test_texts_longer_than_the_encoder_reads_are_counted(tmp_path):
    long, fits = "word " * 200, "word " * 127  # the tiny tokenizer has a token a letter, and two for the ends: 510 with 127 words
    systems = {"long": [long, "A summary.", long], "short": ["A summary.", fits, ""]}
    found = run_all(tmp_path, systems, [long, "A reference.", "A reference."])
    assert found["long"][0]["truncated"] == {"predictions": 2, "references": 1}
    assert found["short"][0]["truncated"] == {"predictions": 0, "references": 1}


def test_a_text_of_100_000_words_is_scored(tmp_path):
    long = " ".join(f"word{n % 1000}" for n in range(100_000))
    scores, by_article = run(tmp_path, [(long, "A plain word7."), ("A plain word7.", long), ("It snowed.", "It snowed.")])
    assert scores["truncated"] == {"predictions": 1, "references": 1}
    assert scores["pairs_cut_for_rouge"] == 0
    assert float(by_article[0]["rouge1"]) == pytest.approx(100 * 2 / 100_003, rel=1e-6)
    assert float(by_article[2]["rouge1"]) == 100


def test_of_two_long_texts_the_rest_is_cut_and_counted(monkeypatch):
    monkeypatch.setattr(lib.rouge, "LONGEST", 4)
    predictions = {"both": ["one two three four. Five six seven eight"], "one": ["one two three"]}
    scores, _, cut = rouge(predictions, ["one two three four nine ten eleven twelve"], stemmer=False)
    assert cut == {"both": 1, "one": 0}
    assert scores["both"]["rougeL"] == [100]
    assert scores["one"]["rouge1"] == [pytest.approx(100 * 2 * 3 / (3 + 8))]


def test_options_and_versions_are_recorded(tmp_path):
    scores, _ = run(tmp_path, SUMMARIES, stemmer=False, bertscore_idf=True)
    assert scores["options"]["rouge"]["stemmer"] is False
    assert scores["options"]["bertscore"] == {"model": "tiny", "layer": 2, "idf": True, "rescaled": False}
    assert scores["versions"]["rouge_score"] == "0.1.2"


@pytest.mark.parametrize(
    ("change", "line"),
    [({"reference": "Another."}, 2), ({"id": "x"}, 2), (None, 3)],
    ids=["another reference", "another id", "a row less"],
)
def test_systems_that_summarized_other_articles_are_refused(tmp_path, change, line):
    predictions, references = zip(*SUMMARIES, strict=True)
    run_all(tmp_path, {"one": predictions, "two": OTHERS}, references)
    before = (tmp_path / "one" / "scores.json").read_bytes()
    rows = read_jsonl(tmp_path / "two" / "predictions.jsonl")
    rows = rows[:2] if change is None else [rows[0], rows[1] | change, rows[2]]
    write_jsonl(tmp_path / "two" / "predictions.jsonl", rows)
    arguments = {"systems_folder": tmp_path, "systems": ["one", "two"], "bertscore_model": tiny("bert"), "bertscore_name": "tiny"}
    arguments |= {"bertscore_layer": 2, "bertscore_batch_size": 2, "seed": 1}
    with pytest.raises(SystemExit, match=f"two/predictions.jsonl: line {line} differs in id or reference"):
        score.main(command_line(arguments))
    assert (tmp_path / "one" / "scores.json").read_bytes() == before


def test_a_row_without_its_summary_is_named(tmp_path):
    (tmp_path / "one").mkdir()
    write_jsonl(tmp_path / "one" / "predictions.jsonl", [{"id": "a", "reference": "x"}])
    arguments = {"systems_folder": tmp_path, "systems": ["one"], "bertscore_model": tiny("bert"), "bertscore_name": "tiny"}
    with pytest.raises(SystemExit, match="line 1 has no prediction"):
        score.main(command_line(arguments | {"bertscore_layer": 2, "bertscore_batch_size": 2, "seed": 1}))


def test_a_layer_that_the_model_lacks_is_named(tmp_path):
    with pytest.raises(SystemExit, match="summarization.bertscore.layer: found 17"):
        run(tmp_path, SUMMARIES, bertscore_layer=17)
    assert [path.name for path in (tmp_path / "system").iterdir()] == ["predictions.jsonl"]


def test_no_predictions_is_an_error(tmp_path):
    with pytest.raises(SystemExit, match="no predictions"):
        run(tmp_path, [])


# ------------------------------------------------------------------ Lead-k


def test_sentences_are_split_at_their_ends_and_at_lines():
    assert sentences("Mr. Smith paid 3.5 percent. He left.\nHeadline\n\n  An end ") == [
        "Mr. Smith paid 3.5 percent.",
        "He left.",
        "Headline",
        "An end",
    ]
    assert sentences(" \n") == []


def run_lead(folder, rows, count):
    arguments = {"test": write_pairs(folder / "test.parquet", rows), "sentences": count}
    lead.main(command_line(arguments | {"predictions": folder / "predictions.jsonl", "speed": folder / "speed.json"}))
    return read_jsonl(folder / "predictions.jsonl")


def test_lead_takes_the_first_sentences(tmp_path):
    rows = [
        {"id": "a", "article": "The sun rose. The birds sang. It rained.", "reference": "x"},
        {"id": "b", "article": "Only one", "reference": "y"},
    ]
    assert [row["prediction"] for row in run_lead(tmp_path, rows, 2)] == ["The sun rose. The birds sang.", "Only one"]
    assert json.loads((tmp_path / "speed.json").read_text())["articles"] == 2


def test_lead_3_on_real_articles_scores_what_it_is_known_to_score(tmp_path, real_data):
    columns = {"id": "id", "article": "article", "reference": "highlights"}
    outputs = {split: tmp_path / f"{split}.parquet" for split in ("train", "validation", "test")} | {"record": tmp_path / "split.json"}
    arguments = {"dataset": real_data / "cnn_dailymail", "config": "3.0.0", "columns": json.dumps(columns), "min_words": 1, "seed": 42}
    arguments |= {"near_threshold": 1, "near_characters": 5, "sizes": '{"train": 10, "validation": 10, "test": 500}'}
    summ_split.main(command_line(arguments | outputs))
    rows = run_lead(tmp_path, read_parquet(outputs["test"], ["id", "article", "reference"]), 3)
    scores, _, _ = rouge({"lead3": [row["prediction"] for row in rows]}, [row["reference"] for row in rows], stemmer=True)
    means = [sum(scores["lead3"][metric]) / len(rows) for metric in ROUGE]
    assert len(rows) == 500
    assert means == pytest.approx([30.2, 11.9, 20.7, 26.8], abs=0.5)


def test_pairs_of_the_tests_differ():
    assert len({row["article"] for row in pairs(12)}) == 12
