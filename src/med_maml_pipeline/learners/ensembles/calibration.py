"""How sure a weighted sum may be: its scale and threshold, fitted to the prevalence that queries have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from med_maml_pipeline.learners.ensembles.scored_episode import ScoredEpisode
from med_maml_pipeline.learners.ensembles.size_weights import SizeRange

__all__ = ["Calibration", "calibrate"]

Floats = NDArray[np.float64]
_START = np.array([1.0, 1.0, 0.0, 0.0])
_PULL = 1e-3  # towards the start, for few queries


@dataclass(frozen=True)
class Calibration:
    """Scale ``[2]`` and threshold ``[2]`` (of two classes, in log-odds) at both ends of the support sizes."""

    scale: Floats
    threshold: Floats


def calibrate(episodes: Sequence[ScoredEpisode], sizes: SizeRange, ends: Floats) -> Calibration:
    """Minimises the cross-entropy of all queries as they come (Platt 1999; temperature: Guo et al. 2017).

    The weights were learned with classes that count alike, and with a threshold per episode that nobody knows
    of a new one. A threshold is learned where "positive" means alike in all tasks; elsewhere there is none.

    Args:
        episodes: Of classes, with the members that ``ends`` weighs.
        sizes: Range of support sizes.
        ends: Weights ``[2, m]``.
    """
    tasks = Counter(episode.task_id for episode in episodes)
    parts = [_Part.of(episode, sizes, ends, tasks[episode.task_id] * len(tasks)) for episode in episodes]
    free = np.array([1.0, 1.0, *([float(all(e.shared_meaning for e in episodes))] * 2)])

    def objective(flat: Floats) -> float:
        at = flat * free
        loss = sum(part.loss(at[:2], at[2:]) for part in parts)
        return loss + _PULL * float(np.square(flat - _START).sum())

    bounds = [(1e-3, None)] * 2 + [(None, None)] * 2
    found = minimize(objective, _START, method="L-BFGS-B", bounds=bounds).x * free
    return Calibration(found[:2], found[2:])


@dataclass(frozen=True)
class _Part:
    """One episode: outputs at the weights of both ends ``[2, q, c]``, shares ``[2]``, labels, its say."""

    outputs: Floats
    basis: Floats
    y: NDArray[np.int64]
    say: float

    @classmethod
    def of(cls, episode: ScoredEpisode, sizes: SizeRange, ends: Floats, number: int) -> _Part:
        outputs = np.einsum("em,mqc->eqc", ends, episode.z)
        return cls(outputs, sizes.basis(episode.n_support), episode.y.astype(np.int64), 1.0 / number)

    def loss(self, scale: Floats, threshold: Floats) -> float:
        logits = np.einsum("e,eqc->qc", self.basis * scale, self.outputs)
        if logits.shape[1] == 2:
            logits = logits + float(self.basis @ threshold) * np.array([-0.5, 0.5])
        chosen = log_softmax(logits, axis=1)[np.arange(len(self.y)), self.y]
        return -self.say * float(chosen.mean())
