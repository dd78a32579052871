"""Loss of a weighted sum of members on validation episodes, with its gradient: convex in the weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax

from med_maml_pipeline.learners.ensembles.scored_episode import ScoredEpisode
from med_maml_pipeline.learners.ensembles.size_weights import SizeRange
from med_maml_pipeline.tasks.types import IntArray

__all__ = ["StackingLoss"]

Floats = NDArray[np.float64]
_NEWTON_STEPS, _LONGEST, _CLOSE = 50, 2.0, 1e-9
_WIDTH = 3.0  # of the quadratic part of the loss of numbers, in deviations of the support


@dataclass(frozen=True)
class _Rows:
    """The ``r`` queries of all episodes with ``c`` classes.

    Attributes:
        z: ``[r · c, m]`` scores; of two classes the log-odds alone, ``[r, m]``.
        y: ``[r]`` class indices or values.
        say: ``[r, 2]`` weight of each in the loss, divided between the ends of the range of sizes.
        basis: ``[r, 2]`` shares of the ends in its own size.
        episode: ``[r]`` number of the episode, ascending.
    """

    z: Floats
    y: Floats
    say: Floats
    basis: Floats
    episode: IntArray


class StackingLoss:
    """Mean over tasks of the mean over episodes of the loss of ``Σ_m w_m(n) z_m``.

    Classes: cross-entropy in which every class of an episode has the same say, whatever its prevalence. Of
    two classes each episode moreover has the threshold that suits it best: only the order of cases then
    counts, as members may disagree by a constant on how common the positive class is. Numbers: Huber's loss
    on standardised values.

    Args:
        episodes: With the same members, all of classes or all of numbers.
        sizes: Range of support sizes.
    """

    def __init__(self, episodes: Sequence[ScoredEpisode], sizes: SizeRange) -> None:
        self.n_members, self.numeric = len(episodes[0].z), episodes[0].numeric
        tasks = Counter(episode.task_id for episode in episodes)
        by_width: dict[int, list[_Rows]] = {}
        for number, episode in enumerate(episodes):
            say = _say(episode) / (tasks[episode.task_id] * len(tasks))
            basis = np.tile(sizes.basis(episode.n_support), (len(episode.y), 1))
            z = np.diff(episode.z, axis=2) if episode.z.shape[2] == 2 else episode.z
            flat = z.reshape(self.n_members, -1).T
            places = np.full(len(episode.y), number)
            rows = _Rows(flat, episode.y, say[:, None] * basis, basis, places)
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
        if outputs.shape[1] == 1:
            odds = outputs[:, 0] + _thresholds(outputs[:, 0], rows)
            return np.logaddexp(0.0, odds) - rows.y * odds, (expit(odds) - rows.y)[:, None]
        logs = log_softmax(outputs, axis=1)
        slopes = np.exp(logs)
        at = (np.arange(len(rows.y)), rows.y.astype(np.int64))
        slopes[at] -= 1.0
        return -logs[at], slopes


def _thresholds(odds: Floats, rows: _Rows) -> Floats:
    """What to add to the log-odds ``[r]`` of each episode for the least loss, by Newton's method.

    The slope of the loss in the weights is that with the thresholds held: they are where it is flat in them.
    """
    first = np.flatnonzero(np.diff(rows.episode, prepend=-1))
    say, place = rows.say.sum(axis=1), np.cumsum(np.diff(rows.episode, prepend=rows.episode[0]) > 0)
    found = np.zeros(len(first))
    for _ in range(_NEWTON_STEPS):
        chance = expit(odds + found[place])
        slope = np.add.reduceat(say * (chance - rows.y), first)
        bend = np.add.reduceat(say * chance * (1.0 - chance), first)
        step = np.clip(slope / np.maximum(bend, 1e-12), -_LONGEST, _LONGEST)
        found -= step
        if np.abs(step).max() < _CLOSE:
            break
    return np.asarray(found[place])


def _say(episode: ScoredEpisode) -> Floats:
    """Weights ``[q]`` of an episode's queries, which add up to 1."""
    if episode.numeric:
        return np.full(len(episode.y), 1.0 / len(episode.y))
    _, codes, counts = np.unique(episode.y, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / (counts[codes] * len(counts)))


def _joined(parts: Sequence[_Rows]) -> _Rows:
    return _Rows(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(_Rows)))
