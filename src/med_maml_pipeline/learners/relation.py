"""Relation networks: a learned module says how far a query belongs to a class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from med_maml_pipeline.bilevel import Labelled
from med_maml_pipeline.learners.metric_learner import MetricLearner
from med_maml_pipeline.learners.metric_settings import MetricAdaptation, MetricTraining
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.learners.prototypes import attention, class_means, memberships
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["Relation", "RelationTraining"]


@dataclass(frozen=True)
class RelationTraining(MetricTraining):
    """Settings of meta-training, beside those of `MetricTraining`.

    Attributes:
        relation: Width of the hidden layer of the relation module.
    """

    relation: int = 64


class Relation(MetricLearner[MetricAdaptation]):
    """Score pairs of class and query by a learned module (Sung et al. 2018).

    The module is a perceptron on the class's mean embedding, the query's and their product: the paper has no
    product, which spares the module learning one, and adds embeddings up, where a mean does not grow with the
    support. Its output is a logit under cross-entropy, where the paper fits a sigmoid to 0 and 1 by least
    squares; it starts at zero, so all classes score alike. For numbers the module pairs the query with each
    example, and the mean of the support's values is weighted by the softmax.
    """

    name = "relation"
    training = RelationTraining
    adaptation = MetricAdaptation
    adapt_grid: tuple[Settings, ...] = ({},)
    picture_grid: tuple[Settings, ...] = ({"views": 8}, {"views": 1})

    def beside(self, width: int, facts: Mapping[str, Any], seed: int) -> dict[str, Tensor]:
        """The relation module; its hidden layer is divided by what it reads: class, query, product."""
        hidden = int(facts["relation"])
        generator = torch.Generator().manual_seed(seed + 1)  # the embedding draws from the seed itself
        drawn = torch.randn(3, hidden, width, generator=generator, dtype=torch.float64)
        first = (drawn / math.sqrt(width)).float()
        return {
            "metric.of_class": first[0].clone(),
            "metric.of_query": first[1].clone(),
            "metric.of_product": first[2].clone(),
            "metric.bias": torch.zeros(hidden),
            "metric.score": torch.zeros(1, hidden),
        }

    def compare(
        self,
        learned: Mapping[str, Tensor],
        support: Labelled,
        asked: Tensor,
        target_type: TargetType,
        n_classes: int,
        options: MetricAdaptation,
    ) -> Tensor:
        """Relation of each query to each class, or the mean of values weighted by relation."""
        if target_type is TargetType.REGRESSION:
            return attention(_relation(learned, support.x, asked), support) @ support.y.unsqueeze(-1)
        return _relation(learned, class_means(support, memberships(support, n_classes)), asked)


def _relation(learned: Mapping[str, Tensor], points: Tensor, asked: Tensor) -> Tensor:
    """Scores ``[t, q, n]`` of queries ``[t, q, d]`` with points ``[t, n, d]``.

    A linear layer on embeddings side by side is a sum of linear layers, so these are not copied per pair.
    """
    of_points = F.linear(points, learned["metric.of_class"], learned["metric.bias"])
    of_asked = F.linear(asked, learned["metric.of_query"])
    products = asked.unsqueeze(2) * points.unsqueeze(1)
    of_products = F.linear(products, learned["metric.of_product"])
    hidden = F.silu(of_asked.unsqueeze(2) + of_points.unsqueeze(1) + of_products)
    return F.linear(hidden, learned["metric.score"]).squeeze(-1)
