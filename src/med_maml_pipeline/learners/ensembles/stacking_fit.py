"""Weights of a stacked ensemble, learned over validation tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from med_maml_pipeline.learners.ensembles.held_out import held_out_parts
from med_maml_pipeline.learners.ensembles.scored_episode import ScoredEpisode
from med_maml_pipeline.learners.ensembles.size_weights import SizeRange
from med_maml_pipeline.learners.ensembles.stacking_loss import StackingLoss

__all__ = ["Choice", "CHOICES", "fit_weights"]

Floats = NDArray[np.float64]
_FEWEST = 3  # validation tasks that a choice needs


@dataclass(frozen=True)
class Choice:
    """How far the weights may leave what each member deserves by itself.

    Attributes:
        contrast: How much better members count for more at the outset: 0 counts all alike.
        pull: Strength of the pull towards that start; infinite keeps it.
    """

    contrast: float
    pull: float


CHOICES: tuple[Choice, ...] = tuple(
    Choice(contrast, pull) for contrast in (3.0, 1.0, 10.0, 30.0) for pull in (np.inf, 0.1, 0.01, 0.001)
)
"""Tried in this order; equals go to the first."""


def fit_weights(
    episodes: Sequence[ScoredEpisode], choices: Sequence[Choice] = CHOICES
) -> tuple[Floats, Choice]:
    """Weights ``[2, m]`` at the smallest and the largest support size, none of them negative.

    Every member is first weighed alone. The start is a mean of these, in which better ones count for more;
    a convex fit then leaves it where the evidence outweighs the pull back. Contrast and pull are chosen on
    tasks that were left out, so few tasks keep the start, and many are free.
    """
    sizes = SizeRange.of(episode.n_support for episode in episodes)
    best = choices[int(np.argmin(_held_out_losses(episodes, sizes, choices)))]
    return next(_fits(episodes, sizes, (best,))), best


def _held_out_losses(
    episodes: Sequence[ScoredEpisode], sizes: SizeRange, choices: Sequence[Choice]
) -> Floats:
    """Summed over left-out tasks, for each choice; 0 where there are too few to tell."""
    totals = np.zeros(len(choices))
    if len({episode.task_id for episode in episodes}) < _FEWEST or len(choices) == 1:
        return totals
    for kept, held in held_out_parts(episodes):
        outer = StackingLoss(held, sizes)
        n_tasks = len({episode.task_id for episode in held})
        totals += [n_tasks * outer(ends)[0] for ends in _fits(kept, sizes, choices)]
    return totals


def _fits(episodes: Sequence[ScoredEpisode], sizes: SizeRange, choices: Sequence[Choice]) -> Iterator[Floats]:
    loss = StackingLoss(episodes, sizes)
    alone = _alone(episodes, sizes)
    skill = _skill(loss, alone)
    for choice in choices:
        start = alone * _shares(skill, choice.contrast)
        yield start if np.isinf(choice.pull) else _descend(loss, alone, start, choice.pull)


def _alone(episodes: Sequence[ScoredEpisode], sizes: SizeRange) -> Floats:
    """Weights ``[2, m]`` that suit each member by itself: 0 where it is no better than nothing."""
    found = []
    for member in range(len(episodes[0].z)):
        loss = StackingLoss([episode.of([member]) for episode in episodes], sizes)
        unit = 1.0 / max(_spread(episodes, member), 1e-9)
        found.append(_descend(loss, np.full((2, 1), unit), np.full((2, 1), unit), 1e-3))
    return np.concatenate(found, axis=1)


def _spread(episodes: Sequence[ScoredEpisode], member: int) -> float:
    return float(np.sqrt(np.mean([np.square(e.z[member]).mean() for e in episodes])))


def _skill(loss: StackingLoss, alone: Floats) -> Floats:
    """How much of the loss each member takes away by itself ``[2, m]``, of what the best one does."""
    nothing = loss.at_ends(np.zeros_like(alone))
    members = np.eye(alone.shape[1])
    gained = np.stack([nothing - loss.at_ends(alone * member) for member in members], axis=1)
    return np.asarray(gained / np.maximum(gained.max(axis=1, keepdims=True), 1e-12))


def _shares(skill: Floats, contrast: float) -> Floats:
    """Shares ``[2, m]`` that add up to 1 at each end."""
    raised = np.exp(contrast * (np.maximum(skill, -1.0) - 1.0))
    return raised / raised.sum(axis=1, keepdims=True)


def _descend(loss: StackingLoss, units: Floats, start: Floats, pull: float) -> Floats:
    """Minimises loss and pull over weights that are not negative; ``units`` make them comparable."""
    usable = units > 0
    scale = np.where(usable, units, 1.0)

    def objective(flat: Floats) -> tuple[float, Floats]:
        ends = flat.reshape(units.shape) * scale
        value, gradient = loss(ends)
        away = np.where(usable, (ends - start) / scale, 0.0)
        return value + pull * float(np.square(away).sum()), (gradient * scale + 2 * pull * away).ravel()

    bounds = [(0.0, None if free else 0.0) for free in usable.ravel()]
    begin = np.where(usable, start / scale, 0.0).ravel()
    found = minimize(objective, begin, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 200})
    return np.asarray(found.x.reshape(units.shape) * scale)
