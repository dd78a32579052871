"""R2-D2: ridge regression in closed form as the head of a learned embedding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from med_maml_pipeline.bilevel import Labelled
from med_maml_pipeline.learners.metric_learner import MetricLearner
from med_maml_pipeline.learners.metric_settings import MetricAdaptation
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["R2D2", "R2D2Adaptation", "ridge_weights"]


@dataclass(frozen=True)
class R2D2Adaptation(MetricAdaptation):
    """Settings of adaptation, beside those of `MetricAdaptation`.

    Attributes:
        ridge_scale: Multiplies the learned penalty.
    """

    ridge_scale: float = 1.0


class R2D2(MetricLearner[R2D2Adaptation]):
    """Solve ridge regression on the embedded support, and learn the embedding through the solution.

    Bertinetto et al. (2019): the meta-gradient passes through the closed form, with penalty ``λ`` and the
    scale ``α`` of the scores learned. Targets are one-hot for many classes, -1 and 1 for two (whose scores
    have a learned bias ``β``; with more classes it would raise all alike) and standardised values for
    regression, which has a penalty of its own and needs no scale. A constant beside the embedding is the
    intercept, penalised like the rest.
    """

    name = "r2d2"
    adaptation = R2D2Adaptation
    adapt_grid: tuple[Settings, ...] = tuple({"ridge_scale": s} for s in (1.0, 10.0, 0.1, 100.0, 3.0, 0.3))
    picture_grid: tuple[Settings, ...] = tuple(
        {"ridge_scale": s, "views": views} for s, views in ((1.0, 8), (10.0, 8), (0.1, 8), (1.0, 1))
    )

    def beside(self, width: int, facts: Mapping[str, Any], seed: int) -> dict[str, Tensor]:
        """Penalties, scale and bias."""
        penalty = torch.tensor(float(width)).log()
        return {
            "metric.log_ridge": penalty.clone(),
            "metric.log_value_ridge": penalty.clone(),
            "metric.log_scale": torch.tensor(2.0).log(),
            "metric.bias": torch.tensor(0.0),
        }

    def compare(
        self,
        learned: Mapping[str, Tensor],
        support: Labelled,
        asked: Tensor,
        target_type: TargetType,
        n_classes: int,
        options: R2D2Adaptation,
    ) -> Tensor:
        """Predictions of ridge regression, scaled to logits."""
        numeric = target_type is TargetType.REGRESSION
        penalty = learned["metric.log_value_ridge" if numeric else "metric.log_ridge"].exp()
        targets = _targets(support, target_type, n_classes)
        weights = ridge_weights(
            _with_constant(support.x), targets, support.weight, penalty * options.ridge_scale
        )
        outputs = _with_constant(asked) @ weights
        if numeric:
            return outputs
        outputs = outputs * learned["metric.log_scale"].exp()
        if target_type is TargetType.MULTICLASS:
            return outputs
        half = (outputs + learned["metric.bias"]) / 2
        return torch.cat([-half, half], dim=-1)


def ridge_weights(rows: Tensor, targets: Tensor, weight: Tensor, penalty: Tensor) -> Tensor:
    """Minimisers ``[t, d, k]`` of ``Σᵢ ωᵢ ‖xᵢᵀ w - yᵢ‖² + λ ‖w‖²`` with weights ``ω`` of mean 1.

    Solved in the space of examples where they are fewer than the columns (Woodbury), in double precision:
    the penalty may be small. Padding, of weight zero, is a row of zeros and changes nothing.

    Args:
        rows: ``[t, s, d]``.
        targets: ``[t, s, k]``.
        weight: ``[t, s]`` that adds up to 1 per task.
        penalty: ``λ``, a positive number.
    """
    root = (weight * (weight > 0).sum(1, keepdim=True)).double().sqrt().unsqueeze(-1)
    x, y, ridge = root * rows.double(), root * targets.double(), penalty.double()
    few = x.shape[1] < x.shape[2]
    gram = x @ x.transpose(1, 2) if few else x.transpose(1, 2) @ x
    eye = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    factor = torch.linalg.cholesky(gram + ridge * eye)
    if few:
        solved = x.transpose(1, 2) @ torch.cholesky_solve(y, factor)
    else:
        solved = torch.cholesky_solve(x.transpose(1, 2) @ y, factor)
    return solved.to(rows)


def _targets(support: Labelled, target_type: TargetType, n_classes: int) -> Tensor:
    """What the ridge fits, ``[t, s, k]``."""
    if target_type is TargetType.REGRESSION:
        return support.y.unsqueeze(-1)
    if target_type is TargetType.MULTICLASS:
        return F.one_hot(support.y, n_classes).to(support.x)
    return 2.0 * support.y.unsqueeze(-1).to(support.x) - 1.0


def _with_constant(rows: Tensor) -> Tensor:
    return F.pad(rows, (0, 1), value=1.0)
