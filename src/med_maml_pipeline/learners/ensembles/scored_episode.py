"""What an ensemble sees of an episode: the scores of its members on the query, on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.learners.scores import TargetScale
from med_maml_pipeline.tasks.types import FloatArray, TargetType

__all__ = ["ScoredEpisode", "common_scale", "own_scale"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ScoredEpisode:
    """Scores of ``m`` members on the ``q`` queries of one episode.

    Attributes:
        task_id: The task.
        family: Its family.
        target_type: Type of its target.
        support_size: As episodes count it.
        n_support: Support examples in all.
        z: ``[m, q, c]`` on the `common_scale`; NaN throughout for a member that has no score here.
        y: ``[q]`` class indices or standardised values, multilabel ``[q, L]``; empty where nobody knows them.
        scale: Of the support's values (regression).
        shared_meaning: Whether "positive" means alike in all tasks of the problem.
    """

    task_id: str
    family: str
    target_type: TargetType
    support_size: int
    n_support: int
    z: Floats
    y: Floats
    scale: TargetScale = TargetScale(0.0, 1.0)
    shared_meaning: bool = False

    @property
    def numeric(self) -> bool:
        """Whether the target is a number."""
        return self.target_type is TargetType.REGRESSION

    @property
    def can_teach(self) -> bool:
        """Whether its queries tell good scores from bad: two classes at least, or any numbers."""
        return self.numeric or len(np.unique(self.y)) > 1

    def of(self, members: Sequence[int]) -> ScoredEpisode:
        """The episode with some of the members."""
        return replace(self, z=self.z[list(members)])

    def by_label(self) -> list[ScoredEpisode]:
        """A binary episode per label, over the queries where it is observed; itself if not multilabel."""
        if self.target_type is not TargetType.MULTILABEL:
            return [self]
        seen = ~np.isnan(self.y)
        halves = np.stack([-self.z / 2, self.z / 2], axis=-1)
        return [
            replace(self, target_type=TargetType.BINARY, z=halves[:, own, label], y=self.y[own, label])
            for label, own in enumerate(seen.T)
            if own.any()
        ]


def common_scale(scores: FloatArray, target_type: TargetType, scale: TargetScale) -> Floats:
    """Scores of one learner as an ensemble adds them up.

    Args:
        scores: Logits ``[q, c]``, log-odds of labels ``[q, L]``, or values ``[q]``.
        target_type: Type of the target.
        scale: Of the support's values.

    Returns:
        ``[q, c]``: logits less their mean over classes, or log-odds as they are; or ``[q, 1]``: values in
        units of the support's deviation, from its mean.
    """
    if target_type is TargetType.REGRESSION:
        return scale.standardise(scores)[:, None]
    logits = np.asarray(scores, dtype=np.float64)
    if target_type is TargetType.MULTILABEL:
        return logits
    return logits - logits.mean(axis=1, keepdims=True)


def own_scale(z: Floats, target_type: TargetType, scale: TargetScale) -> FloatArray:
    """The inverse of `common_scale`: logits or log-odds ``[q, c]``, values ``[q]`` in the target's unit."""
    if target_type is TargetType.REGRESSION:
        return scale.restore(z[:, 0])
    return z.astype(np.float32)
