"""The classical lane on inputs encoded in NumPy: closed forms, loops and general-purpose optimisers."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import LinearConstraint, minimize
from scipy.special import log_softmax, logsumexp
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.kernel_ridge import KernelRidge

from learner_references.by_hand import N_COUNTS, Case, Matrix, case, encoded, standardised
from learner_references.check import Check, relative_error
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.tasks.types import FeatureKind, Support, TargetType

__all__ = ["CHECKS", "forest_scores", "penalised_logits"]

BINARY, MULTICLASS, REGRESSION = TargetType.BINARY, TargetType.MULTICLASS, TargetType.REGRESSION


def _inputs(made: Case) -> tuple[Matrix, Matrix]:
    return encoded(made.checkpoint, made.support.x), encoded(made.checkpoint, made.query.x)


def _codes(made: Case) -> Matrix:
    return np.where(made.support.y[:, None] == np.arange(made.support.n_classes), 1.0, -1.0)


def _values_error(made: Case, found: NDArray[np.float32], expected: Matrix) -> float:
    """Error of values in deviations of the support's targets."""
    _, mean, deviation = standardised(made.support.y)
    return relative_error((found - mean) / deviation, expected)


def penalised_logits(x: Matrix, y: NDArray[np.float32], query: Matrix, penalty: float) -> Matrix:
    """Log-probabilities at the minimum of log-loss and squared norm, by a quasi-Newton method."""
    members = np.eye(int(y.max()) + 1)[y.astype(int)]
    n_outputs = members.shape[1] if members.shape[1] > 2 else 1

    def unpacked(flat: Matrix) -> Matrix:
        weights = flat.reshape(x.shape[1] + 1, n_outputs)
        return weights if n_outputs > 1 else np.hstack([np.zeros_like(weights), weights])

    def loss(flat: Matrix) -> tuple[float, Matrix]:
        weights = unpacked(flat)
        z = x @ weights[:-1] + weights[-1]
        value = (logsumexp(z, axis=1) - (z * members).sum(axis=1)).sum()
        wrong = np.exp(z - logsumexp(z, axis=1, keepdims=True)) - members
        slope = np.vstack([x.T @ wrong + penalty * weights[:-1], wrong.sum(axis=0)])
        return value + penalty / 2 * (weights[:-1] ** 2).sum(), slope[:, -n_outputs:].ravel()

    start = np.zeros((x.shape[1] + 1) * n_outputs)
    options = {"ftol": 1e-16, "gtol": 1e-11, "maxiter": 5000}
    weights = unpacked(minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x)
    return np.asarray(log_softmax(query @ weights[:-1] + weights[-1], axis=1))


def _logistic(target_type: TargetType) -> float:
    made = case("logistic", target_type)
    x, query = _inputs(made)
    found = made.scores("logistic", {"penalty": 2.0})
    if target_type is REGRESSION:
        z, _, _ = standardised(made.support.y)
        centred = x - x.mean(axis=0)
        weights = np.linalg.solve(centred.T @ centred + 2.0 * np.eye(x.shape[1]), centred.T @ z)
        return _values_error(made, found, (query - x.mean(axis=0)) @ weights)
    return relative_error(found, penalised_logits(x, made.support.y, query, 2.0))


def forest_scores(x: Matrix, query: Matrix, made: Case, settings: dict[str, object], seed: int) -> Matrix:
    """Votes counted tree by tree, with one pseudo-example; or the mean of the trees' values, standardised."""
    arguments = {"n_estimators": settings["trees"], "random_state": seed, "max_features": "sqrt"}
    rows = query.astype(np.float32)
    if made.support.target_type is REGRESSION:
        trees = RandomForestRegressor(**arguments).fit(x, standardised(made.support.y)[0]).estimators_
        return np.mean([tree.predict(rows) for tree in trees], axis=0)
    trees = RandomForestClassifier(**arguments).fit(x, made.support.y).estimators_
    leaves = [tree.tree_.value[tree.tree_.apply(rows)][:, 0] for tree in trees]
    votes = np.mean([leaf / leaf.sum(axis=1, keepdims=True) for leaf in leaves], axis=0)
    share = np.bincount(made.support.y.astype(int)) / len(x)
    return np.log((len(x) * votes + share) / (len(x) + 1))


