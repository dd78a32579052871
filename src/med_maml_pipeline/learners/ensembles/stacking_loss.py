"""Loss of a weighted sum of members on validation episodes, with its gradient: convex in the weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from med_maml_pipeline.learners.ensembles.scored_episode import ScoredEpisode
from med_maml_pipeline.learners.ensembles.size_weights import SizeRange

__all__ = ["StackingLoss"]

Floats = NDArray[np.float64]
_WIDTH = 3.0  # of the quadratic part of the loss of numbers, in deviations of the support


@dataclass(frozen=True)
class _Rows:
    """Queries of episodes with as many classes: ``z [r, m, c]``, ``y [r]``, ``basis [r, 2]``, ``say [r]``."""

    z: Floats
    y: Floats
    basis: Floats
    say: Floats


class StackingLoss:
    """Mean over tasks of the mean over episodes of the loss of ``Σ_m w_m(n) z_m``.

    Classes: cross-entropy in which every class of an episode has the same say, whatever its prevalence:
    weights then serve the ranking of cases. Numbers: Huber's loss on standardised values.

    Args:
        episodes: With the same members, all of classes or all of numbers.
        sizes: Range of support sizes.
    """

    def __init__(self, episodes: Sequence[ScoredEpisode], sizes: SizeRange) -> None:
        self.n_members, self.numeric = len(episodes[0].z), episodes[0].numeric
        tasks = Counter(episode.task_id for episode in episodes)
        by_width: dict[int, list[tuple[Floats, Floats, Floats, Floats]]] = {}
        for episode in episodes:
            say = self._say(episode) / (tasks[episode.task_id] * len(tasks))
            basis = np.tile(sizes.basis(episode.n_support), (len(episode.y), 1))
            part = (episode.z.transpose(1, 0, 2), episode.y, basis, say)
            by_width.setdefault(episode.z.shape[2], []).append(part)
        self._rows = [self._stacked(parts) for parts in by_width.values()]

    def __call__(self, ends: Floats) -> tuple[float, Floats]:
        """Loss and its gradient ``[2, m]`` at weights ``ends`` ``[2, m]``."""
        value, gradient = 0.0, np.zeros_like(ends)
        for rows in self._rows:
            weights = rows.basis @ ends
            outputs = np.einsum("rm,rmc->rc", weights, rows.z)
            losses, slopes = self._each(outputs, rows.y)
            value += float(rows.say @ losses)
            by_weight = np.einsum("rc,rmc->rm", slopes * rows.say[:, None], rows.z)
            gradient += rows.basis.T @ by_weight
        return value, gradient

    def _each(self, outputs: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Loss ``[r]`` and its slope ``[r, c]``."""
        if self.numeric:
            error = outputs[:, 0] - y
            clipped = np.clip(error, -_WIDTH, _WIDTH)
            return clipped * (error - clipped / 2), clipped[:, None]
        logs = log_softmax(outputs, axis=1)
        slopes = np.exp(logs)
        at = (np.arange(len(y)), y.astype(np.int64))
        slopes[at] -= 1.0
        return -logs[at], slopes

    @staticmethod
    def _say(episode: ScoredEpisode) -> Floats:
        """Weights ``[q]`` of an episode's queries, which add up to 1."""
        if episode.numeric:
            return np.full(len(episode.y), 1.0 / len(episode.y))
        _, codes, counts = np.unique(episode.y, return_inverse=True, return_counts=True)
        return np.asarray(1.0 / (counts[codes] * len(counts)))

    @staticmethod
    def _stacked(parts: Sequence[tuple[Floats, Floats, Floats, Floats]]) -> _Rows:
        return _Rows(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
