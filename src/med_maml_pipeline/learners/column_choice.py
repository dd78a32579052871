"""Which columns of a wide table a task is read through, and what is known of columns that tables share."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from med_maml_pipeline.bilevel import Labelled
from med_maml_pipeline.learners.episode_batches import labelled
from med_maml_pipeline.learners.network_inputs import NetworkInputs
from med_maml_pipeline.learners.one_against_rest import one_value_supports
from med_maml_pipeline.learners.scores import TargetScale
from med_maml_pipeline.networks import IDENTITY, association
from med_maml_pipeline.tasks.types import FloatArray, MetaSplit

__all__ = ["NamedColumns", "ReadColumns", "read_columns", "usual_association"]

_ROWS = 500  # of a task, behind the usual association
_SAY = 20.0  # rows that the usual association counts as, against those of the support


@dataclass(frozen=True)
class NamedColumns:
    """What meta-training knows of ``w`` columns that all tables share.

    Attributes:
        identity: ``[w, IDENTITY]`` learned vectors.
        usual: ``[w]``, see `usual_association`.
    """

    identity: Tensor
    usual: Tensor


@dataclass(frozen=True)
class ReadColumns:
    """Supports and queries cut down to ``k`` columns each.

    Attributes:
        support: ``[b, n, k]``.
        asked: ``[b, q, k]``.
        identity: ``[b, k, IDENTITY]``; zeros where columns have no name.
    """

    support: Labelled
    asked: Tensor
    identity: Tensor


def usual_association(inputs: NetworkInputs, seed: int) -> FloatArray:
    """Squared association of columns with targets, ``[w]``: its mean over the meta-training tasks.

    Args:
        inputs: Of a problem whose tables share their columns.
        seed: Of the draw of rows from large pools.
    """
    tasks, total = inputs.problem.split(MetaSplit.TRAIN), np.zeros(inputs.width)
    for number, task in enumerate(tasks):
        drawn = np.random.default_rng((seed, number)).permutation(len(task))[:_ROWS]
        scale = TargetScale.of(task.y[drawn], task.target_type)
        rows = labelled(
            [(inputs.rows(task, drawn), scale.standardise(task.y[drawn]))], task.target_type, device="cpu"
        )
        rows = one_value_supports(rows, task.target_type, task.n_classes)
        total += association(rows.x, rows.y, rows.weight).square().mean(0).double().numpy()
    return (total / len(tasks)).astype(np.float32)


def read_columns(support: Labelled, asked: Tensor, names: NamedColumns | None, most: int) -> ReadColumns:
    """Keeps the columns with the strongest squared association on each support.

    The usual association counts as that of some more rows. Columns that are alike in both tie, and the first
    is taken.

    Args:
        support: ``[b, n, w]`` rows with a value each.
        asked: ``[b, q, w]`` queries.
        names: What is known of the columns; None where tables have their own.
        most: Columns to keep, where there are more.
    """
    width = support.x.shape[-1]
    chosen = torch.arange(width, device=asked.device).expand(len(support), -1)
    if width > most:
        strength = association(support.x, support.y, support.weight).square()
        if names is not None:
            size = (support.weight > 0).sum(1, keepdim=True)
            strength = (size * strength + _SAY * names.usual) / (size + _SAY)
        chosen = strength.topk(most).indices
    identity = asked.new_zeros(*chosen.shape, IDENTITY) if names is None else names.identity[chosen]
    kept, cut = (x.gather(2, chosen.unsqueeze(1).expand(-1, x.shape[1], -1)) for x in (support.x, asked))
    return ReadColumns(replace(support, x=kept), cut, identity)
