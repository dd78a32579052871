"""Conditional neural processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from med_maml_pipeline.learners.metric_settings import MetricAdaptation
from med_maml_pipeline.learners.one_against_rest import KINDS
from med_maml_pipeline.learners.process_learner import ProcessLearner
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.networks import ConditionalProcess

__all__ = ["ConditionalNeuralProcess"]


class ConditionalNeuralProcess(ProcessLearner[MetricAdaptation]):
    """Conditional neural process (Garnelo et al. 2018).

    Each labelled row is encoded, the codes are averaged, and a decoder answers a query given that average:
    adaptation is one pass over the support, whose order plays no part. Classes are scored each against the
    rest, with both sides averaged for themselves (see `one_value_supports`). Of the Gaussian that answers a
    numeric target only the mean is kept, and trained by Huber's loss in place of the likelihood.
    """

    name = "cnp"
    adaptation = MetricAdaptation
    adapt_grid: tuple[Settings, ...] = ({},)
    picture_grid: tuple[Settings, ...] = ({"views": 8}, {"views": 1})

    def process(self, facts: Mapping[str, Any], width: int) -> nn.Module:
        """Encoder, mean, decoder."""
        return ConditionalProcess(width, len(KINDS), facts["embedding"])
