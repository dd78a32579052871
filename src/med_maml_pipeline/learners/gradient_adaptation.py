"""From a checkpoint's parameters and a support set to a predictor, by gradient descent."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call

from med_maml_pipeline.bilevel import Rates, adapt
from med_maml_pipeline.learners.episode_batches import labelled, loss_of
from med_maml_pipeline.learners.inputs import EncodedSupport
from med_maml_pipeline.learners.network_arrays import PRECISION
from med_maml_pipeline.learners.protocol import Predictor
from med_maml_pipeline.learners.scores import TargetScale
from med_maml_pipeline.networks import MLP
from med_maml_pipeline.tasks.types import FloatArray, Support, TargetType

__all__ = ["predictor_by_gradient", "scored"]


def predictor_by_gradient(
    network: MLP,
    parameters: Mapping[str, Tensor],
    support: Support,
    encoded: EncodedSupport,
    rates: Rates,
    *,
    steps: int,
    device: str,
) -> Predictor:
    """Adapts ``parameters`` (trunk and head, double precision) and returns the predictor.

    Args:
        network: The structure.
        parameters: Where the descent starts; left as they are.
        support: The support set.
        encoded: Its inputs.
        rates: Learning rates.
        steps: Steps; 0 does nothing.
        device: Where to compute.
    """
    numeric = support.target_type is TargetType.REGRESSION
    scale = TargetScale.fit(support.y) if numeric else TargetScale(0.0, 1.0)
    rows = labelled(
        [(encoded.x, scale.standardise(support.y))], support.target_type, device=device, dtype=PRECISION
    )
    adapted = adapt(network, parameters, rows, loss_of(support.target_type), rates, steps=steps)

    def predict(x: FloatArray) -> FloatArray:
        inputs = torch.from_numpy(encoded.transform(x)).to(device, PRECISION)
        with torch.no_grad():
            outputs = functional_call(network, adapted, (inputs,)).cpu().numpy()
        return scored(outputs, support.target_type, scale)

    return predict


def scored(outputs: NDArray[np.float64], target_type: TargetType, scale: TargetScale) -> FloatArray:
    """Network outputs ``[q, c]`` as scores: logits ``[q, c]``, or values ``[q]`` in the target's units."""
    if target_type == TargetType.REGRESSION:
        return scale.restore(outputs[:, 0])
    return outputs.astype(np.float32)
