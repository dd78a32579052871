"""Attentive neural processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from med_maml_pipeline.learners.metric_settings import MetricAdaptation, MetricTraining
from med_maml_pipeline.learners.one_against_rest import KINDS
from med_maml_pipeline.learners.process_learner import ProcessLearner
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.networks import AttentiveProcess

__all__ = ["AttentiveNeuralProcess", "AttentiveTraining"]


@dataclass(frozen=True)
class AttentiveTraining(MetricTraining):
    """Settings of meta-training, beside those of `MetricTraining`.

    Attributes:
        heads: Heads of every attention; ``embedding`` is a multiple of it.
        layers: Layers of self-attention over the support.
    """

    heads: int = 4
    layers: int = 1


class AttentiveNeuralProcess(ProcessLearner[MetricAdaptation]):
    """Attentive neural process (Kim et al. 2019), its deterministic path.

    The labelled rows attend to each other, and each query attends to the rows that are like it, where a
    conditional neural process takes one average for all. The order of the support plays no part. The latent
    path, which draws whole functions, is left out: a prediction here is one number per query. Classes and
    numeric targets as in `ConditionalNeuralProcess`; both sides of a class count alike in the attention.
    """

    name = "anp"
    training = AttentiveTraining
    adaptation = MetricAdaptation
    adapt_grid: tuple[Settings, ...] = ({},)
    picture_grid: tuple[Settings, ...] = ({"views": 8}, {"views": 1})

    def process(self, facts: Mapping[str, Any], width: int) -> nn.Module:
        """Encoder, self-attention, cross-attention, decoder."""
        return AttentiveProcess(width, len(KINDS), facts["embedding"], facts["heads"], facts["layers"])