def _forest(target_type: TargetType) -> float:
    made = case("forest", target_type)
    settings: dict[str, object] = {"trees": 12}
    expected = forest_scores(*_inputs(made), made, settings, 5)
    found = made.scores("forest", settings, 5)
    if target_type is REGRESSION:
        return _values_error(made, found, expected)
    return relative_error(found, expected)


def _neighbours(target_type: TargetType) -> float:
    """The four nearest by a sort of all distances, weighted by the inverse distance."""
    made = case("knn", target_type)
    x, query = _inputs(made)
    regression = target_type is REGRESSION
    targets = standardised(made.support.y)[0][:, None] if regression else (_codes(made) + 1) / 2
    distances = np.sqrt(((query[:, None] - x) ** 2).sum(axis=2))
    expected = []
    for row in distances:
        nearest = np.argsort(row)[:4]
        weights = 1 / row[nearest] / (1 / row[nearest]).sum()
        expected.append(weights @ targets[nearest])
    found = made.scores("knn", {"k": 4, "weights": "distance"})
    if regression:
        return _values_error(made, found, np.array(expected)[:, 0])
    n, share = len(x), targets.mean(axis=0)
    return relative_error(found, np.log((n * np.array(expected) + share) / (n + 1)))


def _kernel_ridge(learner: str, target_type: TargetType) -> float:
    made = case(learner, target_type)
    if learner == "tanimoto_krr":
        a, b = (rows[:, :N_COUNTS].astype(np.float64) for rows in (made.support.x, made.query.x))
        own, other = (
            np.array([[np.minimum(p, q).sum() / np.maximum(p, q).sum() for q in a] for p in rows])
            for rows in (a, b)
        )
        settings: dict[str, object] = {"ridge": 0.4}
        model = KernelRidge(alpha=0.4, kernel="precomputed")
    else:
        own, other = _inputs(made)
        apart = [np.linalg.norm(p - q) for i, p in enumerate(own) for q in own[:i]]
        settings = {"ridge": 0.4, "width": 1.5}
        model = KernelRidge(alpha=0.4, kernel="rbf", gamma=0.5 / (1.5 * float(np.median(apart))) ** 2)
    regression = target_type is REGRESSION
    targets = standardised(made.support.y)[0] if regression else _codes(made)
    expected = model.fit(own, targets - targets.mean(axis=0)).predict(other) + targets.mean(axis=0)
    found = made.scores(learner, settings)
    if regression:
        return _values_error(made, found, expected)
    return relative_error(log_softmax(found, axis=1), log_softmax(expected, axis=1))


def _support_vectors(kernel: str, target_type: TargetType) -> float:
    """The dual problem solved by sequential quadratic programming."""
    made = case("svm", target_type)
    x, query = _inputs(made)
    if kernel == "linear":
        own, other = x @ x.T / x.shape[1], query @ x.T / x.shape[1]
    else:
        apart = [np.linalg.norm(p - q) for i, p in enumerate(x) for q in x[:i]]
        own, other = (
            np.exp(-((rows[:, None] - x) ** 2).sum(axis=2) / (2 * float(np.median(apart)) ** 2))
            for rows in (x, query)
        )
    cost = 5.0 if target_type is REGRESSION else 0.8  # some rows lie on the edge, and fix the offset
    found = made.scores("svm", {"cost": cost, "kernel": kernel})
    if target_type is REGRESSION:
        z, _, _ = standardised(made.support.y)
        signs = np.r_[np.ones(len(z)), -np.ones(len(z))]
        linear = np.r_[0.1 - z, 0.1 + z]
        return _values_error(
            made, found, _dual(np.tile(own, (2, 2)), signs, linear, np.tile(other, (1, 2)), cost)
        )
    codes = _codes(made)
    margins = [_dual(own, code, -np.ones(len(code)), other, cost) for code in codes.T]
    if target_type is BINARY:
        margins[0] = -margins[1]
    return relative_error(found, log_softmax(np.column_stack(margins), axis=1))


