"""Drawn episodes as padded tensors, one batch per target type and number of classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from med_maml_pipeline.bilevel import EpisodeBatch, Labelled, TaskLoss, cross_entropy, huber
from med_maml_pipeline.learners.scores import TargetScale
from med_maml_pipeline.tasks.types import IntArray, Support, TargetType, Task

__all__ = [
    "PICTURE_EPISODES",
    "InputDropout",
    "TypedBatch",
    "balance",
    "batches",
    "labelled",
    "labelled_support",
    "loss_of",
]

PICTURE_EPISODES = {"steps": 300, "meta_batch": 4, "shots": 5, "query": 20}
"""Length and episodes of meta-training on pictures, where a step costs more than on rows of numbers."""

Drawn = tuple[Task, IntArray, IntArray]
"""A task with the positions of its support and query."""


class EpisodeRows(Protocol):
    """Where the rows of episodes come from: `NetworkInputs`, `ResidentInputs`."""

    def episode(
        self, task: Task, support: IntArray, query: IntArray
    ) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
        """Support and query of a task: rows ``[n, width]``, or their numbers ``[n]``."""


@dataclass(frozen=True)
class TypedBatch:
    """Episodes that share a head: target type, classes of an episode (0 for regression), tensors."""

    target_type: TargetType
    n_classes: int
    episodes: EpisodeBatch

    def __len__(self) -> int:
        return len(self.episodes)

    def part(self, tasks: slice) -> TypedBatch:
        """Some of its tasks."""
        return replace(self, episodes=self.episodes[tasks])

    def embedded(self, embed: Callable[[Tensor], Tensor]) -> TypedBatch:
        """The batch with embeddings of all its rows ``[n, ...]``, from one pass, in their place."""
        support, query = self.episodes.support, self.episodes.query
        rows = torch.cat([support.x, query.x], dim=1)
        found = embed(rows.flatten(0, 1)).unflatten(0, rows.shape[:2])
        seen, asked = found.split([support.x.shape[1], query.x.shape[1]], dim=1)
        return replace(self, episodes=EpisodeBatch(replace(support, x=seen), replace(query, x=asked)))

    def chunks(self, size: int) -> Iterator[TypedBatch]:
        """Batches of at most ``size`` tasks, in order."""
        for episodes in self.episodes.chunks(size):
            yield replace(self, episodes=episodes)


@dataclass(frozen=True)
class InputDropout:
    """Hides input columns from each task, the same in support and query: inputs stay constant within it.

    Attributes:
        share: Probability that a column is hidden; the others are scaled up to keep the mean.
        seed: Seed of the draw.
        step: Meta-update.
    """

    share: float
    seed: int
    step: int

    def __call__(self, batch: TypedBatch) -> TypedBatch:
        """The batch with columns hidden."""
        support, query = batch.episodes.support, batch.episodes.query
        draw = np.random.default_rng((self.seed, self.step, batch.n_classes))
        kept = draw.random((len(batch), 1, support.x.shape[-1]), dtype=np.float32) >= self.share
        mask = torch.from_numpy(kept).to(support.x) / (1.0 - self.share)
        episodes = EpisodeBatch(replace(support, x=support.x * mask), replace(query, x=query.x * mask))
        return replace(batch, episodes=episodes)


def balance(rows: Labelled, n_classes: int) -> Labelled:
    """The rows with weights that give every class present in a task the same say; padding keeps zero."""
    weight = torch.zeros_like(rows.weight)
    for label in range(n_classes):
        members = ((rows.weight > 0) & (rows.y == label)).to(weight)
        weight += members / members.sum(1, keepdim=True).clamp(min=1)
    return replace(rows, weight=weight / weight.sum(1, keepdim=True).clamp(min=1))


def loss_of(target_type: TargetType) -> TaskLoss:
    """Cross-entropy for classes, Huber on standardised values for regression."""
    return huber if target_type == TargetType.REGRESSION else cross_entropy


def batches(inputs: EpisodeRows, drawn: Sequence[Drawn], device: str) -> list[TypedBatch]:
    """Stacks drawn episodes, grouped by head, in order of first appearance."""
    groups: dict[tuple[TargetType, int], list[Drawn]] = {}
    for entry in drawn:
        groups.setdefault((entry[0].target_type, entry[0].n_way), []).append(entry)
    result = []
    for (target_type, n_classes), members in groups.items():
        support, query = [], []
        for task, support_at, query_at in members:
            xs, xq = inputs.episode(task, support_at, query_at)
            ys, yq = task.labels(support_at, support_at), task.labels(query_at, support_at)
            scale = TargetScale.of(ys, target_type)
            support.append((xs, scale.standardise(ys)))
            query.append((xq, scale.standardise(yq)))
        episodes = EpisodeBatch(
            labelled(support, target_type, device=device), labelled(query, target_type, device=device)
        )
        result.append(TypedBatch(target_type, n_classes, episodes))
    return result


def labelled_support(
    x: NDArray[np.generic], support: Support, *, device: str, dtype: torch.dtype
) -> tuple[Labelled, TargetScale]:
    """One support set for adaptation, numeric targets standardised, and the scale that brings these back.

    Args:
        x: ``[n, f]`` its inputs, encoded or embedded.
        support: With the targets.
        device / dtype: Of the tensors.
    """
    scale = TargetScale.of(support.y, support.target_type)
    sets = [(x, scale.standardise(support.y))]
    return labelled(sets, support.target_type, device=device, dtype=dtype), scale


def labelled(
    sets: Sequence[tuple[NDArray[np.generic], NDArray[np.floating]]],
    target_type: TargetType,
    *,
    device: str,
    dtype: torch.dtype = torch.float32,
) -> Labelled:
    """Pads sets of ``(x [n, f], y [n])`` to the longest; padding has weight zero.

    In place of rows, ``x`` may be their numbers ``[n]`` (int64), padded with row 0.
    """
    longest = max(len(y) for _, y in sets)
    numbers = sets[0][0].dtype == np.int64
    x = np.zeros((len(sets), longest, *sets[0][0].shape[1:]), dtype=np.int64 if numbers else np.float32)
    y = np.zeros((len(sets), longest), dtype=np.float32)
    weight = np.zeros((len(sets), longest), dtype=np.float64)
    for at, (rows, targets) in enumerate(sets):
        x[at, : len(targets)] = rows
        y[at, : len(targets)] = targets
        weight[at, : len(targets)] = 1.0 / max(len(targets), 1)
    target_dtype = dtype if target_type == TargetType.REGRESSION else torch.int64
    return Labelled(
        torch.from_numpy(x).to(device, torch.int64 if numbers else dtype),
        torch.from_numpy(y).to(device, target_dtype),
        torch.from_numpy(weight).to(device, dtype),
    )
