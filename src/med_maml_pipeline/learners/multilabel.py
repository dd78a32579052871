"""Binary relevance: a multilabel task is as many binary tasks as it has labels, to every learner alike.

Each label is learned and predicted by itself, from the rows where it is observed (Tsoumakas and Katakis 2007,
"Multi-label classification: an overview", IJDWM 3(3)). A label's scores do not depend on what other labels
there are, missing labels need no imputation, and macro-averaged metrics judge just that. What it cannot use
is how labels depend on each other; classifier chains (Read et al. 2011, Machine Learning 85) would, and would
need an order of labels that all tasks share.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.protocol import Checkpoint, Learner, Predictor, Settings
from med_maml_pipeline.tasks.types import FloatArray, Problem, Support, TargetType, Task

__all__ = ["adapt", "binary_problem", "learned_as", "meta_fit", "supports"]


def supports(learner: Learner, problem: Problem) -> bool:
    """Whether the learner is defined for the problem, its multilabel tasks taken label by label."""
    return learner.supports(binary_problem(problem))


def meta_fit(
    learner: Learner, problem: Problem, settings: Settings, seed: int, monitor: Monitor
) -> Checkpoint:
    """`Learner.meta_fit` on a problem whose multilabel tasks are taken label by label."""
    return learner.meta_fit(binary_problem(problem), settings, seed, monitor)


def adapt(
    learner: Learner, checkpoint: Checkpoint, support: Support, settings: Settings, seed: int
) -> Predictor:
    """`Learner.adapt`; on a multilabel support once per label, with the same settings and seed.

    Returns:
        For a multilabel support a predictor of ``[q, L]`` float32 log-odds of each label: the difference of
        the two logits. A label that the support shows in one class only, or not at all, has the log-odds of
        its smoothed share for every query.
    """
    if support.target_type is not TargetType.MULTILABEL:
        return learner.adapt(checkpoint, support, settings, seed)
    predictors = [
        _label_predictor(learner, checkpoint, _binary_support(support, label), settings, seed)
        for label in range(support.n_classes)
    ]

    def predict(x: FloatArray) -> FloatArray:
        return np.stack([predictor(x) for predictor in predictors], axis=1)

    return predict


def binary_problem(problem: Problem) -> Problem:
    """The problem with the labels of each multilabel task as binary tasks, over the rows that have them.

    Their ids are ``<task id>/<number of the label>``. Stored episodes of multilabel tasks are left out, for
    they belong to no single label. A problem without multilabel tasks is returned as it is.
    """
    several = {task.task_id for task in problem.tasks if task.target_type is TargetType.MULTILABEL}
    if not several:
        return problem
    return replace(
        problem,
        tasks=tuple(
            one for task in problem.tasks for one in (_labels(task) if task.task_id in several else (task,))
        ),
        episodes=tuple(episode for episode in problem.episodes if episode.task_id not in several),
    )


def learned_as(target_type: TargetType) -> TargetType:
    """The type of target that learners meet: binary for multilabel."""
    return TargetType.BINARY if target_type is TargetType.MULTILABEL else target_type


def _labels(task: Task) -> tuple[Task, ...]:
    seen = ~np.isnan(task.y)
    return tuple(
        replace(
            task,
            task_id=f"{task.task_id}/{label}",
            target_type=TargetType.BINARY,
            n_classes=2,
            rows=task.rows[seen[:, label]],
            y=task.y[seen[:, label], label],
            groups=task.groups[seen[:, label]],
        )
        for label in range(task.n_classes)
    )


def _binary_support(support: Support, label: int) -> Support:
    seen = ~np.isnan(support.y[:, label])
    return replace(
        support, x=support.x[seen], y=support.y[seen, label], target_type=TargetType.BINARY, n_classes=2
    )


def _label_predictor(
    learner: Learner, checkpoint: Checkpoint, support: Support, settings: Settings, seed: int
) -> Predictor:
    """Log-odds ``[q]`` of one label."""
    if len(np.unique(support.y)) < 2:
        positives = float(support.y.sum())
        constant = np.log((positives + 0.5) / (len(support.y) - positives + 0.5))
        return lambda x: np.full(len(x), constant, dtype=np.float32)
    predictor = learner.adapt(checkpoint, support, settings, seed)

    def predict(x: FloatArray) -> FloatArray:
        logits = predictor(x)
        return np.asarray(logits[:, 1] - logits[:, 0], dtype=np.float32)

    return predict
