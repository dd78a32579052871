"""Heads on a pre-trained network whose features are computed in NumPy from the checkpoint's numbers."""

from __future__ import annotations

from functools import partial
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.covariance import LedoitWolf, empirical_covariance
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import nn
from torch.nn import functional as F

from learner_references.by_hand import Case, Matrix, case, encoded, features, problem, standardised
from learner_references.check import Check, relative_error
from learner_references.classical import forest_scores, penalised_logits
from med_maml_pipeline.tasks.types import MetaSplit, TargetType

__all__ = ["CHECKS"]

BINARY, MULTICLASS, REGRESSION = TargetType.BINARY, TargetType.MULTICLASS, TargetType.REGRESSION


def _inputs(made: Case) -> tuple[Matrix, Matrix]:
    return features(made.checkpoint, made.support.x), features(made.checkpoint, made.query.x)


def _error(made: Case, found: NDArray[np.float32], expected: Matrix) -> float:
    if made.support.target_type is not REGRESSION:
        return relative_error(found, expected)
    _, mean, deviation = standardised(made.support.y)
    return relative_error((found - mean) / deviation, expected)


def _covariance(made: Case) -> Matrix:
    """Covariance of the features of the training tasks, of what labels do not explain."""
    target_type, left = made.support.target_type, []
    for task in problem(target_type).split(MetaSplit.TRAIN):
        x = features(made.checkpoint, problem(target_type).tables[task.examples].x[task.rows])
        design = (
            np.column_stack([np.ones(len(task)), task.y])
            if target_type is REGRESSION
            else np.eye(task.n_classes)[task.y.astype(int)]
        )
        left.append(x - design @ np.linalg.lstsq(design.astype(np.float64), x, rcond=None)[0])
    return np.asarray(LedoitWolf(assume_centered=True).fit(np.concatenate(left)).covariance_)


def _ridge(made: Case, x: Matrix, query: Matrix, penalty: Matrix) -> Matrix:
    """Ridge regression by its normal equations, for any penalty matrix."""
    z, _, _ = standardised(made.support.y)
    centred = x - x.mean(axis=0)
    return (query - x.mean(axis=0)) @ np.linalg.solve(centred.T @ centred + penalty, centred.T @ z)


def _probe(learner: str, target_type: TargetType, *, white: bool = False) -> float:
    """Whitening is a penalty in the metric of the covariance, here by its Cholesky factor."""
    made = case(learner, target_type)
    x, query = _inputs(made)
    factor = np.linalg.cholesky(_covariance(made)) if white else np.eye(x.shape[1])
    found = made.scores(learner, {"penalty": 3.0, "inputs": "whitened" if white else "learned"})
    if target_type is REGRESSION:
        return _error(made, found, _ridge(made, x, query, 3.0 * factor @ factor.T))
    x, query = (np.linalg.solve(factor, (rows - x.mean(axis=0)).T).T for rows in (x, query))
    return _error(made, found, penalised_logits(x, made.support.y, query, 3.0))


def _discriminant(target_type: TargetType) -> float:
    """scikit-learn's analysis, handed the covariance."""
    made = case("linear_probe", target_type)
    x, query = _inputs(made)
    strength, share, known = 8.0, 0.7, _covariance(made)
    known = share * known + (1 - share) * np.trace(known) / len(known) * np.eye(len(known))
    found = made.scores("lda", {"strength": strength, "share": share, "penalty": 3.0})
    if target_type is REGRESSION:
        return _error(made, found, _ridge(made, x, query, 3.0 * known))

    class Mixed:
        """Asked class by class, and averaged by frequency, which keeps the known part as it is."""

        def fit(self, rows: Matrix) -> None:
            self.covariance_ = (len(x) * empirical_covariance(rows) + strength * known) / (len(x) + strength)

    model = LinearDiscriminantAnalysis(solver="lsqr", covariance_estimator=Mixed()).fit(x, made.support.y)
    return _error(made, found, model.predict_log_proba(query))


