"""How an ensemble does on validation tasks that it did not learn from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from med_maml_pipeline.learners.ensembles.protocol import Ensemble
from med_maml_pipeline.learners.ensembles.scored_episode import ScoredEpisode
from med_maml_pipeline.learners.judging import Cell
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.metrics.averages import mean_of_defined
from med_maml_pipeline.metrics.scores import selection_score

__all__ = ["held_out_parts", "held_out_scores"]

PARTS = 5


def held_out_parts(
    episodes: Sequence[ScoredEpisode],
) -> Iterator[tuple[list[ScoredEpisode], list[ScoredEpisode]]]:
    """Episodes of all but some tasks, and of these; each task is left out once. Nothing of a single task."""
    tasks = list(dict.fromkeys(episode.task_id for episode in episodes))
    if len(tasks) < 2:
        return
    for number in range(min(PARTS, len(tasks))):
        out = set(tasks[number::PARTS])
        yield [e for e in episodes if e.task_id not in out], [e for e in episodes if e.task_id in out]


def held_out_scores(
    ensemble: Ensemble, checkpoint: Checkpoint, members: Sequence[str], episodes: Sequence[ScoredEpisode]
) -> dict[Cell, tuple[float, int]]:
    """Mean `selection_score` by cell, and the number of episodes where it is defined.

    Weights are learned without the tasks they are scored on; what the checkpoint chose was chosen on all.
    """
    cells: dict[Cell, list[float]] = {}
    for kept, held in held_out_parts(episodes):
        learned = ensemble.refit(checkpoint, members, kept)
        for episode in held:
            scores = ensemble.combine(learned, episode)
            metric, value = selection_score(episode.target_type, episode.y, scores)
            cell = (episode.family, str(episode.target_type), episode.support_size, metric)
            cells.setdefault(cell, []).append(value)
    return {
        cell: (mean_of_defined(values), sum(not math.isnan(value) for value in values))
        for cell, values in cells.items()
    }
