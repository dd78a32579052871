"""The zero-shot prior, corrected by a Gaussian process on what it gets wrong on the support."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.learners.inputs import encode_support
from med_maml_pipeline.learners.kernels import Kernel, gaussian, kernel_ridge, median_distance
from med_maml_pipeline.learners.prior import ZeroShotPrior
from med_maml_pipeline.learners.protocol import Checkpoint, Predictor, Settings
from med_maml_pipeline.learners.scores import TargetScale
from med_maml_pipeline.learners.settings import read_settings
from med_maml_pipeline.learners.tanimoto import tanimoto
from med_maml_pipeline.tasks.types import FeatureKind, FloatArray, Support, TargetType

__all__ = ["PriorResidual", "ResidualAdaptation"]

_SURE = 0.9  # margin of a probability of .95

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class ResidualAdaptation:
    """Settings of the correction.

    Attributes:
        ridge: Variance of the noise, in units of the kernel's diagonal; a large one leaves the prior alone.
        prior_scale: Factor of the prior's outputs, before the residuals are taken; 0 forgets the prior.
        kernel: ``tanimoto`` of the counts where there are any, or ``gaussian`` of the encoded inputs.
    """

    ridge: float = 3.0
    prior_scale: float = 1.0
    kernel: Literal["tanimoto", "gaussian"] = "tanimoto"


class PriorResidual(ZeroShotPrior):
    """The prior as the mean of a Gaussian process (Rasmussen and Williams 2006, chapter 2.7).

    The process, of a kernel and a constant, is fitted to what the prior leaves of the support's labels:
    ``±1 - tanh(o/2)`` for log-odds ``o``, where ``tanh(o/2) = 2p - 1``, or standardised values less the
    prior's. Its mean corrects the prior's margin of every query, which then becomes log-odds again, so that
    few labels can overrule a prior that is sure of itself. With a large ridge nothing is corrected, with
    ``prior_scale`` 0 it is kernel ridge regression.
    """

    name = "prior_residual"
    lane = "transfer"
    adapt_grid: tuple[Settings, ...] = tuple(
        {"ridge": ridge, "prior_scale": scale, "kernel": kernel}
        for ridge, scale, kernel in (
            (10.0, 1.0, "gaussian"), (3.0, 1.0, "tanimoto"), (1e4, 1.0, "tanimoto"), (1.0, 0.5, "tanimoto"),
            (3.0, 1.0, "gaussian"), (10.0, 1.0, "tanimoto"), (1.0, 1.0, "tanimoto"), (1.0, 0.5, "gaussian"),
            (0.3, 0.25, "gaussian"), (0.3, 0.0, "tanimoto"),
        )
    )  # fmt: skip

    def adapt(self, checkpoint: Checkpoint, support: Support, settings: Settings, seed: int) -> Predictor:
        """Fits the correction on the support's residuals."""
        options = read_settings(ResidualAdaptation, settings, self.name)
        outputs = self.outputs(checkpoint, support)
        kernel = _kernel(checkpoint, support, options.kernel)

        def prior(x: FloatArray) -> Matrix:
            return options.prior_scale * outputs(x)

        if support.target_type is TargetType.REGRESSION:
            scale = TargetScale.fit(support.y)
            residuals = scale.standardise(support.y) - prior(support.x)
            correct = kernel_ridge(kernel, support.x, residuals, options.ridge)
            return lambda x: scale.restore(prior(x) + correct(x))
        residuals = 2.0 * support.y.astype(np.float64) - 1.0 - np.tanh(prior(support.x) / 2)
        correct = kernel_ridge(kernel, support.x, residuals, options.ridge)

        def predict(x: FloatArray) -> FloatArray:
            half = _log_odds(np.tanh(prior(x) / 2) + correct(x)) / 2
            return np.stack([-half, half], axis=1).astype(np.float32)

        return predict


def _log_odds(margin: Matrix) -> Matrix:
    """``2 artanh(m)``, the inverse of ``tanh(o/2)``, continued beyond ``±_SURE`` along its tangent.

    A sum of margins may pass ±1; cut there, queries would tie.
    """
    inside = np.clip(margin, -_SURE, _SURE)
    return 2 * np.arctanh(inside) + (margin - inside) * 2 / (1 - _SURE**2)


def _kernel(checkpoint: Checkpoint, support: Support, name: str) -> Kernel:
    """One, for a constant, and the similarity with the support's rows, between 0 and 1."""
    counts = np.array([kind is FeatureKind.COUNT for kind in support.kinds])
    if name == "tanimoto" and counts.any():
        known = np.nan_to_num(support.x[:, counts])
        return lambda x: 1.0 + tanimoto(np.nan_to_num(x[:, counts]), known)
    encoded = encode_support(checkpoint, support)
    width = median_distance(encoded.x)
    return lambda x: 1.0 + gaussian(encoded.transform(x), encoded.x, width)
