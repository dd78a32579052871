"""The prior and its correction against NumPy and scikit-learn's Gaussian process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel
from sklearn.kernel_ridge import KernelRidge

from learner_references.by_hand import N_COUNTS, Matrix, case, encoded, network, standardised
from learner_references.check import Check, relative_error
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["CHECKS"]

BINARY, REGRESSION = TargetType.BINARY, TargetType.REGRESSION
_SCORES = 2e-7  # predictions are stored in single precision
_RIDGE, _SCALE = 0.7, 0.8


def _prior(target_type: TargetType) -> float:
    made = case("prior", target_type)
    output = network(made.checkpoint, encoded(made.checkpoint, made.query.x))[:, 0]
    if target_type is BINARY:
        return relative_error(made.scores("prior", {}), np.stack([-output / 2, output / 2], axis=1))
    centre, scale = made.checkpoint.arrays["scale"].astype(np.float64)
    return relative_error(made.scores("prior", {}), output * scale + centre)


def _gaussian_process(target_type: TargetType) -> float:
    """The correction by the process's posterior mean, with its kernel fixed."""
    made = case("prior", target_type)
    x, query = (encoded(made.checkpoint, rows) for rows in (made.support.x, made.query.x))
    distances = [np.sqrt(((a - b) ** 2).sum()) for i, a in enumerate(x) for b in x[:i]]
    kernel = ConstantKernel(1.0, "fixed") + RBF(float(np.median(distances)), "fixed")

    def correction(residuals: Matrix) -> Matrix:
        process = GaussianProcessRegressor(kernel, alpha=_RIDGE, optimizer=None)
        return np.asarray(process.fit(x, residuals).predict(query))

    return _corrected(target_type, correction, "gaussian")


def _kernel_ridge(target_type: TargetType) -> float:
    """The correction by kernel ridge regression on min-over-max similarities of the counts."""
    made = case("prior", target_type)
    a, b = (rows[:, :N_COUNTS].astype(np.float64) for rows in (made.support.x, made.query.x))

    def similarity(left: Matrix, right: Matrix) -> Matrix:
        both = [[np.minimum(p, q).sum() / np.maximum(p, q).sum() for q in right] for p in left]
        return 1.0 + np.array(both)

    def correction(residuals: Matrix) -> Matrix:
        model = KernelRidge(alpha=_RIDGE, kernel="precomputed").fit(similarity(a, a), residuals)
        return np.asarray(model.predict(similarity(b, a)))

    return _corrected(target_type, correction, "tanimoto")


def _corrected(target_type: TargetType, correction: Callable[[Matrix], Matrix], kernel: str) -> float:
    made = case("prior", target_type)
    found = made.scores("prior_residual", {"ridge": _RIDGE, "prior_scale": _SCALE, "kernel": kernel})
    known, asked = (
        _SCALE * network(made.checkpoint, encoded(made.checkpoint, rows))[:, 0]
        for rows in (made.support.x, made.query.x)
    )
    if target_type is BINARY:
        probability = 1 / (1 + np.exp(-known))
        residuals = np.where(made.support.y == 1, 1.0, -1.0) - (2 * probability - 1)
        margin = 2 / (1 + np.exp(-asked)) - 1 + correction(residuals)
        return relative_error(found, np.stack([-_half_log_odds(margin), _half_log_odds(margin)], axis=1))
    z, mean, deviation = standardised(made.support.y)
    expected = asked + correction(z - known)
    return relative_error((found - mean) / deviation, expected)


def _half_log_odds(margin: Matrix) -> Matrix:
    """Half the log-odds of ``p = (1 + m) / 2`` up to a margin of .9, a straight line beyond."""
    inside = np.minimum(np.abs(margin), 0.9)
    probability = (1 + inside) / 2
    slope = 1 / (1 - 0.9**2)
    return np.sign(margin) * (np.log(probability / (1 - probability)) / 2 + (np.abs(margin) - inside) * slope)


CHECKS: tuple[Check, ...] = tuple(
    Check(learner, f"{target_type} scores", reference, gate, partial(error, target_type))
    for target_type, gate in ((BINARY, _SCORES), (REGRESSION, 1e-5))
    for learner, reference, error in (
        ("prior", "NumPy", _prior),
        ("prior_residual", "scikit-learn GaussianProcessRegressor", _gaussian_process),
        ("prior_residual", "scikit-learn KernelRidge", _kernel_ridge),
    )
)
"""Values near 100 with a deviation of 6 keep fewer digits of their standardised form in single precision."""
