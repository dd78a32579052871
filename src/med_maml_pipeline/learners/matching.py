"""Matching networks: attention to the support's examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from med_maml_pipeline.bilevel import Labelled
from med_maml_pipeline.learners.distances import closeness_by_cosine
from med_maml_pipeline.learners.metric_learner import MetricLearner
from med_maml_pipeline.learners.metric_settings import MetricAdaptation
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.learners.prototypes import attention, memberships
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["Matching", "MatchingAdaptation"]


@dataclass(frozen=True)
class MatchingAdaptation(MetricAdaptation):
    """Settings of adaptation, beside those of `MetricAdaptation`.

    Attributes:
        sharpness: Multiplies the learned temperature: large values look at the nearest examples only.
    """

    sharpness: float = 1.0


class Matching(MetricLearner[MatchingAdaptation]):
    """Each example of the support votes for its label, by likeness (Vinyals et al. 2016).

    Votes are ``softmax(τ cos(e(x), e(xᵢ)))`` over the support; a class's probability is the sum of its votes,
    a number the mean of the support's values. ``τ`` is learned (the paper has none) and starts at 10. One
    embedding serves support and query; the paper's full context embeddings, which read the support as a
    sequence in an order, are left out.
    """

    name = "matching"
    adaptation = MatchingAdaptation
    adapt_grid: tuple[Settings, ...] = tuple({"sharpness": s} for s in (1.0, 0.5, 2.0, 0.25, 4.0))
    picture_grid: tuple[Settings, ...] = tuple(
        {"sharpness": s, "views": views} for s, views in ((1.0, 8), (0.5, 8), (2.0, 8), (1.0, 1))
    )

    def beside(self, width: int, facts: Mapping[str, Any], seed: int) -> dict[str, Tensor]:
        """Temperatures of classes and of values."""
        start = torch.tensor(10.0).log()
        return {"metric.log_temperature": start.clone(), "metric.log_kernel_rate": start.clone()}

    def compare(
        self,
        learned: Mapping[str, Tensor],
        support: Labelled,
        asked: Tensor,
        target_type: TargetType,
        n_classes: int,
        options: MatchingAdaptation,
    ) -> Tensor:
        """Logarithms of the votes, or the mean of values weighted by them."""
        numeric = target_type is TargetType.REGRESSION
        temperature = learned["metric.log_kernel_rate" if numeric else "metric.log_temperature"].exp()
        closeness = closeness_by_cosine(asked, support.x) * temperature * options.sharpness
        votes = attention(closeness, support)
        if numeric:
            return votes @ support.y.unsqueeze(-1)
        return _log_votes(votes, memberships(support, n_classes))


def _log_votes(votes: Tensor, members: Tensor) -> Tensor:
    """Log-probabilities ``[t, q, c]`` of classes; one that the support lacks gets the vote of one example."""
    counts = members.sum(1)
    absent = (counts == 0).to(votes)
    present = counts.sum(1, keepdim=True)
    total = present + absent.sum(1, keepdim=True)
    shares = (present.unsqueeze(1) * (votes @ members) + absent.unsqueeze(1)) / total.unsqueeze(1)
    return shares.clamp(min=torch.finfo(votes.dtype).tiny).log()
