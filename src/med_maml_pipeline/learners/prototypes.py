"""Scores by distance to prototypes, in whatever space support and queries are embedded."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from med_maml_pipeline.bilevel import Labelled
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["Distance", "attention", "class_means", "memberships", "metric_outputs", "metric_parameters"]

Distance = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Of queries ``[t, q, d]`` from points ``[t, n, d]``, given the support ``[t, s, d]`` and its `memberships`
``[t, s, c]``, as ``[t, q, n]``. The points are the ``c`` prototypes, or the support as a single class."""

_UNSEEN = 1e-6  # examples that a class without support borrows from the mean of all


def metric_outputs(
    parameters: Mapping[str, Tensor],
    support: Labelled,
    asked: Tensor,
    target_type: TargetType,
    n_classes: int,
    distance: Distance,
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
        distance: Of a query from a prototype, or from an example.
        prior_scale: Multiplies the strength of the usual prototypes.
    """
    seen = support.x
    if target_type is TargetType.REGRESSION:
        real = (support.weight > 0).to(seen).unsqueeze(-1)
        distances = distance(asked, seen, seen, real) * parameters["metric.log_kernel_rate"].exp()
        return attention(-distances, support) @ support.y.unsqueeze(-1)
    members = memberships(support, n_classes)
    usual = parameters["metric.usual"] if target_type is TargetType.BINARY else None
    strength = parameters["metric.log_strength"].exp() * prior_scale
    prototypes = class_means(support, members, usual, strength)
    return -distance(asked, prototypes, seen, members) * parameters["metric.log_temperature"].exp()


def attention(closeness: Tensor, support: Labelled) -> Tensor:
    """Weights ``[t, q, s]`` of the support's examples that add up to 1; none for padding."""
    return closeness.masked_fill((support.weight == 0).unsqueeze(1), -torch.inf).softmax(-1)


def memberships(support: Labelled, n_classes: int) -> Tensor:
    """``[t, s, n_classes]``: 1 where an example belongs to a class, 0 where not and where padded."""
    real = (support.weight > 0).to(support.x)
    return F.one_hot(support.y, n_classes).to(support.x) * real.unsqueeze(-1)


def class_means(
    support: Labelled, members: Tensor, usual: Tensor | None = None, strength: Tensor | float = 0.0
) -> Tensor:
    """Prototypes ``[t, n_classes, d]``: support and usual prototype, weighted by their number of examples."""
    real = (support.weight > 0).to(support.x)
    counts = members.sum(1).unsqueeze(-1)
    centre = (support.x * real.unsqueeze(-1)).sum(1, keepdim=True) / real.sum(1)[:, None, None]
    sums, total = members.transpose(1, 2) @ support.x + _UNSEEN * centre, counts + _UNSEEN
    if usual is not None:
        sums, total = sums + strength * usual, total + strength
    return sums / total


def metric_parameters(embedding: int, temperature: float) -> dict[str, Tensor]:
    """Both temperatures as given, usual prototypes at the origin that count as one example."""
    start = torch.tensor(temperature).log()
    return {
        "metric.log_temperature": start.clone(),
        "metric.log_kernel_rate": start.clone(),
        "metric.log_strength": torch.tensor(0.0),
        "metric.usual": torch.zeros(2, embedding),
    }
