"""P-values of bootstrap means, and their adjustment for many comparisons."""

from __future__ import annotations

import numpy as np
import pytest

from med_maml_pipeline.metrics.holm import holm
from med_maml_pipeline.metrics.intervals import bootstrap_mean


def test_adjusts_as_the_paper_does():
    """Sorted: .01 × 4, .02 × 3, .03 × 2 (less than .06 before it), .5."""
    np.testing.assert_allclose(holm([0.02, 0.5, 0.01, 0.03]), [0.06, 0.5, 0.04, 0.06])


def test_what_was_not_compared_counts_for_nothing():
    np.testing.assert_allclose(holm([0.02, np.nan, 0.01]), [0.02, np.nan, 0.02])
    assert holm([]).shape == (0,)
    assert np.isnan(holm([np.nan])).all()


def test_never_above_one_nor_below_what_is_given():
    given = np.random.default_rng(0).random(50)
    adjusted = holm(given)
    assert ((adjusted >= given) & (adjusted <= 1)).all()
    assert (np.diff(adjusted[np.argsort(given)]) >= 0).all()


def test_keeps_false_rejections_rare_among_many_true_ties():
    rng = np.random.default_rng(1)
    any_rejected = [(holm(rng.random(20)) < 0.05).any() for _ in range(2000)]
    assert np.mean(any_rejected) < 0.065


@pytest.mark.parametrize(("shift", "low", "high"), [(0.0, 0.05, 1.0), (0.6, 0.0, 0.002), (-0.6, 0.0, 0.002)])
def test_p_value_of_a_mean_of_zero(shift, low, high):
    values = np.random.default_rng(3).normal(size=200) * 1.0 + shift
    found = bootstrap_mean(values, np.arange(200), seed=0).p_value
    assert low <= found <= high


def test_p_value_agrees_with_the_interval():
    rng = np.random.default_rng(4)
    for shift in np.linspace(0, 0.4, 9):
        found = bootstrap_mean(rng.normal(size=60) + shift, np.arange(60), seed=0)
        assert (found.p_value < 0.049) == (not found.low <= 0 <= found.high) or 0.04 < found.p_value < 0.06


def test_p_values_of_true_ties_are_even():
    rng = np.random.default_rng(5)
    found = [
        bootstrap_mean(rng.normal(size=40), np.arange(40), seed=n, n_bootstrap=400).p_value
        for n in range(300)
    ]
    assert 0.3 < np.mean(np.array(found) < 0.5) < 0.62
    assert np.mean(np.array(found) < 0.05) < 0.11
