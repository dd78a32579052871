from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import ndtri
from sklearn.preprocessing import QuantileTransformer

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.features.encoder import Encoder, Scaling
from med_maml_pipeline.tasks.types import FeatureKind

NUMERIC, INDICATOR, COUNT = FeatureKind.NUMERIC, FeatureKind.INDICATOR, FeatureKind.COUNT
NAN = float("nan")
SCALINGS: tuple[Scaling, ...] = ("robust", "quantile")
CELLS = st.one_of(st.just(NAN), st.floats(-1e4, 1e4, width=32))


def _matrix(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def test_numeric_columns_are_scaled_by_median_and_interquartile_range() -> None:
    x = np.random.default_rng(0).normal(40.0, 3.0, size=(101, 1)).astype(np.float32)
    x[::7] = NAN
    low, middle, high = np.nanpercentile(x, [25, 50, 75])
    encoded = Encoder.fit(x, [NUMERIC]).transform(x)
    observed = ~np.isnan(x[:, 0])
    expected = np.clip((x[observed, 0] - middle) / ((high - low) / 1.349), -5, 5)
    np.testing.assert_allclose(encoded[observed, 0], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(encoded[:, 1], (~observed).astype(np.float32))


def test_missing_cells_become_zero_with_a_flag_only_where_the_fitting_rows_miss_some() -> None:
    encoder = Encoder.fit(_matrix([1, 1], [2, NAN], [3, 3]), [NUMERIC, NUMERIC])
    encoded = encoder.transform(_matrix([NAN, NAN]))
    assert encoder.width == 3
    np.testing.assert_array_equal(encoded, [[0.0, 0.0, 1.0]])


def test_indicators_pass_and_counts_are_damped() -> None:
    x = _matrix([0, 0], [1, 7])
    encoded = Encoder.fit(x, [INDICATOR, COUNT]).transform(x)
    np.testing.assert_allclose(encoded, [[0, 0], [1, np.log(8)]], rtol=1e-6)


def test_an_outlier_is_clipped_and_does_not_move_the_scale() -> None:
    x = np.arange(20, dtype=np.float32)[:, None]
    spoilt = x.copy()
    spoilt[-1] = 1e6
    plain, hit = Encoder.fit(x, [NUMERIC]), Encoder.fit(spoilt, [NUMERIC])
    np.testing.assert_allclose(hit.transform(x[:19]), plain.transform(x[:19]), atol=1e-6)
    assert hit.transform(spoilt)[-1, 0] == 5.0


def test_constant_columns_leave() -> None:
    x = _matrix([3, 1, 0], [3, 2, 0])
    assert Encoder.fit(x, [NUMERIC, NUMERIC, COUNT]).width == 1


def test_a_column_that_is_nearly_always_the_same_falls_back_to_its_deviation() -> None:
    x = np.zeros((100, 1), dtype=np.float32)
    x[:5] = 2.0
    encoded = Encoder.fit(x, [NUMERIC]).transform(x)
    np.testing.assert_allclose(encoded[:5, 0], 2.0 / x.std(), rtol=1e-5)


@pytest.mark.parametrize("n", [12, 400])
def test_quantile_scaling_is_the_normal_quantile_of_scikit_learns_ranks(n: int) -> None:
    """Skewed columns, one with ties, one with gaps; queries beyond what was seen."""
    rng = np.random.default_rng(0)
    x, query = (np.exp(rng.normal(0, scale, size=(n, 3))).astype(np.float32) for scale in (1.0, 2.0))
    x[:, 1], query[:, 1] = np.round(x[:, 1]), np.round(query[:, 1])
    x[:2, 1] = -1, 1000  # scikit-learn gives ties at either end the first or last rank, not the middle one
    x[::5, 2], query[0, 2] = NAN, NAN
    observed = (~np.isnan(x)).sum(axis=0)
    ranks = QuantileTransformer(n_quantiles=min(n, 101), subsample=None).fit(x).transform(query)
    expected = ndtri((ranks * (observed - 1) + 0.5) / observed)
    encoded = Encoder.fit(x, [NUMERIC] * 3, "quantile").transform(query)
    np.testing.assert_allclose(encoded[:, :3], np.nan_to_num(expected), atol=2e-5)
    np.testing.assert_array_equal(encoded[:, 3], np.isnan(query[:, 2]))


def test_quantile_scaling_leaves_indicators_and_counts_as_they_were() -> None:
    x = _matrix([0, 0, 5], [1, 7, 90], [1, 2, 6])
    plain, ranked = (
        Encoder.fit(x, [INDICATOR, COUNT, NUMERIC], s).transform(x) for s in ("robust", "quantile")
    )
    np.testing.assert_array_equal(ranked[:, :2], plain[:, :2])
    np.testing.assert_allclose(ranked[:, 2], ndtri([1 / 6, 5 / 6, 1 / 2]), rtol=1e-6, atol=1e-7)


def test_an_unknown_scaling_is_named() -> None:
    with pytest.raises(
        ConfigurationError, match="unknown scaling 'ranks'; expected one of: robust, quantile"
    ):
        Encoder.fit(_matrix([1], [2]), [NUMERIC], "ranks")  # type: ignore[arg-type]


@pytest.mark.parametrize("scaling", SCALINGS)
def test_state_round_trip_gives_the_same_encoder(scaling: Scaling) -> None:
    x = _matrix([1, NAN, 0], [2, 5, 1], [4, 6, 3])
    encoder = Encoder.fit(x, [NUMERIC, NUMERIC, COUNT], scaling)
    np.testing.assert_array_equal(Encoder.from_state(encoder.state()).transform(x), encoder.transform(x))


@pytest.mark.parametrize("scaling", SCALINGS)
@settings(max_examples=60, deadline=None)
@given(fitted=arrays(np.float32, (7, 3), elements=CELLS), query=arrays(np.float32, (4, 3), elements=CELLS))
def test_transform_is_finite_bounded_and_row_by_row(
    scaling: Scaling, fitted: np.ndarray, query: np.ndarray
) -> None:
    kinds = [NUMERIC, NUMERIC, NUMERIC]
    encoder = Encoder.fit(fitted, kinds, scaling)
    together = encoder.transform(query)
    assert together.shape == (4, encoder.width)
    assert np.isfinite(together).all()
    assert np.abs(together).max(initial=0.0) <= 5.0
    alone = np.concatenate([encoder.transform(query[[row]]) for row in range(4)])
    np.testing.assert_array_equal(alone, together)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, (9, 2), elements=CELLS))
def test_centres_are_the_medians_of_observed_cells(x: np.ndarray) -> None:
    encoder = Encoder.fit(x, [NUMERIC, NUMERIC])
    for column in range(2):
        if not np.isnan(x[:, column]).all():
            expected = np.nanmedian(x[:, column].astype(np.float64))
            assert encoder.centre[column] == pytest.approx(expected, rel=1e-5, abs=1e-3)
