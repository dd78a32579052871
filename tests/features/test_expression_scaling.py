"""Expression on a common scale, sample by sample, against SciPy and formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from med_maml_pipeline.features.expression import scale_samples
from med_maml_pipeline.sources.spec_expression import ExpressionScale

LOG_COUNTS = ExpressionScale(values="counts", scaling="log")
LOG_INTENSITY = ExpressionScale(values="intensity", scaling="log", floor=4.0)
QUANTILE = ExpressionScale(values="intensity", scaling="quantile")
NONE = ExpressionScale()


def _counts(n: int = 5, g: int = 60) -> np.ndarray:
    return np.random.default_rng(0).negative_binomial(1, 0.05, size=(n, g)).astype(np.float32)


def test_counts_become_log2_of_counts_per_million_plus_one() -> None:
    x = _counts()
    expected = [[np.log2(cell / row.sum() * 1_000_000 + 1) for cell in row] for row in x.astype(np.float64)]
    scaled = scale_samples(x, LOG_COUNTS)
    np.testing.assert_allclose(scaled, expected, rtol=1e-5)
    assert scaled.dtype == np.float32


def test_counts_do_not_depend_on_sequencing_depth() -> None:
    x = _counts()
    np.testing.assert_allclose(scale_samples(7 * x, LOG_COUNTS), scale_samples(x, LOG_COUNTS), rtol=1e-5)


def test_a_library_leaves_missing_counts_out() -> None:
    x = np.array([[1, np.nan, 3]], dtype=np.float32)
    np.testing.assert_allclose(
        scale_samples(x, LOG_COUNTS), [[np.log2(250_001), np.nan, np.log2(750_001)]], rtol=1e-6
    )


def test_a_library_of_zero_has_no_logarithm() -> None:
    with pytest.raises(ValueError, match="1 samples have no counts"):
        scale_samples(np.array([[0, 0], [1, 0]], dtype=np.float32), LOG_COUNTS)


def test_intensities_are_floored_before_the_logarithm() -> None:
    x = np.array([[-300, 0, 3.9, 4, 8, 65536, np.nan]], dtype=np.float32)
    np.testing.assert_array_equal(scale_samples(x, LOG_INTENSITY), [[2, 2, 2, 2, 3, 16, np.nan]])


def test_normal_scores_are_those_of_scipy_with_ties() -> None:
    x = np.random.default_rng(1).integers(-9, 9, size=(6, 40)).astype(np.float32)  # many ties
    ranks = stats.rankdata(x, method="average", axis=1)
    np.testing.assert_allclose(
        scale_samples(x, QUANTILE), stats.norm.ppf(ranks / (x.shape[1] + 1)), atol=1e-6
    )


def test_normal_scores_rank_the_observed_genes_only() -> None:
    x = np.array([[5, np.nan, -1, 7, np.nan, 5]], dtype=np.float32)
    observed = stats.norm.ppf(stats.rankdata([5, -1, 7, 5]) / 5)
    scaled = scale_samples(x, QUANTILE)[0]
    np.testing.assert_allclose(scaled[[0, 2, 3, 5]], observed, atol=1e-6)
    assert np.isnan(scaled[[1, 4]]).all()


def test_equal_values_get_equal_scores_and_a_constant_sample_zero() -> None:
    scaled = scale_samples(np.array([[3, 1, 3, 3], [2, 2, 2, 2]], dtype=np.float32), QUANTILE)
    assert scaled[0, 0] == scaled[0, 2] == scaled[0, 3]
    np.testing.assert_array_equal(scaled[1], 0)


@pytest.mark.parametrize("change", [np.exp, np.cbrt, lambda x: 5 * x - 3])
def test_normal_scores_do_not_see_a_rising_change_of_scale(change) -> None:
    x = np.random.default_rng(2).integers(-20, 20, size=(3, 50)).astype(np.float32) / 4
    np.testing.assert_array_equal(scale_samples(change(x), QUANTILE), scale_samples(x, QUANTILE))


@pytest.mark.parametrize("scale", [LOG_COUNTS, LOG_INTENSITY, QUANTILE, NONE])
def test_a_sample_scales_the_same_alone_and_in_company(scale: ExpressionScale) -> None:
    x = _counts()
    together = scale_samples(x, scale)
    for number in range(len(x)):
        np.testing.assert_array_equal(scale_samples(x[number : number + 1], scale)[0], together[number])


@pytest.mark.parametrize("scale", [LOG_COUNTS, LOG_INTENSITY, QUANTILE, NONE])
def test_the_raw_values_stay_as_they_are(scale: ExpressionScale) -> None:
    x = _counts()
    before = x.copy()
    scale_samples(x, scale)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("values", ["log", "discretised"])
def test_no_logarithm_of_what_has_none(values: str) -> None:
    with pytest.raises(ValidationError, match=f"needs values 'counts' or 'intensity', not '{values}'"):
        ExpressionScale.model_validate({"values": values, "scaling": "log"})
