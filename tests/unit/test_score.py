"""Scores: what rouge_score and bert_score say when called directly, empty texts at 0, and Lead-3 on real articles."""

import csv
import json

import bert_score
import pytest
from rouge_score.rouge_scorer import RougeScorer

import lead
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


def run(folder, summaries, **changes):
    rows = [{"id": f"0{n}", "prediction": prediction, "reference": reference} for n, (prediction, reference) in enumerate(summaries)]
    write_jsonl(folder / "predictions.jsonl", rows)
    outputs = {"scores": folder / "scores.json", "by_article": folder / "scores.csv"}
    arguments = {"predictions": folder / "predictions.jsonl", "stemmer": True, "bertscore_model": tiny("bert"), "bertscore_name": "tiny"}
    arguments |= {"bertscore_layer": 2, "bertscore_batch_size": 2, "seed": 42}
    score.main(command_line(arguments | outputs | changes))
    with open(outputs["by_article"], encoding="utf-8") as file:
        return json.loads(outputs["scores"].read_text()), list(csv.DictReader(file))


def test_scores_equal_the_libraries_called_directly(tmp_path):
    scores, by_article = run(tmp_path, SUMMARIES)
    predictions, references = zip(*SUMMARIES, strict=True)
    scorer = RougeScorer(list(ROUGE), use_stemmer=True)
    # these texts have one sentence a line once their two-sentence prediction is split
    split = [text.replace(". ", ".\n") for text in predictions]
    direct = [scorer.score(reference, text) for reference, text in zip(references, split, strict=True)]
    for metric in ROUGE:
        assert scores[metric]["value"] == pytest.approx(100 * sum(row[metric].fmeasure for row in direct) / 3, abs=1e-4)
    columns = bert_score.score(list(predictions), list(references), model_type=str(tiny("bert")), num_layers=2)
    for metric, column in zip(BERTSCORE, columns, strict=True):
        assert [float(row[metric]) for row in by_article] == pytest.approx([100 * value for value in column.tolist()], abs=1e-4)
        assert scores[metric]["low"] <= scores[metric]["value"] <= scores[metric]["high"]
    assert [row["id"] for row in by_article] == ["00", "01", "02"]


def test_empty_texts_score_0_and_are_counted(tmp_path):
    scores, by_article = run(tmp_path, [*SUMMARIES, ("", "A reference."), (" \n", "A reference."), ("A summary.", "")])
    full, _ = run(tmp_path, SUMMARIES)
    assert (scores["n"], scores["empty_predictions"], scores["empty_references"]) == (6, 2, 1)
    for metric in (*ROUGE, *BERTSCORE):
        assert [float(row[metric]) for row in by_article[3:]] == [0, 0, 0]
        assert scores[metric]["value"] == pytest.approx(full[metric]["value"] / 2, abs=1e-4)


def test_a_system_that_says_nothing_is_scored(tmp_path):
    scores, _ = run(tmp_path, [("", "A reference."), ("", "Another.")])
    assert all(scores[metric] == {"value": 0, "low": 0, "high": 0} for metric in (*ROUGE, *BERTSCORE))


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "متن فارسی", "中文", "\u200c\u200c", "!!!", "word " * 3000])
def test_any_text_is_scored(tmp_path, text):
    scores, _ = run(tmp_path, [(text, "A plain reference."), ("A plain summary.", text)])
    assert scores["n"] == 2
    assert scores["references_without_rouge_words"] == (0 if text.isascii() and any(map(str.isalpha, text)) else 1)


def test_options_and_versions_are_recorded(tmp_path):
    scores, _ = run(tmp_path, SUMMARIES, stemmer=False, bertscore_idf=True)
    assert scores["options"]["rouge"]["stemmer"] is False
    assert scores["options"]["bertscore"] == {"model": "tiny", "layer": 2, "idf": True, "rescaled": False}
    assert scores["versions"]["rouge_score"] == "0.1.2"
    assert scores["rouge1"] != run(tmp_path, [("A library opens.", "Libraries opened."), *SUMMARIES])[0]["rouge1"]


def test_a_layer_that_the_model_lacks_is_named(tmp_path):
    with pytest.raises(SystemExit, match="summarization.bertscore.layer: found 17"):
        run(tmp_path, SUMMARIES, bertscore_layer=17)
    assert not (tmp_path / "scores.json").exists()


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
    summ_split.main(command_line(arguments | {"sizes": '{"train": 10, "validation": 10, "test": 500}'} | outputs))
    rows = run_lead(tmp_path, read_parquet(outputs["test"], ["id", "article", "reference"]), 3)
    scores, _ = rouge([row["prediction"] for row in rows], [row["reference"] for row in rows], stemmer=True)
    means = [sum(scores[metric]) / len(rows) for metric in ROUGE]
    assert len(rows) == 500
    assert means == pytest.approx([30.2, 11.9, 20.7, 26.8], abs=0.5)


def test_pairs_of_the_tests_differ():
    assert len({row["article"] for row in pairs(12)}) == 12
