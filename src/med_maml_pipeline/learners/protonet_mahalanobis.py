"""Prototypical networks that measure by the covariance of each class: Simple CNAPS."""

from __future__ import annotations

from torch import Tensor

from med_maml_pipeline.learners.distances import mahalanobis_distances
from med_maml_pipeline.learners.protonet import ProtoNet

__all__ = ["ProtoNetMahalanobis"]


class ProtoNetMahalanobis(ProtoNet):
    """Classify by the regularised Mahalanobis distance from each class (Simple CNAPS, Bateni et al. 2020).

    Scores are ``-τ ½ (e(x) - p_c)ᵀ Q_c⁻¹ (e(x) - p_c)`` with ``Q_c = λ_c S_c + (1 - λ_c) S + I``: the
    covariance of the class, drawn towards that of the whole support where examples are few, and towards
    spheres. Prototypes are those of `ProtoNet`; of CNAPS only the metric is here, without layers that adapt
    the embedding to a task. Regression weights the support's values by such distances, the support being a
    single class.
    """

    name = "protonet_mahalanobis"

    def distance(self, asked: Tensor, points: Tensor, seen: Tensor, members: Tensor) -> Tensor:
        """What is compared, see `Distance`: half the squared Mahalanobis distance."""
        return mahalanobis_distances(asked, points, seen, members)

    def first_temperature(self, width: int) -> float:
        """``τ`` before meta-training, as in the paper: the covariance sets the scale."""
        return 1.0
