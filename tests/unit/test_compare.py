"""Two runs side by side: which differences are more than noise, and which settings differ."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from markdown_it import MarkdownIt

import compare

METRICS = ["rouge1", "bertscore_f1"]


def block(value, margin=0.02):
    return {"value": value, "low": value - margin, "high": value + margin}


def write_run(results, name, f1, scores, ids, systems=("lead3", "tuned"), other_texts=False, **config):
    folder = results / name
    summarization = {"systems": {system: {"kind": "lead"} for system in systems}}
    (folder / "ner").mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"run": name, "summarization": summarization, **config}))
    scored = {score: block(f1) for score in ("precision", "recall", "f1")} | {"support": 100}
    (folder / "ner" / "metrics.json").write_text(json.dumps({"test": {"overall": scored, "by_language": {"en": scored}, "by_type": {}}}))
    for system in systems:
        place = folder / "summarization" / "systems" / system
        place.mkdir(parents=True)
        pd.DataFrame({"id": ids, **dict.fromkeys(METRICS, scores)}).to_csv(place / "scores_by_article.csv", index=False)
        rows = [json.dumps({"id": id, "reference": f"{name if other_texts else ''} reference of {id}"}) for id in ids]
        (place / "predictions.jsonl").write_text("\n".join(rows))
        (place / "speed.json").write_text(json.dumps({"seconds": 2.0, "device": "a|b"}))


@pytest.fixture
def run(tmp_path):
    def run():
        argv = ["--results", str(tmp_path), "--left", "one", "--right", "two", "--seed", "1", "--output", str(tmp_path / "out")]
        compare.main(argv)
        return json.loads((tmp_path / "out" / "comparison.json").read_text()), (tmp_path / "out" / "comparison.md").read_text()

    return run


def test_the_same_articles_are_compared_pair_by_pair(tmp_path, run):
    scores, ids = np.random.default_rng(0).normal(30, 10, 60), [f"a{number}" for number in range(60)]
    write_run(tmp_path, "one", 0.80, scores, ids, seed=1, models={"m": {"title": "x"}})
    write_run(tmp_path, "two", 0.85, scores + 0.5, ids, seed=2, models={"m": {"title": "x|y"}})
    comparison, text = run()
    assert {(row["same_articles"], row["beyond_noise"]) for row in comparison["summarization"]} == {(True, True)}
    assert all(row["difference"] == pytest.approx(0.5) for row in comparison["summarization"])
    assert [row["beyond_noise"] for row in comparison["ner"]] == [True] * 6
    assert comparison["settings"] == [{"key": "models.m.title", "left": "x", "right": "x|y"}, {"key": "seed", "left": 1, "right": 2}]
    assert "x&#124;y" in text
    assert "**+0.50**" in text


def test_different_articles_are_drawn_by_themselves(tmp_path, run):
    generator = np.random.default_rng(0)
    write_run(tmp_path, "one", 0.80, generator.normal(30, 10, 60), [f"a{number}" for number in range(60)])
    write_run(tmp_path, "two", 0.81, generator.normal(31, 10, 40), [f"b{number}" for number in range(40)], systems=("lead3", "other"))
    comparison, text = run()
    assert {(row["system"], row["same_articles"], row["beyond_noise"]) for row in comparison["summarization"]} == {("lead3", False, False)}
    assert not any(row["beyond_noise"] for row in comparison["ner"])
    assert (comparison["only_left"], comparison["only_right"]) == (["tuned"], ["other"])
    assert "The runs summarized different articles" in text


def test_the_same_ids_of_other_texts_are_no_pairs(tmp_path, run):
    scores, ids = np.random.default_rng(0).normal(30, 10, 60), [str(number) for number in range(60)]
    write_run(tmp_path, "one", 0.80, scores, ids)
    write_run(tmp_path, "two", 0.80, scores + 0.5, ids, other_texts=True)
    comparison, _ = run()
    assert {(row["same_articles"], row["beyond_noise"]) for row in comparison["summarization"]} == {(False, False)}


def test_many_systems_make_no_difference_by_chance(tmp_path, run):
    """A p that would count alone counts no more among twenty."""
    generator, ids = np.random.default_rng(3), [f"a{number}" for number in range(60)]
    scores = generator.normal(30, 10, 60)
    noise = generator.normal(0, 1, 60)
    noise += 0.28 - noise.mean()  # p of about 0.03
    for name, add in (("one", 0), ("two", noise)):
        write_run(tmp_path, name, 0.8, scores + add, ids, systems=[f"s{number}" for number in range(20)])
    rows = run()[0]["summarization"]
    assert all(row["p"] < 0.05 < row["holm"] and not row["beyond_noise"] for row in rows)


def test_scores_with_intervals_are_compared_as_independent_ones():
    one, other = block(0.80), block(0.80 + 0.02 * 2**0.5)  # as far apart as two half-widths, squared and summed, allow
    assert compare.normal_p(other["value"] - one["value"], one, other) == pytest.approx(0.05)
    assert compare.normal_p(0, one, one) == 1
    assert compare.normal_p(0.1, block(0.8, 0), block(0.9, 0)) == 0


def test_hostile_text_stays_text(tmp_path, run):
    hostile = "<script>alert(1)</script> | [x](http://evil.example) `code` **b**\n# heading \u202e"
    for name in ("one", "two"):
        write_run(tmp_path, name, 0.8, [1.0, 2.0], ["a", "b"], models={"m_": {"title": hostile + name, "licence": name}})
    _, text = run()
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    kinds = [child.type for token in tokens for child in [token, *(token.children or [])]]
    assert not {"html_block", "html_inline", "link_open", "image"} & set(kinds)
    assert kinds.count("heading_open") == 5 and "\u202e" not in text
    assert "| `models.m_.title` | &lt;script&gt;" in text


def test_an_unpaired_test_knows_a_difference():
    generator = np.random.default_rng(1)
    left, right = generator.normal(30, 5, (80, 1)), generator.normal(35, 5, (50, 1))
    difference, p = compare.unpaired_tests(left, right, 1)
    assert difference == pytest.approx(right.mean() - left.mean())
    assert p < 0.001
    assert compare.unpaired_tests(left, left, 1)[1] == 1


def test_a_run_that_is_not_there_is_named(tmp_path, run, capsys):
    write_run(tmp_path, "one", 0.8, [1.0], ["a"])
    with pytest.raises(SystemExit):
        run()
    assert "--right: there is no finished run two in" in (message := capsys.readouterr().err)
    assert "found one; name one of them" in message
    assert not (tmp_path / "out").exists()
