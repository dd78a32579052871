"""Tasks of every target type as supports with one value per row: what a process with one output reads."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from med_maml_pipeline.bilevel import Labelled
from med_maml_pipeline.learners.episode_batches import balance
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["KINDS", "kind_of", "one_value_supports", "task_outputs"]

KINDS = (TargetType.BINARY, TargetType.MULTICLASS, TargetType.REGRESSION)
"""What a process tells apart."""


def kind_of(target_type: TargetType, like: Tensor) -> Tensor:
    """``[3]`` one-hot of the target type, with the type and device of ``like``."""
    return torch.tensor([float(kind == target_type) for kind in KINDS]).to(like)


def one_value_supports(support: Labelled, target_type: TargetType, n_classes: int) -> Labelled:
    """Supports whose ``y`` is a value per row; a task of many classes becomes one per class.

    Each class against the rest (Rifkin & Klautau 2004) fits any number of classes with one output, and
    classes change places with their scores. Binary tasks are one support, in which the second class has
    value 1 and the first -1, so that a network may know what tasks have in common; other classes are 1 in
    their own and -1 in the others' supports. Both sides of a support count alike, as in the class-wise means
    of Garnelo et al. (2018) and Requeima et al. (2019). Standardised values stay as they are.

    Args:
        support: ``x [t, n, d]``, ``y [t, n]``.
        target_type: Type of the target.
        n_classes: Number of classes (0 for regression).

    Returns:
        ``x [t c, n, d]``, ``y [t c, n]`` floating, ``weight [t c, n]``, for ``c`` classes (1 where binary or
        regression), those of a task next to each other.
    """
    if target_type is TargetType.REGRESSION:
        return support
    members = [1] if target_type is TargetType.BINARY else list(range(n_classes))
    sides = torch.stack([support.y == label for label in members], dim=1).flatten(0, 1)
    x, weight = (part.repeat_interleave(len(members), 0) for part in (support.x, support.weight))
    even = balance(Labelled(x, sides.long(), weight), 2)
    return replace(even, y=sides.to(x) * 2 - 1)


def task_outputs(outputs: Tensor, target_type: TargetType, n_classes: int) -> Tensor:
    """Outputs ``[t c, q]`` of a process as those of the tasks: logits ``[t, q, c]`` or values ``[t, q, 1]``.

    The output of a binary task is the difference of its two logits.
    """
    if target_type is TargetType.BINARY:
        return torch.stack([-outputs / 2, outputs / 2], dim=-1)
    return outputs.unflatten(0, (-1, max(n_classes, 1))).transpose(1, 2)
