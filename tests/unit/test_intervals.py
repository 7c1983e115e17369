"""Intervals of ratios, paired tests, and Holm's correction."""

import numpy as np
import pytest

from lib.intervals import holm, mean_interval, paired_tests, ratio_intervals


def test_holm_by_hand():
    # sorted: 0.01 × 4, 0.02 × 3, 0.03 × 2, 0.04 × 1, each at least the one before it
    assert holm([0.04, 0.01, 0.03, 0.02]).tolist() == pytest.approx([0.06, 0.04, 0.06, 0.06])
    # what R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") gives
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_never_exceeds_1_and_takes_any_number_of_tests():
    assert holm([0.6, 0.9]).tolist() == [1, 1]
    assert holm([0.2]).tolist() == [0.2]
    assert holm([]).tolist() == []
    assert holm([0.01, 0.01]).tolist() == [0.02, 0.02]


def test_a_ratio_over_ones_is_a_mean():
    values = np.random.default_rng(1).normal(5, 2, size=80)
    (ratio,) = ratio_intervals(values[:, None], np.ones((80, 1)), seed=3)
    assert ratio == pytest.approx(mean_interval(values, seed=3))


def test_a_ratio_is_of_sums_and_is_none_where_nothing_is_counted():
    pooled, nothing = ratio_intervals([[1, 0], [0, 0], [3, 0]], [[2, 0], [0, 0], [8, 0]], seed=1)
    assert pooled["value"] == pytest.approx(4 / 10)
    assert (pooled["low"], pooled["high"]) == pytest.approx((3 / 8, 1 / 2))
    assert nothing is None


def test_columns_tested_together_are_tested_as_each_by_itself():
    differences = np.random.default_rng(2).normal(0.3, 1, size=(50, 4))
    observed, p_values = paired_tests(differences, seed=9)
    for column in range(4):
        mean, p = paired_tests(differences[:, [column]], seed=9)
        assert (mean[0], p[0]) == pytest.approx((observed[column], p_values[column]))
