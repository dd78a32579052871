"""Each metric against scikit-learn, SciPy or a value worked out by hand, and undefined where undefined."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats
from sklearn import metrics as sk

from med_maml_pipeline.errors import MedMamlError
from med_maml_pipeline.metrics.probabilities import as_matrix, log_odds, softmax
from med_maml_pipeline.metrics.scores import (
    CLASSIFICATION_METRICS,
    LOWER_IS_BETTER,
    METRICS,
    REGRESSION_METRICS,
    score_episode,
    score_predictions,
    selection_score,
)
from med_maml_pipeline.tasks.types import TargetType


def _episode(
    seed: int, n_classes: int, n_query: int = 60, *, ties: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n_query)
    y[:n_classes] = np.arange(n_classes)
    logits = rng.normal(size=(n_query, n_classes)) + 0.8 * np.eye(n_classes)[y]
    return y.astype(float), np.round(logits) if ties else logits


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("ties", [False, True])
def test_binary_metrics_are_those_of_scikit_learn(seed: int, ties: bool) -> None:
    y, logits = _episode(seed, 2, ties=ties)
    probability = special.softmax(logits, axis=1)[:, 1]
    margin = logits[:, 1] - logits[:, 0]
    guess = logits.argmax(axis=1)
    expected = {
        "accuracy": sk.accuracy_score(y, guess),
        "balanced_accuracy": sk.balanced_accuracy_score(y, guess),
        "macro_f1": sk.f1_score(y, guess, average="macro"),
        "auroc": sk.roc_auc_score(y, margin),
        "auprc": sk.average_precision_score(y, margin),
        "delta_auprc": sk.average_precision_score(y, margin) - y.mean(),
        "brier": sk.brier_score_loss(y, probability),
    }
    found = score_episode(y, logits)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert tuple(found) == CLASSIFICATION_METRICS


@pytest.mark.parametrize("seed", range(4))
def test_multiclass_metrics_are_those_of_scikit_learn(seed: int) -> None:
    y, logits = _episode(seed, 5)
    probability = special.softmax(logits, axis=1)
    guess = logits.argmax(axis=1)
    found = score_episode(y, logits.reshape(-1))
    expected = {
        "accuracy": sk.accuracy_score(y, guess),
        "balanced_accuracy": sk.balanced_accuracy_score(y, guess),
        "macro_f1": sk.f1_score(y, guess, average="macro"),
        "auroc": sk.roc_auc_score(y, probability, multi_class="ovr", average="macro"),
        "auprc": sk.average_precision_score(np.eye(5)[y.astype(int)], probability, average="macro"),
        "brier": sk.brier_score_loss(y, probability, labels=range(5)),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert found["delta_auprc"] == pytest.approx(expected["auprc"] - 1 / 5, abs=1e-12)


def test_macro_averages_run_over_classes_present_in_the_query() -> None:
    y, logits = _episode(1, 4)
    logits = np.insert(logits, 2, 9.0, axis=1)  # class 2 is absent from the query, and always guessed
    y[y >= 2] += 1
    present = [0, 1, 3, 4]
    found = score_episode(y, logits)
    probability = special.softmax(logits, axis=1)
    assert found["auroc"] == pytest.approx(
        np.mean([sk.roc_auc_score(y == label, probability[:, label]) for label in present])
    )
    assert found["balanced_accuracy"] == 0
    assert found["macro_f1"] == sk.f1_score(y, np.full(len(y), 2), labels=present, average="macro")


@pytest.mark.parametrize("seed", range(3))
def test_numeric_metrics_are_those_of_scikit_learn_and_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.round(rng.normal(size=40), 1)
    predicted = np.round(y + rng.normal(size=40), 1)
    expected = {
        "r2": sk.r2_score(y, predicted),
        "spearman": stats.spearmanr(y, predicted).statistic,
        "mae": sk.mean_absolute_error(y, predicted),
    }
    assert score_episode(y, predicted) == pytest.approx(expected)
    assert tuple(expected) == REGRESSION_METRICS


def test_calibration_error_by_hand() -> None:
    probability = np.array([0.02, 0.03, 0.97, 0.5])
    y = np.array([0.0, 1.0, 1.0, 0.0])
    logits = np.stack([np.log1p(-probability), np.log(probability)], axis=1)
    # bins [0, 1/15), [14/15, 1] and the middle one: |0.05 - 1| + |0.97 - 1| + |0.5 - 0| over 4 queries
    assert score_episode(y, logits)["ece"] == pytest.approx((0.95 + 0.03 + 0.5) / 4)


def test_calibration_error_of_more_classes_is_that_of_the_most_probable_class() -> None:
    probability = np.array([[0.7, 0.2, 0.1], [0.7, 0.1, 0.2], [0.1, 0.85, 0.05]])
    found = score_episode([0.0, 1.0, 1.0], np.log(probability))
    assert found["ece"] == pytest.approx((abs(1.4 - 1) + abs(0.85 - 1)) / 3)


def test_a_calibrated_forecast_has_little_calibration_error_and_a_bold_one_much() -> None:
    rng = np.random.default_rng(0)
    margin = rng.normal(size=20_000)
    y = (rng.random(20_000) < special.expit(margin)).astype(float)
    calibrated = np.stack([np.zeros_like(margin), margin], axis=1)
    assert score_episode(y, calibrated)["ece"] < 0.02
    assert score_episode(y, 5 * calibrated)["ece"] > 0.15


def test_auroc_uses_scores_and_not_arg_max() -> None:
    y = np.array([0.0, 0.0, 1.0, 1.0])
    logits = np.array([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0], [0.0, 4.0]])  # all called positive, all in order
    found = score_episode(y, logits)
    assert found["auroc"] == 1.0
    assert found["auprc"] == 1.0
    assert found["balanced_accuracy"] == 0.5


def test_delta_auprc_subtracts_the_prevalence_of_the_query() -> None:
    y = np.array([1.0] + [0.0] * 9)
    random_order = np.zeros((10, 2))
    assert score_episode(y, random_order)["auprc"] == pytest.approx(0.1)
    assert score_episode(y, random_order)["delta_auprc"] == pytest.approx(0.0)


def test_order_survives_where_probabilities_round_to_one() -> None:
    y = np.array([0.0, 1.0, 1.0])
    logits = np.array([[0.0, 50.0], [0.0, 51.0], [0.0, 52.0]])
    assert softmax(logits)[0, 1] == softmax(logits)[2, 1]
    assert score_episode(y, logits)["auroc"] == 1.0


@pytest.mark.parametrize("n_classes", [2, 3, 6])
def test_log_odds_are_those_of_the_probabilities(n_classes: int) -> None:
    logits = np.random.default_rng(0).normal(size=(30, n_classes)) * 3
    assert log_odds(logits) == pytest.approx(special.logit(softmax(logits)))


def test_log_odds_with_classes_ruled_out() -> None:
    logits = np.array([[0.0, -np.inf, -np.inf], [-np.inf, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert np.array_equal(log_odds(logits)[:, 0], [np.inf, -np.inf, -np.log(2)])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_query_of_one_class_leaves_contrasts_undefined(n_classes: int) -> None:
    found = score_episode(np.ones(8), np.random.default_rng(0).normal(size=(8, n_classes)))
    undefined = {"balanced_accuracy", "macro_f1", "auroc", "auprc", "delta_auprc"}
    assert {name for name, value in found.items() if np.isnan(value)} == undefined


@pytest.mark.parametrize(
    ("y", "predicted", "undefined"),
    [
        ([1.0, 1.0, 1.0], [0.1, 0.2, 0.3], {"r2", "spearman"}),
        ([1.0, 2.0, 3.0], [0.5, 0.5, 0.5], {"spearman"}),
        ([1.0], [0.5], {"r2", "spearman"}),
    ],
    ids=["constant target", "constant prediction", "one query"],
)
def test_numeric_metrics_undefined(y: list[float], predicted: list[float], undefined: set[str]) -> None:
    found = score_episode(y, predicted)
    assert {name for name, value in found.items() if np.isnan(value)} == undefined


@pytest.mark.parametrize(
    ("y", "scores", "message"),
    [
        ([0.0, 1.0, 0.0], [0.1, 0.2, 0.3, 0.4], "4 scores for 3 queries"),
        ([], [], "0 scores for 0 queries"),
        ([0.0, 2.0], [[0.0, 1.0], [1.0, 0.0]], r"labels outside 0\.\.1"),
        ([0.0, 0.5], [[0.0, 1.0], [1.0, 0.0]], "labels outside"),
        ([0.0, 1.0], [[0.0, np.nan], [1.0, 0.0]], "not numbers"),
        ([0.0, 1.0], [[0.0, np.inf], [1.0, 0.0]], "not numbers"),
        ([0.0, 1.0], [[-np.inf, -np.inf], [1.0, 0.0]], "not numbers"),
        ([0.0, 1.0], [-np.inf, 1.0], "not numbers"),
    ],
)
def test_scores_that_cannot_be_judged_are_refused(y: list[float], scores: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score_episode(y, scores)


def test_flat_scores_are_row_by_row() -> None:
    assert np.array_equal(as_matrix([1, 2, 3, 4, 5, 6], 2), [[1, 2, 3], [4, 5, 6]])


def test_selection_score_is_a_metric_of_the_episode() -> None:
    y, logits = _episode(0, 3)
    assert selection_score(TargetType.MULTICLASS, y, logits) == ("auroc", score_episode(y, logits)["auroc"])
    values = y + logits[:, 0]
    assert selection_score(TargetType.REGRESSION, y, values) == ("r2", score_episode(y, values)["r2"])
    assert np.isnan(selection_score(TargetType.BINARY, np.ones(3), np.zeros((3, 2)))[1])


def test_settings_that_diverge_are_never_chosen() -> None:
    y, logits = _episode(0, 2)
    logits[3] = np.nan
    assert selection_score(TargetType.BINARY, y, logits) == ("auroc", float("-inf"))


def _rows(scores: list[np.ndarray], y: list[np.ndarray]) -> pd.DataFrame:
    facts = {"problem": "p", "fold": 0, "task_id": "t", "learner": "maml", "lane": "optimisation", "seed": 0}
    records = [
        {"episode_id": f"e{i}", **facts, "scores": s, "y": t}
        for i, (s, t) in enumerate(zip(scores, y, strict=True))
    ]
    return pd.DataFrame(records, index=[7] * len(records))  # an index of concatenated tables repeats


def test_long_table_has_the_metrics_of_each_episode_and_target_type() -> None:
    y, logits = _episode(0, 2)
    long = score_predictions(_rows([logits.reshape(-1), y + 0.5], [y, y]))
    columns = ["episode_id", "problem", "fold", "task_id", "learner", "lane", "seed", "metric", "value"]
    assert list(long.columns) == columns
    by_episode = {
        name: rows.set_index("metric")["value"].to_dict() for name, rows in long.groupby("episode_id")
    }
    assert by_episode == {"e0": score_episode(y, logits), "e1": score_episode(y, y + 0.5)}


def test_long_table_of_no_predictions_is_empty() -> None:
    assert score_predictions(_rows([np.zeros(1)], [np.zeros(1)]).iloc[:0]).empty


def test_a_failed_prediction_stops_the_scoring_without_telling_values() -> None:
    y, logits = _episode(0, 2)
    logits[0, 0] = np.nan
    with pytest.raises(MedMamlError, match="problem 'p', learner 'maml': .* not numbers; expected") as caught:
        score_predictions(_rows([logits.reshape(-1)], [y]))
    assert str(round(logits[1, 0], 3)) not in str(caught.value)


def test_every_metric_has_a_direction() -> None:
    assert set(METRICS) > LOWER_IS_BETTER
    y, logits = _episode(0, 2)
    good, bad = (
        score_episode(y, 9 * np.eye(2)[y.astype(int)]),
        score_episode(y, -9 * np.eye(2)[y.astype(int)]),
    )
    numbers = score_episode(y, y), score_episode(y, -y)
    for better, worse in ((good, bad), numbers):
        for name in better:
            assert (better[name] < worse[name]) == (name in LOWER_IS_BETTER)
