"""Loss of a weighted sum of members on validation episodes, with its gradient: convex in the weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields

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
    """The ``r`` queries of all episodes with ``c`` classes.

    Attributes:
        z: ``[r · c, m]`` scores.
        y: ``[r]`` class indices or values.
        say: ``[r, 2]`` weight of each in the loss, divided between the ends of the range of sizes.
        basis: ``[r, 2]`` shares of the ends in its own size.
    """

    z: Floats
    y: Floats
    say: Floats
    basis: Floats


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
        by_width: dict[int, list[_Rows]] = {}
        for episode in episodes:
            say = _say(episode) / (tasks[episode.task_id] * len(tasks))
            basis = np.tile(sizes.basis(episode.n_support), (len(episode.y), 1))
            flat = episode.z.reshape(self.n_members, -1).T
            rows = _Rows(flat, episode.y, say[:, None] * basis, basis)
            by_width.setdefault(episode.z.shape[2], []).append(rows)
        self._rows = [_joined(parts) for parts in by_width.values()]

    def __call__(self, ends: Floats) -> tuple[float, Floats]:
        """Loss and its gradient ``[2, m]`` at weights ``ends`` ``[2, m]``."""
        value, gradient = 0.0, np.zeros_like(ends)
        for rows in self._rows:
            losses, slopes = self._each(rows, ends)
            value += float(rows.say.sum(axis=1) @ losses)
            by_output = slopes[:, :, None] * rows.say[:, None, :]
            gradient += by_output.reshape(-1, 2).T @ rows.z
        return value, gradient

    def at_ends(self, ends: Floats) -> Floats:
        """The loss ``[2]`` of small and of large supports: every episode belongs a little to both."""
        return np.sum([rows.say.T @ self._each(rows, ends)[0] for rows in self._rows], axis=0)

    def _each(self, rows: _Rows, ends: Floats) -> tuple[Floats, Floats]:
        """Loss ``[r]`` and its slope ``[r, c]``."""
        by_end = (rows.z @ ends.T).reshape(len(rows.y), -1, 2)
        outputs = np.einsum("rce,re->rc", by_end, rows.basis)
        if self.numeric:
            error = outputs[:, 0] - rows.y
            clipped = np.clip(error, -_WIDTH, _WIDTH)
            return clipped * (error - clipped / 2), clipped[:, None]
        logs = log_softmax(outputs, axis=1)
        slopes = np.exp(logs)
        at = (np.arange(len(rows.y)), rows.y.astype(np.int64))
        slopes[at] -= 1.0
        return -logs[at], slopes


def _say(episode: ScoredEpisode) -> Floats:
    """Weights ``[q]`` of an episode's queries, which add up to 1."""
    if episode.numeric:
        return np.full(len(episode.y), 1.0 / len(episode.y))
    _, codes, counts = np.unique(episode.y, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / (counts[codes] * len(counts)))


def _joined(parts: Sequence[_Rows]) -> _Rows:
    return _Rows(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(_Rows)))
