"""Kernel ridge regression with the Gaussian kernel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from med_maml_pipeline.learners.classical import ClassicalLearner, Fitted
from med_maml_pipeline.learners.kernels import centred_kernel_ridge, gaussian, median_distance
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["GaussianKernelRidge"]


class GaussianKernelRidge(ClassicalLearner):
    """Least squares in the space of a Gaussian kernel (Saunders, Gammerman and Vovk, ICML 1998).

    Classes are coded one against the rest as ±1, and the fitted margins, which estimate ``2p - 1``, serve as
    logits. The kernel's width follows the distances within the support, so that one setting serves inputs of
    any number and scale.

    Settings:
        ridge: λ, in units of the kernel's diagonal (1).
        width: Of the kernel, in units of the median distance within the support.
        whiten: Whiten the hand-crafted features of pictures.
    """

    name = "kernel_ridge"
    adapt_grid: tuple[Settings, ...] = tuple(
        {"ridge": ridge, "width": width}
        for ridge, width in ((1.0, 1.0), (0.3, 0.5), (0.1, 2.0), (3.0, 1.0), (0.3, 1.0), (0.01, 2.0))
    )
    picture_grid: tuple[Settings, ...] = tuple(
        {"ridge": ridge, "width": width, "whiten": whiten}
        for ridge, width, whiten in (
            (0.3, 1.0, True), (0.3, 1.0, False), (0.1, 2.0, True), (0.1, 2.0, False), (1.0, 1.0, True),
            (1.0, 0.5, False),
        )
    )  # fmt: skip

    def fit_classes(self, x: FloatArray, y: NDArray[np.int64], settings: Settings, seed: int) -> Fitted:
        """Margins of one class against the rest."""
        margins = _fit(x, np.where(y[:, None] == np.arange(y.max() + 1), 1.0, -1.0), settings)
        return lambda query: np.asarray(log_softmax(margins(query), axis=1))

    def fit_values(self, x: FloatArray, y: NDArray[np.float64], settings: Settings, seed: int) -> Fitted:
        """Values about their mean, which is 0."""
        return _fit(x, y, settings)


def _fit(x: FloatArray, y: NDArray[np.float64], settings: Settings) -> Fitted:
    width = settings["width"] * median_distance(x)
    return centred_kernel_ridge(lambda rows: gaussian(rows, x, width), x, y, settings["ridge"])
