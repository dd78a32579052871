"""Tasks with more classes than an episode: what learners see, and how their predictions are scored."""

import numpy as np
import pandas as pd
import pytest

from med_maml_pipeline.learners.episode_batches import batches
from med_maml_pipeline.learners.episodes import run_episode
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.metrics.curves import roc_points
from med_maml_pipeline.metrics.scores import score_episode
from med_maml_pipeline.tasks.sampling import training_batch
from med_maml_pipeline.tasks.types import (
    Episode,
    FeatureKind,
    FeatureTable,
    MetaSplit,
    Problem,
    TargetType,
    Task,
)

MULTICLASS = TargetType.MULTICLASS
PER_CLASS = 15


def data_set(name, n_classes, split, ways, seed):
    """Classes far apart in four features, so that a learner told the right labels makes no mistake."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(n_classes), PER_CLASS)
    centres = 8 * rng.normal(size=(n_classes, 4))
    x = (centres[y] + 0.1 * rng.normal(size=(len(y), 4))).astype(np.float32)
    table = FeatureTable(x, tuple("abcd"), (FeatureKind.NUMERIC,) * 4)
    rows = np.arange(len(y))
    task = Task(
        name, name, "f", "s", MULTICLASS, n_classes, split, rows, y.astype(np.float32), rows, ways=ways
    )
    return table, task


@pytest.fixture
def problem():
    parts = [
        data_set("many", 12, MetaSplit.TRAIN, 5, 0),
        data_set("few", 3, MetaSplit.TRAIN, None, 1),
        data_set("other", 7, MetaSplit.TRAIN, 5, 2),
        data_set("test", 9, MetaSplit.TEST, 4, 3),
    ]
    drawn = np.array([1, 4, 5, 8])
    support = np.concatenate([label * PER_CLASS + np.arange(5) for label in drawn])
    query = np.concatenate([label * PER_CLASS + np.arange(5, PER_CLASS) for label in drawn[::-1]])
    episode = Episode("e", "test", support, query, 5, 5, 0)
    tables = {task.examples: table for table, task in parts}
    return Problem("p", 0, tables, tuple(task for _, task in parts), (episode,), shared_inputs=True)


class _Raw:
    """Inputs as they are."""

    def __init__(self, problem):
        self.problem = problem

    def episode(self, task, support, query):
        x = self.problem.tables[task.examples].x
        return x[task.rows[support]], x[task.rows[query]]


def test_batches_join_tasks_by_ways_and_carry_the_labels_of_the_episode(problem):
    drawn = training_batch(problem, 0, 0, 9, 3, 20)
    found = batches(_Raw(problem), drawn, "cpu")
    assert sorted((batch.n_classes, len(batch)) for batch in found) == [(3, 3), (5, 6)]
    of_five = [entry for entry in drawn if entry[0].n_way == 5]
    (five,) = [batch for batch in found if batch.n_classes == 5]
    for at, (task, support, query) in enumerate(of_five):
        numbers = sorted(set(task.y[support]))
        assert len(numbers) == 5
        labels = five.episodes.support.y[at].tolist()
        assert labels == [numbers.index(label) for label in task.y[support]]
        padded = five.episodes.query.y[at][five.episodes.query.weight[at] > 0].tolist()
        assert padded == [numbers.index(label) for label in task.y[query]]


@pytest.mark.parametrize("name", ["logistic", "forest", "knn", "protonet", "maml", "linear_probe"])
def test_learners_score_the_classes_of_the_episode(problem, name):
    learner = get_learner(name)
    settings = {} if learner.lane == "classical" else {"steps": 3}
    checkpoint = learner.meta_fit(problem, settings, 0, Monitor())
    adapt = learner.adapt_grid[0]
    (episode,) = problem.episodes
    result = run_episode(learner, checkpoint, problem, episode, adapt, 0)
    assert result.scores.shape == (len(episode.query), 4)
    assert sorted(set(result.y)) == [0, 1, 2, 3]
    assert result.y.tolist() == np.repeat([3, 2, 1, 0], 10).tolist()
    scores = score_episode(result.y, result.scores.reshape(-1))
    assert scores["accuracy"] > 0.9
    stored = pd.DataFrame(
        [
            {
                "lane": learner.lane,
                "learner": name,
                "task_id": "test",
                "y": result.y,
                "scores": result.scores.ravel(),
            }
        ]
    )
    curve = roc_points(stored)
    assert np.trapezoid(curve["tpr"], curve["fpr"]) == pytest.approx(scores["auroc"], abs=0.01)
