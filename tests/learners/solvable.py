"""A family of tasks that meta-learning can solve and a few labels alone cannot: a direction in a plane."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from sklearn.metrics import r2_score, roc_auc_score

from med_maml_pipeline.learners.protocol import Checkpoint, Learner, Settings
from med_maml_pipeline.tasks.types import FeatureKind, FeatureTable, MetaSplit, Problem, TargetType, Task

WIDTH, ROWS, TEST_TASKS, SUPPORT = 20, 60, 8, 16
BINARY, MULTICLASS, REGRESSION = TargetType.BINARY, TargetType.MULTICLASS, TargetType.REGRESSION


def labels(angle: float, x: np.ndarray, target_type: TargetType, n_classes: int) -> np.ndarray:
    """Labels by a direction of the task's own, within the plane of the first two inputs."""
    along = x[:, :2] @ [np.cos(angle), np.sin(angle)]
    across = x[:, :2] @ [-np.sin(angle), np.cos(angle)]
    if target_type is BINARY:
        return (along > 0).astype(np.float32)
    if target_type is MULTICLASS:
        return np.minimum((along > 0) * 2 + (across > 0), n_classes - 1).astype(np.float32)
    return (50 + 10 * along).astype(np.float32)


def family(
    types: Mapping[TargetType, int], *, n_train: int = 12, missing: float = 0.0, one_angle: bool = False
) -> Problem:
    """Training and test tasks of each type, each over rows of its own in one table."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(len(types) * (n_train + TEST_TASKS) * ROWS, WIDTH)).astype(np.float32)
    tasks = []
    for target_type, n_classes in types.items():
        for number in range(n_train + TEST_TASKS):
            rows = np.arange(len(tasks) * ROWS, (len(tasks) + 1) * ROWS)
            angle = 0.0 if one_angle else rng.uniform(0, 2 * np.pi)
            split = MetaSplit.TRAIN if number < n_train else MetaSplit.TEST
            y = labels(angle, x[rows], target_type, n_classes)
            name = f"s/main/f/{target_type}{number}"
            tasks.append(
                Task(name, "s/main", "f", "s", target_type, n_classes, split, rows, y, rows, one_angle)
            )
    x[rng.random(x.shape) < missing] = np.nan
    table = FeatureTable(x, tuple(f"x{i}" for i in range(WIDTH)), (FeatureKind.NUMERIC,) * WIDTH)
    return Problem("p", 0, {"s/main": table}, tuple(tasks), (), shared_inputs=True)


@cache
def solvable(target_type: TargetType, *, n_train: int = 40) -> Problem:
    """Tasks of one type, enough of them to learn the plane."""
    return family({target_type: {BINARY: 2, MULTICLASS: 4, REGRESSION: 0}[target_type]}, n_train=n_train)


def quality(
    learner: Learner, checkpoint: Checkpoint, problem: Problem, settings: Settings | None = None
) -> float:
    """Mean over test tasks of AUROC (binary), accuracy (more classes) or R² behind the support."""
    values = []
    for task in problem.split(MetaSplit.TEST):
        support = problem.support(task, np.arange(SUPPORT))
        query = problem.query(task, np.arange(SUPPORT, ROWS))
        chosen = learner.adapt_grid[0] if settings is None else settings
        scores = learner.adapt(checkpoint, support, chosen, 0)(query.x)
        if task.target_type is REGRESSION:
            values.append(r2_score(query.y, scores))
        elif task.target_type is BINARY:
            values.append(roc_auc_score(query.y, scores[:, 1] - scores[:, 0]))
        else:
            values.append(float((scores.argmax(1) == query.y).mean()))
    return float(np.mean(values))
