"""Transfer: a cosine classifier trained on pre-trained features."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from torch import Tensor
from torch.nn import functional as F

from med_maml_pipeline.learners.classical import Fitted
from med_maml_pipeline.learners.linear import LogisticRidge
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.learners.transfer import Pretrained
from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["CosineHead"]

_MOMENTUM = 0.9
_SCALE = 10.0


class CosineHead(Pretrained, LogisticRidge):
    """Baseline++: classes scored by cosines with learned directions (Chen et al., ICLR 2019).

    The length of a feature vector plays no part, which keeps the spread within classes small. The directions
    start at the class means (Qi, Brown and Lowe, CVPR 2018) and descend, with a common scale, on the log-loss
    of the support. A cosine cannot give values: numeric targets are ridge regression, as the linear probe's.

    Settings:
        adapt_steps: Gradient steps; 0 leaves the means.
        learning_rate: Of the steps.
        penalty: Of the ridge regression.
        inputs: See `learned_features`.
    """

    name = "baseline_pp"
    lane = "transfer"
    adapt_grid: tuple[Settings, ...] = tuple(
        {"adapt_steps": steps, "learning_rate": rate, "penalty": penalty, "inputs": inputs}
        for steps, rate, penalty, inputs in (
            (5, 0.03, 10.0, "learned"), (0, 0.03, 100.0, "learned"), (20, 0.03, 1.0, "learned"),
            (100, 0.03, 1000.0, "learned"), (5, 0.03, 100.0, "whitened"), (0, 0.03, 10.0, "whitened"),
        )
    )  # fmt: skip
    picture_grid: tuple[Settings, ...] = tuple(
        {"adapt_steps": steps, "learning_rate": 0.03, "penalty": penalty, "inputs": inputs}
        for steps, penalty, inputs in (
            (20, 30.0, "whitened"), (20, 100.0, "joined"), (100, 30.0, "learned"), (100, 100.0, "whitened"),
            (0, 1000.0, "joined"), (20, 300.0, "learned"),
        )
    )  # fmt: skip

    def fit_classes(self, x: FloatArray, y: NDArray[np.int64], settings: Settings, seed: int) -> Fitted:
        """Trains the directions and the scale."""
        rows = F.normalize(torch.from_numpy(x.astype(np.float64)), dim=1)
        labels = torch.from_numpy(y)
        means = torch.stack([rows[labels == c].mean(dim=0) for c in range(int(y.max()) + 1)])
        directions, log_scale = (
            value.requires_grad_() for value in (means, torch.tensor(_SCALE, dtype=torch.float64).log())
        )
        descent = torch.optim.SGD([directions, log_scale], settings["learning_rate"], momentum=_MOMENTUM)
        for _ in range(settings["adapt_steps"]):
            descent.zero_grad()
            F.cross_entropy(_logits(rows, directions, log_scale), labels).backward()
            descent.step()

        def log_probabilities(query: FloatArray) -> NDArray[np.float64]:
            with torch.no_grad():
                asked = F.normalize(torch.from_numpy(query.astype(np.float64)), dim=1)
                return np.asarray(log_softmax(_logits(asked, directions, log_scale).numpy(), axis=1))

        return log_probabilities


def _logits(rows: Tensor, directions: Tensor, log_scale: Tensor) -> Tensor:
    return log_scale.exp() * rows @ F.normalize(directions, dim=1).T
