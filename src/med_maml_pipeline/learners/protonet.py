"""Prototypical networks, with prototypes that know what is usual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from med_maml_pipeline.bilevel import Labelled
from med_maml_pipeline.learners.distances import squared_distances
from med_maml_pipeline.learners.metric_learner import MetricLearner
from med_maml_pipeline.learners.metric_settings import MetricAdaptation
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.learners.prototypes import metric_outputs, metric_parameters
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["ProtoNet", "ProtoNetAdaptation"]


@dataclass(frozen=True)
class ProtoNetAdaptation(MetricAdaptation):
    """Settings of adaptation, beside those of `MetricAdaptation`.

    Attributes:
        prior_scale: Multiplies the learned strength of the usual prototypes.
    """

    prior_scale: float = 1.0


class ProtoNet(MetricLearner[ProtoNetAdaptation]):
    """Classify by the nearest prototype in a learned embedding (Snell et al. 2017).

    Scores are ``-τ ‖e(x) - p_c‖²`` with a learned temperature. In binary tasks the prototype of a class is
    the mean of its support and of a learned usual prototype that counts as ``κ`` examples, ``κ`` learned
    too: the posterior mean under a Gaussian prior. So a task may lean on what all tasks have in common;
    with ``prior_scale`` 0 it is the original. Regression takes the mean of the support's values, weighted
    by ``softmax(-τ ‖e(x) - e(xᵢ)‖²)`` (Nadaraya 1964, Watson 1964), in the same embedding with a
    temperature of its own.
    """

    name = "protonet"
    adaptation = ProtoNetAdaptation
    picture_grid: tuple[Settings, ...] = tuple(
        {"prior_scale": scale, "views": views} for scale, views in ((1.0, 8), (0.0, 8), (1.0, 1), (10.0, 8))
    )
    adapt_grid: tuple[Settings, ...] = tuple({"prior_scale": s} for s in (1.0, 0.0, 0.3, 3.0, 10.0, 100.0))

    def distance(self, asked: Tensor, points: Tensor, seen: Tensor, members: Tensor) -> Tensor:
        """What is compared, see `Distance`: squares of Euclidean distances."""
        return squared_distances(asked, points)

    def first_temperature(self, width: int) -> float:
        """``τ`` before meta-training: a distance grows with the width of the embedding."""
        return 1.0 / width

    def beside(self, width: int, facts: Mapping[str, Any], seed: int) -> dict[str, Tensor]:
        """Temperatures, usual prototypes and their strength."""
        return metric_parameters(width, self.first_temperature(width))

    def compare(
        self,
        learned: Mapping[str, Tensor],
        support: Labelled,
        asked: Tensor,
        target_type: TargetType,
        n_classes: int,
        options: ProtoNetAdaptation,
    ) -> Tensor:
        """Minus the distances from the prototypes, or the weighted mean of values."""
        return metric_outputs(
            learned,
            support,
            asked,
            target_type,
            n_classes,
            self.distance,
            prior_scale=options.prior_scale,
        )
