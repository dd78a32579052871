"""What the classical lane shares: learn from the support alone, on the same inputs as everyone else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.learners.inputs import EncodedSupport, encode_support, fit_inputs, fitted_encoder
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.protocol import Checkpoint, Predictor, Settings, grids
from med_maml_pipeline.learners.scores import TargetScale, constant_logits, spread
from med_maml_pipeline.learners.whitening import fit_whitening, whitened
from med_maml_pipeline.tasks.types import FloatArray, Problem, Support, TargetType

__all__ = ["ClassicalLearner", "Fitted"]

Fitted = Callable[[FloatArray], NDArray[np.float64]]
"""Encoded ``[q, width]`` to log-probabilities ``[q, c]`` of the classes present, or values ``[q]``."""


class ClassicalLearner(ABC):
    """A method that sees one task at a time: whatever it knows of a task, the support told it.

    Meta-training only fits the encoder on the rows (never the labels) of the meta-training tasks where inputs
    are shared; elsewhere each support fits its own. Classes keep the support's frequencies. A support with a
    single class, or with a constant target, gives a constant predictor. Of pictures, the method sees the
    hand-crafted features, whitened by the meta-training tasks where the setting ``whiten`` says so.
    """

    name: str
    lane = "classical"
    meta_grid: tuple[Settings, ...] = ({},)
    adapt_grid: tuple[Settings, ...]

    def supports(self, problem: Problem) -> bool:
        """Defined for every problem."""
        return True

    def meta_fit(self, problem: Problem, settings: Settings, seed: int, monitor: Monitor) -> Checkpoint:
        """Fits the encoder of the inputs; see `fit_inputs`."""
        scaling = settings.get("scaling", "robust")
        arrays = fit_inputs(problem, seed=seed, scaling=scaling)
        monitor.progress(1, 1, {})
        if any(tried.get("whiten") for tried in grids(self, problem)[1]):
            arrays |= _whitening(problem, arrays, seed)
        return Checkpoint(learner=self.name, arrays=arrays, facts={"scaling": scaling})

    def adapt(self, checkpoint: Checkpoint, support: Support, settings: Settings, seed: int) -> Predictor:
        """Fits the method on the support. Settings that are not given take the grid's first."""
        chosen = {**self.adapt_grid[0], **settings}
        inputs = self.encode(checkpoint, support, chosen)
        if support.target_type is TargetType.REGRESSION:
            scale = TargetScale.fit(support.y)
            values = self.fit_values(inputs.x, scale.standardise(support.y), chosen, seed)
            return lambda x: scale.restore(values(inputs.transform(x)))
        labels = support.y.astype(np.int64)
        present, codes = np.unique(labels, return_inverse=True)
        size, n_classes = len(labels), support.n_classes
        if len(present) == 1:
            return lambda x: constant_logits(len(x), int(present[0]), n_classes, size)
        classes = self.fit_classes(inputs.x, codes, chosen, seed)
        return lambda x: spread(classes(inputs.transform(x)), present, n_classes, size)

    def encode(self, checkpoint: Checkpoint, support: Support, settings: Settings) -> EncodedSupport:
        """What the method sees of the rows; learners on learned features see those."""
        encoded = encode_support(checkpoint, support)
        if not settings.get("whiten", False):
            return encoded

        def white(x: FloatArray) -> FloatArray:
            return whitened(checkpoint.arrays, encoded.transform(x))

        return EncodedSupport(white(support.x), white)

    @abstractmethod
    def fit_classes(self, x: FloatArray, y: NDArray[np.int64], settings: Settings, seed: int) -> Fitted:
        """Fits a classifier on encoded ``x`` ``[n, width]`` and codes ``y`` ``[n]`` (``0..c-1``)."""

    @abstractmethod
    def fit_values(self, x: FloatArray, y: NDArray[np.float64], settings: Settings, seed: int) -> Fitted:
        """Fits a regressor on encoded ``x`` ``[n, width]`` and standardised ``y`` ``[n]``."""


def _whitening(
    problem: Problem, arrays: Mapping[str, NDArray[np.generic]], seed: int
) -> Mapping[str, NDArray[np.generic]]:
    """Whitening of the hand-crafted features of pictures; empty where there are none."""
    if not arrays:
        return {}
    encoder = fitted_encoder(arrays)
    return fit_whitening(problem, lambda key, rows: encoder.transform(problem.tables[key].x[rows]), seed=seed)
