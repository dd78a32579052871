"""How validation episodes judge a checkpoint: once to choose settings, and now and then while training."""

from __future__ import annotations

from collections.abc import Iterable

from med_maml_pipeline.learners.episodes import run_episode, validation_sample
from med_maml_pipeline.learners.monitor import Judge
from med_maml_pipeline.learners.protocol import Checkpoint, Learner, Settings
from med_maml_pipeline.metrics.averages import mean_of_defined
from med_maml_pipeline.metrics.scores import selection_score
from med_maml_pipeline.tasks.types import Episode, Problem

__all__ = ["Cell", "judge_of", "scores_by_cell"]

_PER_CELL = 10  # episodes per family, target type and support size that a look while training takes

Cell = tuple[str, str, int, str]
"""Family, target type, support size and metric."""


def scores_by_cell(
    learner: Learner,
    checkpoint: Checkpoint,
    problem: Problem,
    episodes: Iterable[Episode],
    settings: Settings,
    seed: int,
) -> dict[Cell, list[float]]:
    """`selection_score` of each episode, by cell."""
    cells: dict[Cell, list[float]] = {}
    for episode in episodes:
        task = problem.task(episode.task_id)
        result = run_episode(learner, checkpoint, problem, episode, settings, seed)
        metric, value = selection_score(task.target_type, result.y, result.scores)
        cells.setdefault((task.family, str(task.target_type), episode.support_size, metric), []).append(value)
    return cells


def judge_of(learner: Learner, problem: Problem, settings: Settings, seed: int) -> Judge | None:
    """The mean over cells of the mean score of the first few stored validation episodes.

    Args:
        learner: Whose checkpoints are judged.
        problem: Its validation episodes are used, and no others.
        settings: Of adaptation.
        seed: Seed of adaptation.

    Returns:
        None where the problem has no validation episodes.
    """
    episodes = validation_sample(problem, _PER_CELL)

    def judge(checkpoint: Checkpoint) -> float:
        cells = scores_by_cell(learner, checkpoint, problem, episodes, settings, seed)
        return mean_of_defined(mean_of_defined(values) for values in cells.values())

    return judge if episodes else None
