"""Meta-splits: which tasks are for training, for selection and for the verdict, fold by fold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.tasks.families import Candidate
from med_maml_pipeline.tasks.seeding import stable_rng
from med_maml_pipeline.tasks.types import MetaSplit

__all__ = ["Plan", "named_split", "plan_folds"]

CanValidate = Callable[[Candidate, int], bool]
Clusters = Mapping[str, Sequence[Candidate]]
Plan = dict[str, MetaSplit]
"""Meta-split by task id (or by cluster, while it is being made)."""


def named_split(candidate: Candidate) -> MetaSplit | None:
    """Meta-split in whose list of a ``named`` rule the label stands; None when in no list."""
    rule = candidate.spec.split
    lists = {
        MetaSplit.TRAIN: rule.train,
        MetaSplit.VALIDATION: rule.validation,
        MetaSplit.TEST: rule.test,
    }
    return next((split for split, labels in lists.items() if candidate.label in labels), None)


def plan_folds(
    candidates: Sequence[Candidate], clusters: Mapping[str, str], can_validate: CanValidate, seed: int
) -> list[Plan]:
    """Assigns the tasks of one problem to meta-splits, once per fold.

    Tasks of ``fixed`` and ``named`` families are pinned. Clusters without a pinned task are split by the
    rule that the other families share; a task whose cluster holds a pinned task follows it, so that
    near-copies of a test task in another source never train. Everything depends on seed and names alone.

    Args:
        candidates: Tasks of one problem.
        clusters: Cluster by task id.
        can_validate: Whether a task has enough groups to serve as a validation task of a fold.
        seed: Seed of the run.

    Returns:
        One mapping per fold: task id → meta-split.

    Raises:
        ConfigurationError: more folds than clusters.
    """
    pinned = {c.task_id: split for c in candidates if (split := _pin(c)) is not None}
    pinned_clusters = {clusters[task_id]: split for task_id, split in pinned.items()}
    free: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        cluster = clusters[candidate.task_id]
        if candidate.task_id in pinned:
            continue
        if cluster in pinned_clusters:
            pinned[candidate.task_id] = pinned_clusters[cluster]
        else:
            free.setdefault(cluster, []).append(candidate)
    if not free:
        return [pinned]
    plans = _free_plans(free, can_validate, seed)
    return [
        pinned | {c.task_id: plan[cluster] for cluster, members in free.items() for c in members}
        for plan in plans
    ]


def _pin(candidate: Candidate) -> MetaSplit | None:
    rule = candidate.spec.split
    if rule.meta_split is not None and rule.mode == "fixed":
        return MetaSplit(rule.meta_split)
    return named_split(candidate) if rule.mode == "named" else None


def _free_plans(free: Clusters, can_validate: CanValidate, seed: int) -> list[Plan]:
    some = next(iter(free.values()))[0]
    names = sorted(free)
    order = stable_rng(seed, "meta-split", some.problem).permutation(len(names))
    rotation = [names[i] for i in order]
    rule = some.spec.split
    if rule.mode == "random":
        return [_random(rotation, free, rule.fractions)]
    if rule.folds > len(rotation):
        raise ConfigurationError(
            f"problem '{some.problem}': {rule.folds} folds were asked for and there are {len(rotation)} "
            "clusters of tasks; lower 'folds', or set it to 0 to leave one out"
        )
    return _rotate(rotation, free, can_validate, rule.folds or len(rotation))


def _random(rotation: Sequence[str], free: Clusters, fractions: tuple[float, float, float]) -> Plan:
    """Cuts where the running number of tasks passes the fractions; each part gets a cluster if it can."""
    n = len(rotation)
    sizes = np.array([len(free[name]) for name in rotation])
    middles = np.cumsum(sizes) - sizes / 2
    train, validation = np.searchsorted(middles, np.cumsum(fractions)[:2] * sizes.sum())
    if n < 3:
        train = validation = 1
    else:
        train = min(max(train, 1), n - 2)
        validation = min(max(validation, train + 1), n - 1)
    parts = [MetaSplit.TRAIN] * train + [MetaSplit.VALIDATION] * (validation - train)
    parts += [MetaSplit.TEST] * (n - len(parts))
    return dict(zip(rotation, parts, strict=True))


def _rotate(rotation: Sequence[str], free: Clusters, can_validate: CanValidate, folds: int) -> list[Plan]:
    plans = []
    for fold, chunk in enumerate(np.array_split(np.arange(len(rotation)), folds)):
        test = [rotation[i] for i in chunk]
        after = [*rotation[chunk[-1] + 1 :], *rotation[: chunk[0]]]
        kinds = {task.target.target_type for name in test for task in free[name]}
        wanted = min(len(test), max(len(kinds), len(after) // 4), len(after) - 1)
        able = [name for name in after if any(can_validate(task, fold) for task in free[name])]
        plan = dict.fromkeys(rotation, MetaSplit.TRAIN)
        plan.update(dict.fromkeys(test, MetaSplit.TEST))
        plan.update(dict.fromkeys(_preferred(able, test, free)[:wanted], MetaSplit.VALIDATION))
        plans.append(plan)
    return plans


def _preferred(able: Sequence[str], test: Sequence[str], free: Clusters) -> list[str]:
    """Source clusters in the order in which they become validation tasks.

    Settings are chosen per target type: each type of the test tasks, the most frequent first, gets the
    next cluster of its own type; then come more of these types, then the rest, all in rotation.
    """
    tested = Counter(str(task.target.target_type) for name in test for task in free[name])
    alike = [
        [name for name in able if kind in {task.target.target_type for task in free[name]}]
        for kind, _ in sorted(tested.items(), key=lambda item: (-item[1], item[0]))
    ]
    first = [names[0] for names in alike if names]
    more = [name for name in able if any(name in names for names in alike)]
    return list(dict.fromkeys([*first, *more, *able]))
