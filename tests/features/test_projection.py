from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_selection import f_classif, r_regression

from med_maml_pipeline.features.projection import SupportRanked
from med_maml_pipeline.tasks.types import FeatureKind, TargetType

TYPES = [(TargetType.BINARY, 2), (TargetType.MULTICLASS, 3), (TargetType.REGRESSION, 0)]
KINDS = (FeatureKind.NUMERIC, FeatureKind.INDICATOR, FeatureKind.COUNT)


def _data(n: int, f: int, n_classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[FeatureKind]]:
    rng = np.random.default_rng(seed)
    kinds = [KINDS[column % 3] for column in range(f)]
    x = rng.normal(size=(n, f)).astype(np.float32)
    for column, kind in enumerate(kinds):
        if kind is FeatureKind.INDICATOR:
            x[:, column] = x[:, column] > 0
        elif kind is FeatureKind.COUNT:
            x[:, column] = np.floor(np.abs(3 * x[:, column]))
        else:
            x[rng.random(n) < 0.2, column] = np.nan
    y = np.arange(n) % n_classes if n_classes else rng.normal(size=n)
    return x, y.astype(np.float32), kinds


@pytest.mark.parametrize(("target_type", "n_classes"), TYPES)
def test_column_order_of_the_table_does_not_matter(target_type: TargetType, n_classes: int) -> None:
    x, y, kinds = _data(24, 17, n_classes)
    query, _, _ = _data(9, 17, n_classes, seed=1)
    shuffled = np.random.default_rng(2).permutation(17)
    plain = SupportRanked.fit(x, y, target_type, n_classes, kinds)
    other = SupportRanked.fit(x[:, shuffled], y, target_type, n_classes, [kinds[i] for i in shuffled])
    np.testing.assert_allclose(other.transform(query[:, shuffled]), plain.transform(query), atol=1e-6)


@pytest.mark.parametrize(("target_type", "n_classes"), TYPES)
def test_every_table_gives_the_same_width_and_spare_places_are_zero(
    target_type: TargetType, n_classes: int
) -> None:
    for f in (1, 5, 60):
        x, y, kinds = _data(30, f, n_classes)
        ranked = SupportRanked.fit(x, y, target_type, n_classes, kinds, width=16)
        out = ranked.transform(x)
        assert out.shape == (30, 16)
        assert out.dtype == np.float32
        assert np.isfinite(out).all()
        assert np.abs(out).max() <= 5.0
        assert not out[:, len(ranked.order) :].any()
        assert len(ranked.order) == min(16, ranked.encoder.width)


@pytest.mark.parametrize(("target_type", "n_classes"), TYPES)
def test_a_query_is_the_same_alone_and_in_company(target_type: TargetType, n_classes: int) -> None:
    x, y, kinds = _data(20, 40, n_classes)
    query, _, _ = _data(11, 40, n_classes, seed=1)
    ranked = SupportRanked.fit(x, y, target_type, n_classes, kinds)
    alone = np.concatenate([ranked.transform(query[[row]]) for row in range(11)])
    np.testing.assert_array_equal(alone, ranked.transform(query))


def test_classes_are_ranked_as_by_the_anova_f_statistic() -> None:
    x, y, kinds = _data(60, 25, 3)
    ranked = SupportRanked.fit(x, y, TargetType.MULTICLASS, 3, kinds, width=100)
    statistic = f_classif(ranked.encoder.transform(x).astype(np.float64), y)[0]
    assert (np.diff(statistic[ranked.order]) <= 1e-3).all()


def test_values_are_ranked_and_turned_as_by_correlation() -> None:
    x, y, kinds = _data(60, 25, 0)
    ranked = SupportRanked.fit(x, y, TargetType.REGRESSION, 0, kinds, width=100)
    correlation = r_regression(ranked.transform(x)[:, : len(ranked.order)].astype(np.float64), y)
    reference = np.abs(r_regression(ranked.encoder.transform(x).astype(np.float64), y))
    assert (correlation > -1e-3).all()
    assert (np.diff(reference[ranked.order]) <= 1e-5).all()


def test_binary_columns_rise_with_the_label_however_the_table_codes_them() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([0.0, 1.0], 15).astype(np.float32)
    x = np.stack([y + rng.normal(0, 0.3, 30), rng.normal(size=30)], axis=1).astype(np.float32)
    kinds = [FeatureKind.NUMERIC] * 2
    upright = SupportRanked.fit(x, y, TargetType.BINARY, 2, kinds).transform(x)
    turned = SupportRanked.fit(-x, y, TargetType.BINARY, 2, kinds).transform(-x)
    np.testing.assert_allclose(turned, upright, atol=1e-5)
    assert upright[y == 1, 0].mean() > upright[y == 0, 0].mean() + 1


def test_tied_columns_come_in_one_order_whatever_their_place() -> None:
    y = np.array([0, 0, 1, 1], dtype=np.float32)
    x = np.array([[0, 1, 0], [1, 0, 0], [1, 0, 1], [0, 1, 1]], dtype=np.float32)  # the first two tie at 0
    kinds = [FeatureKind.INDICATOR] * 3
    outputs = [
        SupportRanked.fit(x[:, order], y, TargetType.BINARY, 2, kinds).transform(x[:, order])
        for order in ([0, 1, 2], [1, 0, 2], [2, 1, 0])
    ]
    for output in outputs[1:]:
        np.testing.assert_array_equal(output, outputs[0])


def test_a_support_of_one_class_still_gives_inputs() -> None:
    x, _, kinds = _data(6, 8, 2)
    out = SupportRanked.fit(x, np.zeros(6, dtype=np.float32), TargetType.BINARY, 2, kinds).transform(x)
    assert np.isfinite(out).all()
    assert out.any()
