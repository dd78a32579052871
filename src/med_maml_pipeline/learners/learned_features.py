"""Features of the pre-trained network, alone, beside hand-crafted ones, or whitened together with them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.learners.architecture import network_of, precision_of
from med_maml_pipeline.learners.embeddings import remembered
from med_maml_pipeline.learners.evaluation import evaluate
from med_maml_pipeline.learners.inputs import EncodedSupport, encode_support
from med_maml_pipeline.learners.network_arrays import to_tensors
from med_maml_pipeline.learners.network_inputs import encode_for_network
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.learners.whitening import fit_whitening, whitened
from med_maml_pipeline.tasks.types import FloatArray, IntArray, Problem, Support, TargetType

__all__ = ["INPUTS", "embedding", "joined_whitening", "learned_features"]

INPUTS = ("learned", "joined", "whitened")
"""What a head may see: the network's features; hand-crafted ones of pictures beside them; all, whitened."""


def learned_features(
    checkpoint: Checkpoint, support: Support, inputs: str = "learned", share: float = 1.0
) -> EncodedSupport:
    """Support and queries as features.

    Args:
        checkpoint: Of a pre-trained (or untrained) network.
        support: The support set.
        inputs: One of `INPUTS`; pictures without hand-crafted features, and rows of tables that share no
            columns, have no whitening.
        share: Of the covariance that whitening takes; see `whitened`.

    Raises:
        ConfigurationError: ``inputs`` is none of them.
    """
    if inputs not in INPUTS:
        raise ConfigurationError(f"unknown inputs '{inputs}'; expected one of: {', '.join(INPUTS)}.")
    seen = encode_for_network(checkpoint, support)
    joins = inputs != "learned" and _has_features_beside(support)
    beside = encode_support(checkpoint, support) if joins else None
    embed = partial(embedding, checkpoint)
    look_up = embed if support.image is None else remembered(checkpoint, "features", embed)

    def learned(x: FloatArray) -> FloatArray:
        return _standardised(checkpoint, look_up(seen.transform(x)))

    def features(x: FloatArray) -> FloatArray:
        shown = learned(x)
        if beside is not None:
            shown = np.concatenate([shown, beside.transform(x)], axis=1)
        return whitened(checkpoint.arrays, shown, share) if inputs == "whitened" else shown

    return EncodedSupport(features(support.x), features)


def embedding(checkpoint: Checkpoint, x: FloatArray) -> NDArray[np.float64]:
    """The network's embedding ``[n, d]`` of its inputs ``[n, width]``, a picture's views averaged."""
    facts = checkpoint.facts
    parameters = to_tensors(checkpoint.arrays, "network.", device=facts["device"], dtype=precision_of(facts))
    network = network_of(facts, outputs=None)
    return evaluate(network, parameters, x, image=facts["image"], views=facts["views"])


def joined_whitening(
    checkpoint: Checkpoint, problem: Problem, seed: int
) -> Mapping[str, NDArray[np.generic]]:
    """Whitening of the features that ``joined`` gives, over the meta-training tasks.

    Empty for pictures without hand-crafted features, and where tables share no columns: their features
    differ from support to support.

    Args:
        checkpoint: With the network and the statistics of its features.
        problem: The problem it was trained on.
        seed: Of the draw of rows.
    """
    tables = problem.tables
    pictures = checkpoint.facts["image"] is not None
    if not (all(table.names for table in tables.values()) if pictures else problem.shared_inputs):
        return {}

    def features(key: str, rows: IntArray) -> FloatArray:
        table = tables[key]
        unlabelled = np.zeros(len(rows), dtype=np.float32)
        support = Support(
            table.rows(rows), unlabelled, table.all_kinds, TargetType.BINARY, 2, image=table.image
        )
        return learned_features(checkpoint, support, "joined").x

    return fit_whitening(problem, features, max_rows=1_500 if pictures else 4_000, seed=seed)


def _standardised(checkpoint: Checkpoint, values: NDArray[np.float64]) -> FloatArray:
    mean, deviation = (checkpoint.arrays[f"features.{name}"].astype(float) for name in ("mean", "deviation"))
    return ((values - mean) / deviation).astype(np.float32)


def _has_features_beside(support: Support) -> bool:
    return support.image is not None and len(support.kinds) > math.prod(support.image)
