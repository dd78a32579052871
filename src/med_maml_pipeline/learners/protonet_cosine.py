"""Prototypical networks that compare directions."""

from __future__ import annotations

from torch import Tensor

from med_maml_pipeline.learners.distances import closeness_by_cosine
from med_maml_pipeline.learners.protonet import ProtoNet

__all__ = ["ProtoNetCosine"]


class ProtoNetCosine(ProtoNet):
    """Classify by the prototype in the most similar direction (Snell et al. 2017; Gidaris & Komodakis 2018).

    Scores are ``-τ (1 - cos(e(x), p_c))``, where prototypes are those of `ProtoNet` and ``τ`` starts at 10:
    cosines are bounded, so a temperature of 1 could not make a sure prediction. The length of an embedding
    has no say. Regression weights the support's values by ``softmax(τ cos(e(x), e(xᵢ)))``.
    """

    name = "protonet_cosine"

    def distance(self, asked: Tensor, points: Tensor, seen: Tensor, members: Tensor) -> Tensor:
        """What is compared, see `Distance`: one minus the cosine."""
        return 1.0 - closeness_by_cosine(asked, points)

    def first_temperature(self, width: int) -> float:
        """``τ`` before meta-training: a cosine does not grow with the width of the embedding."""
        return 10.0
