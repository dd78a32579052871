"""What the metric-based learners compute, by SciPy, scikit-learn and NumPy, one task at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import softmax
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestCentroid

from learner_references.by_hand import Matrix
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["REFERENCES", "Reference"]

BINARY, MULTICLASS, REGRESSION = TargetType.BINARY, TargetType.MULTICLASS, TargetType.REGRESSION
Held = Mapping[str, Matrix]
Reference = Callable[[Held, Matrix, Matrix, Matrix, TargetType], Matrix]
"""Numbers beside the embedding, embedded support, labels, embedded queries: outputs of the head."""


def _prototypes(held: Held, x: Matrix, y: Matrix, kind: TargetType) -> Matrix:
    """scikit-learn's centroids, drawn towards the mean of all (by 1e-6 examples) and the usual ones."""
    counts = np.bincount(y.astype(int))[:, None]
    sums, total = (
        counts * np.asarray(NearestCentroid().fit(x, y).centroids_) + 1e-6 * x.mean(0),
        counts + 1e-6,
    )
    if kind is BINARY and "usual" in held:
        strength = np.exp(held["log_strength"])
        sums, total = sums + strength * held["usual"], total + strength
    return np.asarray(sums / total)


def _by_distance(metric: str, held: Held, x: Matrix, y: Matrix, asked: Matrix, kind: TargetType) -> Matrix:
    if kind is REGRESSION:
        closeness = -np.exp(held["log_kernel_rate"]) * cdist(asked, x, metric)
        return softmax(closeness, axis=1) @ y[:, None]
    return -np.exp(held["log_temperature"]) * cdist(asked, _prototypes(held, x, y, kind), metric)


def _by_mahalanobis(held: Held, x: Matrix, y: Matrix, asked: Matrix, kind: TargetType) -> Matrix:
    whole, eye = np.cov(x.T), np.eye(x.shape[1])

    def distances(points: Matrix, covariance: Matrix) -> Matrix:
        inverse = np.linalg.inv(covariance)
        return 0.5 * cdist(asked, points, "mahalanobis", VI=inverse) ** 2

    if kind is REGRESSION:
        weights = softmax(-np.exp(held["log_kernel_rate"]) * distances(x, whole + eye), axis=1)
        return weights @ y[:, None]
    columns = []
    for label, prototype in enumerate(_prototypes(held, x, y, kind)):
        own = x[y == label]
        share = len(own) / (len(own) + 1)
        within = np.cov(own.T) if len(own) > 1 else np.zeros_like(eye)
        columns.append(distances(prototype[None], share * within + (1 - share) * whole + eye)[:, 0])
    return -np.exp(held["log_temperature"]) * np.stack(columns, axis=1)


def _matching(held: Held, x: Matrix, y: Matrix, asked: Matrix, kind: TargetType) -> Matrix:
    """All of the support as neighbours, by scikit-learn."""
    name = "log_kernel_rate" if kind is REGRESSION else "log_temperature"
    options = {
        "n_neighbors": len(x),
        "metric": "cosine",
        "weights": lambda distances: np.exp(-np.exp(held[name]) * distances),
    }
    if kind is REGRESSION:
        return np.asarray(KNeighborsRegressor(**options).fit(x, y).predict(asked))[:, None]
    return np.log(KNeighborsClassifier(**options).fit(x, y.astype(int)).predict_proba(asked))


def _relation(held: Held, x: Matrix, y: Matrix, asked: Matrix, kind: TargetType) -> Matrix:
    """The module on every pair, side by side."""
    points = x if kind is REGRESSION else _prototypes(held, x, y, kind)
    first = np.hstack([held[f"of_{part}"] for part in ("class", "query", "product")])
    pairs = np.array([[np.concatenate([point, query, point * query]) for point in points] for query in asked])
    hidden = pairs @ first.T + held["bias"]
    scores = (hidden / (1 + np.exp(-hidden))) @ held["score"][0]
    return softmax(scores, axis=1) @ y[:, None] if kind is REGRESSION else scores


def _r2d2(kernel: bool, held: Held, x: Matrix, y: Matrix, asked: Matrix, kind: TargetType) -> Matrix:
    penalty = float(np.exp(held["log_value_ridge" if kind is REGRESSION else "log_ridge"]))
    ridge = KernelRidge(alpha=penalty) if kernel else Ridge(penalty, fit_intercept=False, solver="cholesky")
    rows, queries = (np.hstack([z, np.ones((len(z), 1))]) for z in (x, asked))
    targets = {BINARY: 2 * y - 1, MULTICLASS: np.eye(3)[y.astype(int)], REGRESSION: y}[kind]
    outputs = np.asarray(ridge.fit(rows, targets).predict(queries)).reshape(len(asked), -1)
    if kind is REGRESSION:
        return outputs
    outputs = outputs * np.exp(held["log_scale"])
    return outputs if kind is MULTICLASS else (outputs + held["bias"]) * np.array([-0.5, 0.5])


REFERENCES: dict[str, tuple[tuple[str, Reference], ...]] = {
    "protonet": (("SciPy, scikit-learn", partial(_by_distance, "sqeuclidean")),),
    "protonet_cosine": (("SciPy, scikit-learn", partial(_by_distance, "cosine")),),
    "protonet_mahalanobis": (("SciPy, scikit-learn", _by_mahalanobis),),
    "matching": (("scikit-learn neighbours", _matching),),
    "relation": (("NumPy", _relation),),
    "r2d2": (
        ("scikit-learn Ridge", partial(_r2d2, False)),
        ("scikit-learn KernelRidge", partial(_r2d2, True)),
    ),
}
