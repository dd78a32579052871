"""Training episodes, drawn on the fly as a pure function of task table, seed and step."""

from __future__ import annotations

import weakref

import numpy as np

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.tasks.index import PoolIndex
from med_maml_pipeline.tasks.types import IntArray, MetaSplit, Problem, Task

__all__ = ["TrainingSampler", "sample_episode", "training_batch"]

_STREAM = 0x7EA1  # keeps training draws apart from other uses of the same seed


def sample_episode(
    index: PoolIndex, rng: np.random.Generator, shots: int, query: int, ways: int | None = None
) -> tuple[IntArray, IntArray]:
    """Draws one training episode, disjoint in group.

    Args:
        index: The task's pool.
        rng: Random stream.
        shots: Support rows per class, or in all for a numeric target. A class with fewer groups gives
            what it has but one.
        query: Query rows, drawn at random from the groups left; fewer where the pool is small.
        ways: Classes drawn for the episode; None takes all.

    Returns:
        Positions of support, by class, and of query.
    """
    classes = index.draw_classes(rng, ways)
    if index.by_class:
        pools = [index.by_class[label] for label in classes]
        support = np.concatenate([rows.draw(rng, min(shots, max(1, len(rows) - 1))) for rows in pools])
    else:
        support = index.everything.draw(rng, min(shots, len(index.everything) - 1))
    # As many more candidates as the support's groups can bar, so that enough are left.
    barred = int(index.sizes[index.codes[support]].sum())
    of_episode = None if ways is None else index.rows_of(classes)
    total = len(index.codes) if of_episode is None else len(of_episode)
    candidates = rng.choice(total, min(total, query + barred), replace=False)
    if of_episode is not None:
        candidates = of_episode[candidates]
    free = candidates[index.outside(support)[index.codes[candidates]]]
    return support, free[:query]


class TrainingSampler:
    """Draws batches of training episodes from one problem; its pools are indexed once."""

    def __init__(self, problem: Problem) -> None:
        self._tasks = problem.split(MetaSplit.TRAIN)
        if not self._tasks:
            raise ConfigurationError(f"problem '{problem.name}' has no training tasks to draw from")
        self._indices = [PoolIndex.of(task.y, task.groups, task.n_classes) for task in self._tasks]

    def batch(
        self, seed: int, step: int, n_tasks: int, shots: int, query: int
    ) -> list[tuple[Task, IntArray, IntArray]]:
        """Draws ``n_tasks`` tasks uniformly, without repeats while there are enough, and an episode of each.

        Args:
            seed: Seed of the learner.
            step: Number of the meta-update.
            n_tasks: Tasks in the batch.
            shots: Support rows per class, or in all for a numeric target.
            query: Query rows.

        Returns:
            Task, positions of support, positions of query.
        """
        rng = np.random.default_rng((_STREAM, seed, step))
        available = len(self._tasks)
        rounds = -(-n_tasks // available)
        order = np.concatenate([rng.permutation(available) for _ in range(rounds)])[:n_tasks]
        drawn = []
        for task, index in ((self._tasks[i], self._indices[i]) for i in order):
            drawn.append((task, *sample_episode(index, rng, shots, query, task.ways)))
        return drawn


_SAMPLERS: dict[int, TrainingSampler] = {}


def training_batch(
    problem: Problem, seed: int, step: int, n_tasks: int, shots: int, query: int
) -> list[tuple[Task, IntArray, IntArray]]:
    """`TrainingSampler.batch`, with the sampler kept as long as the problem lives.

    Raises:
        ConfigurationError: the problem has no training tasks.
    """
    key = id(problem)
    if key not in _SAMPLERS:
        _SAMPLERS[key] = TrainingSampler(problem)
        weakref.finalize(problem, _SAMPLERS.pop, key, None)
    return _SAMPLERS[key].batch(seed, step, n_tasks, shots, query)
