"""The network of a checkpoint: built from its facts, in the precision that its inputs ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from med_maml_pipeline.networks import Network, build_network

__all__ = ["network_of", "precision_of"]


def network_of(facts: Mapping[str, Any], outputs: int | None) -> Network:
    """The structure that ``facts`` describe.

    Args:
        facts: ``width`` and ``image`` of the inputs; ``hidden``, ``backbone``, ``filters`` of the settings.
        outputs: Width of the head; None for the embedding.
    """
    return build_network(
        facts["width"],
        facts["image"],
        hidden=facts["hidden"],
        backbone=facts["backbone"],
        filters=facts["filters"],
        outputs=outputs,
    )


def precision_of(facts: Mapping[str, Any]) -> torch.dtype:
    """Floating type of adaptation and prediction.

    Double for rows of numbers: the cost is small, and a query's score does not depend on the shape of the
    batch it comes in. Single for pictures, where that is kept by batches of one size (see `evaluate`).
    """
    return torch.float64 if facts["image"] is None else torch.float32
