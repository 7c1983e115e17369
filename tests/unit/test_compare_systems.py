"""Systems side by side: who is compared with whom, and what the tests say."""

import json

import numpy as np
import pandas as pd
import pytest

import compare_systems
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


def run(folder, scores=SCORES, systems=SYSTEMS, compare_to=("lead3",)):
    files = []
    for name, values in scores.items():
        table = pd.DataFrame(values, columns=["rouge1", "rougeL"])
        table.insert(0, "id", [f"{n:03}" for n in range(len(values))])
        table.to_csv(folder / f"{name}.csv", index=False)
        files.append(f"{name}={folder / f'{name}.csv'}")
    arguments = {
        "systems": json.dumps(systems),
        "by_article": files,
        "compare_to": list(compare_to),
        "seed": 42,
        "output": folder / "out.csv",
    }
    compare_systems.main(command_line(arguments))
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
    with pytest.raises(SystemExit, match="pruned.csv: its articles or metrics differ"):
        run(tmp_path, SCORES | {"pruned": SCORES["pruned"][:-1]})
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("wrong", [{"compare_to": ["nobody"]}, {"systems": {"lead3": SYSTEMS["lead3"]}}])
def test_systems_and_files_that_do_not_match_are_argument_errors(tmp_path, wrong):
    with pytest.raises(SystemExit) as error:
        run(tmp_path, **wrong)
    assert error.value.code == 2