def _cosine(target_type: TargetType) -> float:
    """The descent with its gradient written out."""
    made = case("linear_probe", target_type)
    x, query = _inputs(made)
    steps, rate = 15, 0.2
    found = made.scores("baseline_pp", {"adapt_steps": steps, "learning_rate": rate, "penalty": 3.0})
    if target_type is REGRESSION:
        return _error(made, found, _ridge(made, x, query, 3.0 * np.eye(x.shape[1])))
    x, query = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, query))
    members = np.eye(made.support.n_classes)[made.support.y.astype(int)]
    weights, log_scale = (members / members.sum(axis=0)).T @ x, np.log(10.0)
    speed: list[Matrix] = [np.zeros_like(weights), np.zeros(())]
    for _ in range(steps):
        lengths = np.linalg.norm(weights, axis=1, keepdims=True)
        unit, scale = weights / lengths, np.exp(log_scale)
        cosines = x @ unit.T
        wrong = (np.exp(log_softmax(scale * cosines, axis=1)) - members) / len(x)
        along = scale * wrong.T @ x
        slope = (along - (along * unit).sum(axis=1, keepdims=True) * unit) / lengths
        speed = [0.9 * speed[0] + slope, 0.9 * speed[1] + scale * (wrong * cosines).sum()]
        weights, log_scale = weights - rate * speed[0], log_scale - rate * float(speed[1])
    unit = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    return _error(made, found, log_softmax(np.exp(log_scale) * query @ unit.T, axis=1))


def _forest(target_type: TargetType) -> float:
    made = case("linear_probe", target_type)
    settings: dict[str, object] = {"trees": 12}
    expected = forest_scores(*_inputs(made), made, settings, 5)
    return _error(made, made.scores("forest_on_features", settings, 5), expected)


def _fine_tuning(target_type: TargetType) -> float:
    """Modules of torch, its optimiser with a rate per layer, and its backward pass."""
    made = case("linear_probe", target_type)
    held, steps, rate = made.checkpoint.arrays, 20, 0.8
    x, query = (torch.from_numpy(encoded(made.checkpoint, rows)) for rows in (made.support.x, made.query.x))
    outputs = max(made.support.n_classes, 1)
    layers = [nn.Linear(x.shape[1], 8), nn.Linear(8, 7), nn.Linear(7, outputs)]
    model = nn.Sequential(*chain.from_iterable((layer, nn.SiLU()) for layer in layers))[:-1].double()
    head = "head." if target_type is BINARY else None
    names = ("network.first.", "network.tail.body.1.", head)
    for layer, name in zip(layers, names, strict=True):
        for part in ("weight", "bias"):
            value = np.zeros(getattr(layer, part).shape) if name is None else held[name + part]
            getattr(layer, part).data.copy_(torch.from_numpy(value))
    curvatures = (float(held["inputs.norm"]), 8 / 2 + 1, 7 / 2 + 1)
    groups = [{"params": a.parameters(), "lr": rate / c} for a, c in zip(layers, curvatures, strict=True)]
    descent = torch.optim.SGD(groups)
    numeric = target_type is REGRESSION
    targets = torch.from_numpy(standardised(made.support.y)[0] if numeric else made.support.y.astype(int))
    for _ in range(steps):
        descent.zero_grad()
        loss = F.huber_loss(model(x)[:, 0], targets) if numeric else F.cross_entropy(model(x), targets)
        loss.backward()
        descent.step()
    expected = model(query).detach().numpy()
    found = made.scores("fine_tune", {"adapt_steps": steps, "learning_rate": rate})
    return _error(made, found, expected[:, 0] if numeric else expected)


_SCORES = 2e-7  # predictions are stored in single precision
_ROUNDED = 1e-5  # so is whitening; values near 100 keep fewer digits of their standardised form
_STOPPED = 2e-3  # scikit-learn's optimiser stops at a gradient of 1e-4

CHECKS: tuple[Check, ...] = tuple(
    Check(
        learner, f"{kind} scores", reference, _ROUNDED if kind is REGRESSION else gate, partial(error, kind)
    )
    for kind in (BINARY, MULTICLASS, REGRESSION)
    for learner, reference, gate, error in (
        ("linear_probe", "L-BFGS-B, closed form", _STOPPED, partial(_probe, "linear_probe")),
        ("linear_probe", "Cholesky, whitened", _STOPPED, partial(_probe, "linear_probe", white=True)),
        ("untrained", "L-BFGS-B, closed form", _STOPPED, partial(_probe, "untrained")),
        ("lda", "scikit-learn LinearDiscriminantAnalysis", _ROUNDED, _discriminant),
        ("baseline_pp", "NumPy gradients", _SCORES, _cosine),
        ("forest_on_features", "votes tree by tree", _SCORES, _forest),
        ("fine_tune", "torch.optim.SGD", 1e-6, _fine_tuning),
    )
)
