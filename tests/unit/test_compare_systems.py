"""Systems side by side: who is compared with whom, and what the tests say."""

import time

import numpy as np
import pandas as pd
import pytest

import compare_systems
from lib.intervals import holm
from summarizing import command_line

SYSTEMS = {
    "lead3": {"kind": "lead", "parent": None},
    "tuned": {"kind": "finetune", "parent": None},
    "pruned": {"kind": "prune", "parent": "tuned"},
    "copy": {"kind": "prune", "parent": "tuned"},
}
NOISE = np.random.default_rng(1).normal(size=(60, 2))
TUNED = 30 + NOISE * 8
SCORES = {"lead3": 30 - NOISE[::-1] * 8, "tuned": TUNED, "pruned": TUNED - 2 + NOISE[::-1], "copy": TUNED}


def run(folder, scores=SCORES, systems=SYSTEMS, compare_to=("lead3",), family=(), parents=True):
    for name, values in scores.items():
        table = pd.DataFrame(values, columns=["rouge1", "rougeL"])
        table.insert(0, "id", [f"{n:03}" for n in range(len(values))])
        (folder / name).mkdir(exist_ok=True)
        table.to_csv(folder / name / "scores_by_article.csv", index=False)
    entries = [f"{name}={system['kind']}{':' + system['parent'] if system['parent'] else ''}" for name, system in systems.items()]
    arguments = {"systems_folder": folder, "systems": entries, "parents": parents, "compare_to": list(compare_to)}
    compare_systems.main(command_line(arguments | {"family": list(family), "seed": 42, "output": folder / "out.csv"}))
    return pd.read_csv(folder / "out.csv", index_col="system")


def test_each_system_is_compared_with_its_parent_and_the_named_ones_only(tmp_path):
    table = run(tmp_path)
    assert list(table.index) == list(SCORES)
    assert list(table.columns[:6]) == ["kind", "parent", "n", "rouge1", "rouge1_low", "rouge1_high"]
    compared = table.filter(like="rougeL_p_").notna()
    assert compared.to_dict("index") == {
        "lead3": {"rougeL_p_lead3": False, "rougeL_p_tuned": False},
        "tuned": {"rougeL_p_lead3": True, "rougeL_p_tuned": False},
        "pruned": {"rougeL_p_lead3": True, "rougeL_p_tuned": True},
        "copy": {"rougeL_p_lead3": True, "rougeL_p_tuned": True},
    }


def test_a_clear_difference_is_told_from_noise_and_from_none(tmp_path):
    table = run(tmp_path)
    pruned, copy, tuned = table.loc["pruned"], table.loc["copy"], table.loc["tuned"]
    assert pruned.rouge1_minus_tuned == pytest.approx((SCORES["pruned"] - TUNED).mean(axis=0)[0])
    assert pruned.rouge1_p_tuned < 0.001
    assert (copy.rouge1_minus_tuned, copy.rouge1_p_tuned) == (0, 1)
    assert tuned.rouge1_p_lead3 > 0.05
    assert tuned.rouge1 == pytest.approx(TUNED[:, 0].mean())
    assert tuned.rouge1_low < tuned.rouge1 < tuned.rouge1_high


def test_systems_scored_on_other_articles_are_refused(tmp_path):
    with pytest.raises(SystemExit, match="pruned: the articles or metrics of its scores differ from those of lead3"):
        run(tmp_path, SCORES | {"pruned": SCORES["pruned"][:-1]})
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    "wrong",
    [{"compare_to": ["nobody"]}, {"family": ["nobody"]}, {"systems": {name: SYSTEMS[name] for name in ("lead3", "pruned")}}],
    ids=["compared", "family", "parent"],
)
def test_systems_that_are_not_there_are_argument_errors(tmp_path, wrong):
    with pytest.raises(SystemExit) as error:
        run(tmp_path, **wrong)
    assert error.value.code == 2


def test_a_system_without_a_kind_is_an_argument_error(tmp_path):
    arguments = ["--systems-folder", str(tmp_path), "--systems", "lead3", "--seed", "1", "--output", "x.csv"]
    with pytest.raises(SystemExit) as error:
        compare_systems.main(arguments)
    assert error.value.code == 2


def test_p_values_are_corrected_within_the_family_and_blank_outside(tmp_path):
    table = run(tmp_path, family=["lead3", "tuned", "pruned"])
    family = [("tuned", "lead3"), ("pruned", "tuned"), ("pruned", "lead3")]
    expected = holm([table.loc[name, f"rouge1_p_{other}"] for name, other in family])
    assert [table.loc[name, f"rouge1_holm_{other}"] for name, other in family] == pytest.approx(list(expected))
    assert pd.notna(table.loc["copy", "rouge1_p_tuned"])
    assert table.loc["copy"].filter(like="_holm_").isna().all()
    assert table.loc["lead3"].filter(like="_holm_").isna().all()


def test_both_directions_of_a_pair_are_one_test(tmp_path):
    systems = {name: SYSTEMS[name] for name in ("lead3", "tuned")}
    table = run(tmp_path, {name: SCORES[name] for name in systems}, systems, compare_to=list(systems), family=list(systems))
    assert table.loc["lead3", "rouge1_p_tuned"] == table.loc["tuned", "rouge1_p_lead3"]
    assert table.loc["lead3", "rouge1_holm_tuned"] == table.loc["lead3", "rouge1_p_tuned"]
    assert table.loc["tuned", "rouge1_holm_lead3"] == table.loc["tuned", "rouge1_p_lead3"]


def test_a_study_tests_against_its_baseline_only(tmp_path):
    systems = {name: SYSTEMS[name] for name in ("lead3", "pruned", "copy")}  # their parent takes no part
    table = run(tmp_path, systems=systems, family=list(systems), parents=False)
    assert list(table.index) == list(systems)
    assert table.loc["pruned", "parent"] == "tuned"
    assert {column.split("_")[-1] for column in table.columns if "_p_" in column} == {"lead3"}
    assert pd.isna(table.loc["lead3", "rouge1_p_lead3"])
    p, corrected = table["rouge1_p_lead3"].dropna(), table["rouge1_holm_lead3"].dropna()
    assert list(corrected) == pytest.approx(list(holm(p)))
    assert corrected.min() == 2 * p.min()


def test_fifty_systems_are_compared_in_seconds(tmp_path):
    random = np.random.default_rng(5)
    scores = {f"system{n}": random.normal(30, 8, size=(100, 2)) for n in range(50)}
    systems = {name: {"kind": "prompt", "parent": None} for name in scores}
    start = time.monotonic()
    run(tmp_path, scores, systems, compare_to=list(scores)[:5], family=list(scores))
    assert time.monotonic() - start < 60
