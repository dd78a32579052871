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
_FEWEST = 4  # validation tasks that a choice needs


@dataclass(frozen=True)
class Choice:
    """How far the weights may leave what each member deserves by itself.

    Attributes:
        contrast: How much better members count for more at the outset: 0 counts all alike.
        pull: Strength of the pull towards that start; infinite keeps it.
    """

    contrast: float
    pull: float


_DEFAULT = Choice(3.0, np.inf)
CHOICES: tuple[Choice, ...] = tuple(
    Choice(contrast, pull) for contrast in (0.0, 1.0, 3.0, 10.0) for pull in (np.inf, 0.1, 0.01, 0.001)
)
"""From the most even weights to the freest."""


def fit_weights(
    episodes: Sequence[ScoredEpisode], choices: Sequence[Choice] = CHOICES
) -> tuple[Floats, Choice]:
    """Weights ``[2, m]`` at the smallest and the largest support size, none of them negative.

    Every member is first weighed alone. The start is a mean of these, in which better ones count for more;
    a convex fit then leaves it where the evidence outweighs the pull back. Contrast and pull are chosen on
    tasks that were left out: the first choice that is not worse than the best one by more than a standard
    error over tasks (Breiman et al. 1984), because new tasks may be of another family, which even weights
    serve better than those that suit the validation tasks just so. Few tasks tell nothing: the default.
    """
    sizes = SizeRange.of(episode.n_support for episode in episodes)
    held_out = _held_out_losses(episodes, sizes, choices)
    best = _DEFAULT if len(choices) > 1 else choices[0]
    if len(held_out):
        best = choices[_first_within_an_error(held_out)]
    return next(_fits(episodes, sizes, (best,))), best


def _first_within_an_error(losses: Floats) -> int:
    """Number of the first column of ``[t, k]`` that is within a standard error of the best one."""
    worse = losses - losses[:, [losses.mean(axis=0).argmin()]]
    error = worse.std(axis=0, ddof=1) / np.sqrt(len(losses))
    return int(np.argmax(worse.mean(axis=0) <= error))


def _held_out_losses(
    episodes: Sequence[ScoredEpisode], sizes: SizeRange, choices: Sequence[Choice]
) -> Floats:
    """Loss of each left-out task under each choice ``[t, k]``; no rows where there are too few to tell."""
    if len({episode.task_id for episode in episodes}) < _FEWEST or len(choices) == 1:
        return np.zeros((0, len(choices)))
    rows: list[list[float]] = []
    for kept, held in held_out_parts(episodes):
        outer = [StackingLoss(own, sizes) for own in _by_task(held)]
        fits = list(_fits(kept, sizes, choices))
        rows.extend([loss(ends)[0] for ends in fits] for loss in outer)
    return np.array(rows)


def _by_task(episodes: Sequence[ScoredEpisode]) -> Iterator[list[ScoredEpisode]]:
    for task in dict.fromkeys(episode.task_id for episode in episodes):
        yield [episode for episode in episodes if episode.task_id == task]


def _fits(episodes: Sequence[ScoredEpisode], sizes: SizeRange, choices: Sequence[Choice]) -> Iterator[Floats]:
    loss = StackingLoss(episodes, sizes)
    alone = _alone(episodes, sizes)
    skill = _skill(loss, alone)
    for choice in choices:
        start = _scaled(loss, alone * _shares(skill, choice.contrast))
        yield start if np.isinf(choice.pull) else _descend(loss, alone, start, choice.pull)


def _scaled(loss: StackingLoss, start: Floats) -> Floats:
    """The start times a factor per end: a mean of members that err apart is less sure than it might be."""

    def objective(factors: Floats) -> tuple[float, Floats]:
        value, gradient = loss(start * factors[:, None])
        return value + 1e-3 * float(np.square(factors - 1).sum()), (gradient * start).sum(axis=1) + 2e-3 * (
            factors - 1
        )

    found = minimize(objective, np.ones(2), jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * 2)
    return np.asarray(start * found.x[:, None])


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
