"""From a checkpoint's parameters and a support set to a predictor, by gradient descent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from med_maml_pipeline.bilevel import InnerLoop, Labelled, Parameters, RatesByStep, TaskLoss, adapt
from med_maml_pipeline.learners.architecture import network_of, precision_of
from med_maml_pipeline.learners.episode_batches import labelled_support, loss_of
from med_maml_pipeline.learners.evaluation import evaluate
from med_maml_pipeline.learners.inputs import EncodedSupport
from med_maml_pipeline.learners.protocol import Predictor
from med_maml_pipeline.learners.scores import TargetScale
from med_maml_pipeline.networks import Network
from med_maml_pipeline.tasks.types import FloatArray, Support, TargetType

__all__ = ["Descent", "predictor_by_gradient", "scored"]

Descent = Callable[[Network, Mapping[str, Tensor], Labelled, TaskLoss, RatesByStep, InnerLoop], Parameters]
"""From a start to the parameters of one task, as `med_maml_pipeline.bilevel.adapt`."""


def predictor_by_gradient(
    facts: Mapping[str, Any],
    parameters: Mapping[str, Tensor],
    support: Support,
    encoded: EncodedSupport,
    rates: RatesByStep,
    loop: InnerLoop,
    *,
    views: int = 1,
    descent: Descent = adapt,
) -> Predictor:
    """Adapts ``parameters`` (trunk and head) and returns the predictor.

    Args:
        facts: Of the checkpoint: they describe the network.
        parameters: Where the descent starts, in the precision to compute in; left as they are.
        support: The support set.
        encoded: Its inputs.
        rates: Learning rates.
        loop: Steps of the descent, momentum, clipping.
        views: 8 averages a picture's scores over its rotations and reflections.
        descent: How the task gets to its parameters.
    """
    network = network_of(facts, outputs=1)
    rows, scale = labelled_support(encoded.x, support, device=facts["device"], dtype=precision_of(facts))
    adapted = descent(network, parameters, rows, loss_of(support.target_type), rates, loop)

    def predict(x: FloatArray) -> FloatArray:
        outputs = evaluate(network, adapted, encoded.transform(x), image=facts["image"], views=views)
        return scored(outputs, support.target_type, scale)

    return predict


def scored(outputs: NDArray[np.float64], target_type: TargetType, scale: TargetScale) -> FloatArray:
    """Network outputs ``[q, c]`` as scores: logits ``[q, c]``, or values ``[q]`` in the target's units."""
    if target_type == TargetType.REGRESSION:
        return scale.restore(outputs[:, 0])
    return outputs.astype(np.float32)
