"""Metrics of several labels: against scikit-learn label by label, with missing labels."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from med_maml_pipeline.metrics.classification import classification_scores
from med_maml_pipeline.metrics.curves import roc_points
from med_maml_pipeline.metrics.multilabel import by_label
from med_maml_pipeline.metrics.scores import (
    CLASSIFICATION_METRICS,
    score_episode,
    score_predictions,
    selection_score,
)
from med_maml_pipeline.tasks.types import TargetType


def drawn(q=60, n_labels=4, seed=0, missing=0.0):
    rng = np.random.default_rng(seed)
    y = (rng.random((q, n_labels)) < 0.4).astype(float)
    odds = rng.normal(size=(q, n_labels)) + y
    y[rng.random(y.shape) < missing] = np.nan
    return y, odds.round(1)  # with ties


def test_macro_averages_are_those_of_scikit_learn():
    y, odds = drawn()
    found = score_episode(y, odds)
    guess, probability = odds > 0, 1 / (1 + np.exp(-odds))
    assert list(found) == list(CLASSIFICATION_METRICS)
    assert found["auroc"] == pytest.approx(reference.roc_auc_score(y, odds, average="macro"))
    assert found["auprc"] == pytest.approx(reference.average_precision_score(y, odds, average="macro"))
    assert found["macro_f1"] == pytest.approx(reference.f1_score(y, guess, average="macro"))
    assert found["accuracy"] == pytest.approx(1 - reference.hamming_loss(y, guess))
    per_label = list(zip(y.T, guess.T, probability.T, strict=True))
    recall = [reference.balanced_accuracy_score(t, g) for t, g, _ in per_label]
    assert found["balanced_accuracy"] == pytest.approx(np.mean(recall))
    brier = [reference.brier_score_loss(t, p) for t, _, p in per_label]
    assert found["brier"] == pytest.approx(np.mean(brier))
    assert found["delta_auprc"] == pytest.approx(found["auprc"] - y.mean())
    assert selection_score(TargetType.MULTILABEL, y, odds) == ("auroc", pytest.approx(found["auroc"]))


def test_each_label_counts_the_queries_where_it_is_observed():
    y, odds = drawn(missing=0.4)
    aurocs, errors = [], []
    for truth, own in zip(y.T, odds.T, strict=True):
        seen = ~np.isnan(truth)
        aurocs.append(reference.roc_auc_score(truth[seen], own[seen]))
        logits = np.stack([np.zeros(seen.sum()), own[seen]], axis=1)
        errors.append(classification_scores(truth[seen], logits)["ece"])
    found = score_episode(y.reshape(-1, 4), odds.reshape(-1))
    assert found["auroc"] == pytest.approx(np.mean(aurocs))
    assert found["ece"] == pytest.approx(np.mean(errors))


def test_labels_of_one_class_are_left_out_of_what_they_do_not_define():
    y, odds = drawn()
    y[:, 1], y[:, 2] = 0, np.nan
    rest = reference.roc_auc_score(y[:, [0, 3]], odds[:, [0, 3]], average="macro")
    found = score_episode(y, odds)
    assert found["auroc"] == pytest.approx(rest)
    assert found["macro_f1"] == pytest.approx(
        reference.f1_score(y[:, [0, 3]], odds[:, [0, 3]] > 0, average="macro")
    )
    assert found["accuracy"] == pytest.approx(
        np.mean([((odds[:, label] > 0) == y[:, label]).mean() for label in (0, 1, 3)])
    )
    nothing = score_episode(np.zeros((5, 2)), odds[:5, :2])
    assert np.isnan(nothing["auroc"])
    assert nothing["brier"] > 0


@pytest.mark.parametrize(
    ("y", "scores", "said"),
    [
        (np.zeros((4, 2)), np.zeros((4, 3)), "3 scores per query for 2 labels"),
        (np.zeros((4, 2)), np.full((4, 2), -np.inf), "not numbers"),
        (np.full((4, 2), 0.5), np.zeros((4, 2)), "labels outside"),
        (np.full((4, 2), np.nan), np.zeros((4, 2)), "no label observed"),
    ],
)
def test_predictions_that_cannot_be_scored(y, scores, said):
    with pytest.raises(ValueError, match=said):
        score_episode(y, scores)


def test_settings_that_diverge_are_never_chosen():
    assert selection_score(TargetType.MULTILABEL, np.eye(2), np.full((2, 2), np.nan)) == ("auroc", -np.inf)


def stored(y, odds):
    binary = np.array([0.0, 1.0, 1.0]), np.array([2.0, 0, 0, 1, 1, 0])
    rows = [("a", y.reshape(-1), odds.reshape(-1)), ("b", *binary)]
    facts = {"problem": "p", "fold": 0, "task_id": "t", "learner": "maml", "lane": "optimisation", "seed": 0}
    return pd.DataFrame([{"episode_id": e, **facts, "y": truth, "scores": own} for e, truth, own in rows])


def test_stored_predictions_are_scored_by_the_number_of_labels():
    y, odds = drawn(missing=0.2)
    long = score_predictions(stored(y, odds), [4, 0]).set_index(["episode_id", "metric"])["value"]
    assert long["a"].to_dict() == pytest.approx(score_episode(y, odds))
    assert long["b", "auroc"] == score_episode([0, 1, 1], [2, 0, 0, 1, 1, 0])["auroc"]


def test_curves_take_a_label_as_a_binary_target():
    y, odds = drawn(missing=0.2)
    apart = by_label(stored(y, odds), [4, 0])
    assert apart["episode_id"].tolist() == ["a"] * 4 + ["b"]
    assert [len(truth) for truth in apart["y"]] == [*(~np.isnan(y)).sum(axis=0), 3]
    curve = roc_points(apart[:4])
    area = np.trapezoid(curve["tpr"], curve["fpr"])
    assert area == pytest.approx(score_episode(y, odds)["auroc"], abs=0.01)
