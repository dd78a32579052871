"""Averaged ROC curves and reliability bins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from med_maml_pipeline.metrics.calibration import expected_calibration_error, reliability_bins
from med_maml_pipeline.metrics.curves import ROC_GRID, roc_curve_on_grid, roc_points
from med_maml_pipeline.metrics.probabilities import softmax


def test_a_curve_on_the_grid_lies_on_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    y = rng.random(300) < 0.3
    scores = np.round(y + rng.normal(size=300), 1)
    fpr, tpr, _ = sk.roc_curve(y, scores, drop_intermediate=False)
    assert roc_curve_on_grid(y, scores) == pytest.approx(np.interp(ROC_GRID, fpr, tpr))


def test_perfect_and_uninformative_scores() -> None:
    y = np.array([True, True, False, False])
    assert np.array_equal(roc_curve_on_grid(y, y.astype(float)), np.ones(101))
    assert roc_curve_on_grid(y, np.zeros(4)) == pytest.approx(ROC_GRID)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_area_under_the_average_is_the_average_area(
    fabricate: Callable[..., Any], n_classes: int
) -> None:
    run = fabricate(n_query=200, n_classes=n_classes, skill={"maml": 1.0}, sizes=(5,))
    board = run.scoreboard(n_bootstrap=10)
    area = board[board["metric"] == "auroc"].set_index("learner")["value"]
    for (lane, learner), curve in roc_points(run.predictions).groupby(["lane", "learner"]):
        assert curve[["fpr", "tpr"]].iloc[[0, -1]].to_numpy().tolist() == [[0, 0], [1, 1]]
        assert np.trapezoid(curve["tpr"], curve["fpr"]) == pytest.approx(area[learner], abs=0.006)
        assert set(run.predictions.loc[run.predictions["learner"] == learner, "lane"]) == {lane}


def test_episodes_of_one_class_and_numeric_targets_have_no_curve(fabricate: Callable[..., Any]) -> None:
    run = fabricate(sizes=(5,))
    first = run.predictions["episode_id"] == run.predictions["episode_id"].iloc[0]
    run.predictions.loc[first, "y"] = run.predictions.loc[first, "y"].map(np.ones_like)
    assert set(roc_points(run.predictions)["n_episodes"]) == {7}
    numeric = fabricate(n_classes=0).predictions
    assert roc_points(numeric).empty
    assert reliability_bins(numeric).empty


def test_reliability_bins_are_those_of_scikit_learn(fabricate: Callable[..., Any]) -> None:
    predictions = fabricate(learners=("maml",)).predictions
    found = reliability_bins(predictions, n_bins=10)
    y = np.concatenate(predictions["y"].tolist())
    risk = np.concatenate([special.softmax(s.reshape(-1, 2), axis=1)[:, 1] for s in predictions["scores"]])
    observed, stated = calibration_curve(y, risk, n_bins=10)
    assert found["observed"].to_numpy() == pytest.approx(observed)
    assert found["stated"].to_numpy() == pytest.approx(stated)
    assert found["count"].sum() == len(y)


def test_calibration_error_is_the_weighted_gap_of_the_bins(fabricate: Callable[..., Any]) -> None:
    predictions = fabricate(learners=("maml",), n_classes=3).predictions.iloc[:1]
    bins = reliability_bins(predictions)
    gap = (bins["count"] * (bins["stated"] - bins["observed"]).abs()).sum() / bins["count"].sum()
    y, scores = predictions[["y", "scores"]].iloc[0]
    assert expected_calibration_error(y, softmax(scores.reshape(-1, 3))) == pytest.approx(gap)
