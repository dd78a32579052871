"""Scores by distance to prototypes, in whatever space support and queries are embedded."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from med_maml_pipeline.bilevel import Labelled
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["metric_outputs", "metric_parameters"]

_UNSEEN = 1e-6  # examples that a class without support borrows from the mean of all


def metric_outputs(
    parameters: Mapping[str, Tensor],
    support: Labelled,
    asked: Tensor,
    target_type: TargetType,
    n_classes: int,
    *,
    prior_scale: float = 1.0,
) -> Tensor:
    """Scores of the queries: ``[t, q, n_classes]``, or values ``[t, q, 1]``.

    Args:
        parameters: Temperatures, strength and usual prototypes (``metric.…``).
        support: Embedded support sets, ``x`` is ``[t, s, d]``.
        asked: ``[t, q, d]`` embedded queries.
        target_type: Type of the target.
        n_classes: Number of classes (0 for regression).
        prior_scale: Multiplies the strength of the usual prototypes.
    """
    seen = support.x
    if target_type is TargetType.REGRESSION:
        distances = _squared_distances(asked, seen) * parameters["metric.log_kernel_rate"].exp()
        distances = distances.masked_fill((support.weight == 0).unsqueeze(1), torch.inf)
        return (-distances).softmax(-1) @ support.y.unsqueeze(-1)
    usual = parameters["metric.usual"] if target_type is TargetType.BINARY else None
    strength = parameters["metric.log_strength"].exp() * prior_scale
    prototypes = _prototypes(support, seen, n_classes, usual, strength)
    return -_squared_distances(asked, prototypes) * parameters["metric.log_temperature"].exp()


def _prototypes(
    support: Labelled, seen: Tensor, n_classes: int, usual: Tensor | None, strength: Tensor
) -> Tensor:
    """Prototypes ``[t, n_classes, d]``: support and usual prototype, weighted by their number of examples."""
    real = (support.weight > 0).to(seen)
    members = F.one_hot(support.y, n_classes).to(seen) * real.unsqueeze(-1)
    counts = members.sum(1).unsqueeze(-1)
    centre = (seen * real.unsqueeze(-1)).sum(1, keepdim=True) / real.sum(1)[:, None, None]
    sums, total = members.transpose(1, 2) @ seen + _UNSEEN * centre, counts + _UNSEEN
    if usual is not None:
        sums, total = sums + strength * usual, total + strength
    return sums / total


def _squared_distances(left: Tensor, right: Tensor) -> Tensor:
    """``[t, q, d]`` and ``[t, n, d]`` to ``[t, q, n]``; differences first, so that near ties stay exact."""
    return (left.unsqueeze(2) - right.unsqueeze(1)).square().sum(-1)


def metric_parameters(embedding: int) -> dict[str, Tensor]:
    """Temperatures of one over the width, usual prototypes at the origin that count as one example."""
    start = torch.tensor(1.0 / embedding).log()
    return {
        "metric.log_temperature": start.clone(),
        "metric.log_kernel_rate": start.clone(),
        "metric.log_strength": torch.tensor(0.0),
        "metric.usual": torch.zeros(2, embedding),
    }