def _dual(kernel: Matrix, signs: Matrix, linear: Matrix, other: Matrix, cost: float) -> Matrix:
    """Margins of the weights in 0..cost that minimise the dual; the offset from those strictly within."""
    hessian = kernel * np.outer(signs, signs)
    answer = minimize(
        lambda a: a @ hessian @ a / 2 + linear @ a,
        np.full(len(signs), cost / 2),
        jac=lambda a: hessian @ a + linear,
        method="SLSQP",
        bounds=[(0.0, cost)] * len(signs),
        constraints=LinearConstraint(signs[None], 0, 0),
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    weights = answer.x
    inside = (weights > 1e-6) & (weights < cost - 1e-6)
    offset = -((hessian @ weights + linear) * signs)[inside].mean()
    return np.asarray(other @ (weights * signs) + offset)


def _boosted_stumps(target_type: TargetType) -> float:
    """Stumps searched threshold by threshold, on rows where no two splits tie."""
    rng = np.random.default_rng(4)
    x, query = (rng.normal(size=(n, 3)).astype(np.float32) for n in (30, 20))
    signal = x @ [1.0, -1.0, 0.5] + rng.normal(size=30)
    y = (signal > 0 if target_type is BINARY else signal).astype(np.float32)
    kinds = (FeatureKind.INDICATOR,) * 3  # taken as they are
    support = Support(x, y, kinds, target_type, 2 if target_type is BINARY else 0)
    settings = {"trees": 10, "depth": 1, "learning_rate": 0.3, "max_features": 1.0, "subsample": 1.0}
    rows, asked = x.astype(np.float64), query.astype(np.float64)
    found = get_learner("boosting").adapt(Checkpoint("boosting"), support, settings, 0)(query)
    if target_type is BINARY:
        start = np.log(y.mean() / (1 - y.mean()))
        other = _boosted(rows, y.astype(np.float64), asked, start, binary=True)
        return relative_error(found, log_softmax(np.column_stack([0 * other, other]), axis=1))
    z, mean, deviation = standardised(y)
    return relative_error((found - mean) / deviation, _boosted(rows, z, asked, 0.0, binary=False))


def _boosted(x: Matrix, y: Matrix, query: Matrix, start: float, *, binary: bool) -> Matrix:
    own, other = np.full(len(x), start), np.full(len(query), start)
    for _ in range(10):
        chance = 1 / (1 + np.exp(-own))
        residual, curvature = (y - chance, chance * (1 - chance)) if binary else (y - own, np.ones(len(y)))
        best = None
        for column in range(x.shape[1]):
            levels = np.sort(x[:, column])
            for threshold in (levels[1:] + levels[:-1]) / 2:
                left = x[:, column] <= threshold
                gap = residual[left].mean() - residual[~left].mean()
                gain = gap**2 * left.sum() * (~left).sum()
                if best is None or gain > best[0]:
                    best = gain, column, threshold
        _, column, threshold = best  # type: ignore[misc]
        left = x[:, column] <= threshold
        low, high = (residual[side].sum() / curvature[side].sum() for side in (left, ~left))
        own = own + 0.3 * np.where(left, low, high)
        other = other + 0.3 * np.where(query[:, column] <= threshold, low, high)
    return other


_SCORES = 2e-7  # predictions are stored in single precision
_VALUES = 1e-5  # values near 100 with a deviation of 6 then keep fewer digits of their standardised form
_KINDS = (BINARY, MULTICLASS, REGRESSION)
_SOLVED = (
    ("forest", "votes tree by tree", _forest),
    ("knn", "NumPy", _neighbours),
    ("kernel_ridge", "scikit-learn KernelRidge", partial(_kernel_ridge, "kernel_ridge")),
    ("tanimoto_krr", "scikit-learn KernelRidge", partial(_kernel_ridge, "tanimoto_krr")),
    ("svm", "SLSQP on the dual", partial(_support_vectors, "gaussian")),
    ("svm", "SLSQP on the dual, linear", partial(_support_vectors, "linear")),
)

CHECKS: tuple[Check, ...] = (
    # scikit-learn's optimiser stops at a gradient of 1e-4
    Check("logistic", "binary scores", "L-BFGS-B", 1e-3, partial(_logistic, BINARY)),
    Check("logistic", "multiclass scores", "L-BFGS-B", 2e-3, partial(_logistic, MULTICLASS)),
    Check("logistic", "regression scores", "closed form", _VALUES, partial(_logistic, REGRESSION)),
    Check("boosting", "binary scores", "NumPy stumps", _SCORES, partial(_boosted_stumps, BINARY)),
    Check("boosting", "regression scores", "NumPy stumps", _SCORES, partial(_boosted_stumps, REGRESSION)),
    *(
        Check(
            learner,
            f"{kind} scores",
            reference,
            _VALUES if kind is REGRESSION else _SCORES,
            partial(error, target_type=kind),
        )
        for kind in _KINDS
        for learner, reference, error in _SOLVED
    ),
)
