"""Kernel ridge regression with the Tanimoto kernel of count fingerprints."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from med_maml_pipeline.learners.kernels import centred_kernel_ridge
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.protocol import Checkpoint, Predictor, Settings
from med_maml_pipeline.learners.scores import TargetScale
from med_maml_pipeline.tasks.types import FeatureKind, FloatArray, Problem, Support, TargetType

__all__ = ["TanimotoKernelRidge", "tanimoto"]

Matrix = NDArray[np.float64]


def tanimoto(a: FloatArray, b: FloatArray) -> Matrix:
    """Count Tanimoto (min-max) similarity ``Σ min / Σ max`` (Ralaivola et al., Neural Networks 2005).

    Args:
        a: ``[n, f]`` non-negative counts.
        b: ``[m, f]`` non-negative counts.

    Returns:
        ``[n, m]`` in 0..1, 1 for two rows without any count. Positive semi-definite for ``a = b``.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    # Σmax + Σmin = Σa + Σb and Σmax - Σmin = Σ|a - b|, which scipy sums pair by pair.
    both = a.sum(axis=1)[:, None] + b.sum(axis=1)[None, :]
    apart = cdist(a, b, metric="cityblock")
    return np.where(both > 0, (both - apart) / np.where(both > 0, both + apart, 1.0), 1.0)


class TanimotoKernelRidge:
    """A Gaussian process's mean with the chemists' own similarity: a strong baseline on few molecules.

    Solves ``(K + λI) α = Y - mean(Y)`` on the raw counts; descriptors are not used. Classes are coded one
    against the rest as ±1. The fitted margins ``m_c`` estimate ``2p_c - 1`` and serve as logits: for two
    classes softmax gives ``σ(2m) = 1/2 + m/2 + O(m³)``.

    Settings:
        ridge: λ, in units of the kernel's diagonal (1).
    """

    name = "tanimoto_krr"
    lane = "classical"
    scales_inputs = False
    meta_grid: tuple[Settings, ...] = ({},)
    adapt_grid: tuple[Settings, ...] = ({"ridge": 0.3}, {"ridge": 0.1}, {"ridge": 1.0}, {"ridge": 3.0})

    def supports(self, problem: Problem) -> bool:
        """Only where every table has count columns."""
        return all(FeatureKind.COUNT in table.kinds for table in problem.tables.values())

    def meta_fit(self, problem: Problem, settings: Settings, seed: int, monitor: Monitor) -> Checkpoint:
        """Nothing to learn: the kernel reads raw counts."""
        monitor.progress(1, 1, {})
        return Checkpoint(learner=self.name)

    def adapt(self, checkpoint: Checkpoint, support: Support, settings: Settings, seed: int) -> Predictor:
        """Solves the kernel system of the support."""
        ridge = {**self.adapt_grid[0], **settings}["ridge"]
        columns = np.array([kind is FeatureKind.COUNT for kind in support.kinds])
        if support.target_type is TargetType.REGRESSION:
            scale = TargetScale.fit(support.y)
            values = _solve(support.x, columns, scale.standardise(support.y)[:, None], ridge)
            return lambda x: scale.restore(values(x)[:, 0])
        codes = np.where(support.y[:, None] == np.arange(support.n_classes), 1.0, -1.0)
        margins = _solve(support.x, columns, codes, ridge)
        return lambda x: margins(x).astype(np.float32)


def _solve(
    x: FloatArray, columns: NDArray[np.bool_], y: Matrix, ridge: float
) -> Callable[[FloatArray], Matrix]:
    """Raw query ``[q, f]`` to fitted ``[q, t]``; missing counts are zero."""
    known = np.nan_to_num(x[:, columns])
    return centred_kernel_ridge(lambda rows: tanimoto(np.nan_to_num(rows[:, columns]), known), x, y, ridge)
