"""Meta-splits: which tasks are for training, for selection and for the verdict, fold by fold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.tasks.candidate import Candidate
from med_maml_pipeline.tasks.seeding import stable_rng
from med_maml_pipeline.tasks.types import MetaSplit

__all__ = ["Plan", "named_split", "plan_folds"]

CanValidate = Callable[[Candidate, int], bool]
Clusters = Mapping[str, Sequence[Candidate]]
Plan = dict[str, MetaSplit]
"""Meta-split by task id (or by cluster, while it is being made)."""


def named_split(candidate: Candidate, fold: int = 0) -> MetaSplit | None:
    """Meta-split in whose list of a ``named`` rule the label stands in this fold; None when in no list."""
    rule = candidate.spec.split
    lists = rule.rotations[fold] if rule.rotations else rule
    named = {MetaSplit.VALIDATION: lists.validation, MetaSplit.TEST: lists.test, MetaSplit.TRAIN: rule.train}
    return next((split for split, labels in named.items() if candidate.label in labels), None)


def plan_folds(
    candidates: Sequence[Candidate], clusters: Mapping[str, str], can_validate: CanValidate, seed: int
) -> list[Plan]:
    """Assigns the tasks of one problem to meta-splits, once per fold.

    Tasks of ``fixed`` and ``named`` families are pinned, those of rotations anew in each fold. Clusters
    without a pinned task are split by the rule that the other families share; a task whose cluster holds a
    pinned task follows it, so that near-copies of a test task in another source never train. Everything
    depends on seed and names alone.

    Args:
        candidates: Tasks of one problem, or classes, which are planned alike.
        clusters: Cluster by task id.
        can_validate: Whether a task has enough groups to serve as a validation task of a fold.
        seed: Seed of the run.

    Returns:
        One mapping per fold: task id → meta-split.

    Raises:
        ConfigurationError: more folds than clusters, or than pairs of classes.
    """
    turns = max([1, *(len(c.spec.split.rotations) for c in candidates)])
    pinned = [_pinned(candidates, clusters, fold) for fold in range(turns)]
    free: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        if candidate.task_id not in pinned[0]:
            free.setdefault(clusters[candidate.task_id], []).append(candidate)
    if not free:
        return pinned
    trained = MetaSplit.TRAIN in pinned[0].values()
    plans = _free_plans(free, can_validate, seed, trained=trained)
    return [
        pins | {c.task_id: plan[cluster] for cluster, members in free.items() for c in members}
        for pins, plan in zip(pinned if turns > 1 else pinned * len(plans), plans, strict=True)
    ]


def _pinned(candidates: Sequence[Candidate], clusters: Mapping[str, str], fold: int) -> Plan:
    """Tasks that a rule or a cluster holds in one fold; clusters that rotations do not name train."""
    pins = {c.task_id: split for c in candidates if (split := _pin(c, fold)) is not None}
    held = {clusters[task_id]: split for task_id, split in pins.items()}
    for candidate in candidates:
        if candidate.spec.split.rotations:
            held.setdefault(clusters[candidate.task_id], MetaSplit.TRAIN)
    return {c.task_id: held[clusters[c.task_id]] for c in candidates if clusters[c.task_id] in held} | pins


def _pin(candidate: Candidate, fold: int) -> MetaSplit | None:
    rule = candidate.spec.split
    if rule.meta_split is not None and rule.mode == "fixed":
        return MetaSplit(rule.meta_split)
    return named_split(candidate, fold) if rule.mode == "named" else None


def _free_plans(free: Clusters, can_validate: CanValidate, seed: int, *, trained: bool) -> list[Plan]:
    some = next(iter(free.values()))[0]
    names = sorted(free)
    order = stable_rng(seed, "meta-split", some.problem).permutation(len(names))
    rotation = [names[i] for i in order]
    rule = some.spec.split
    # Two classes make a task, so a meta-split needs two; of whole tasks it needs one.
    least = 2 if any(task.classes for members in free.values() for task in members) else 1
    if rule.mode == "random":
        return [_random(rotation, free, rule.fractions, least)]
    if rule.folds > len(rotation):
        raise ConfigurationError(
            f"problem '{some.problem}': {rule.folds} folds were asked for and there are {len(rotation)} "
            "clusters of tasks; lower 'folds', or set it to 0 to leave one out"
        )
    folds = rule.folds or len(rotation)
    members = sum(map(len, free.values()))
    if members < least * folds:
        raise ConfigurationError(
            f"problem '{some.problem}': {folds} folds of {members} classes leave one class to test on, and "
            f"it takes two to make a task; set 'folds' to {members // least} or less"
        )
    training = 0 if trained else least
    return _rotate(rotation, free, can_validate, folds, least, training)


def _random(
    rotation: Sequence[str], free: Clusters, fractions: tuple[float, float, float], least: int
) -> Plan:
    """Cuts where the running number of tasks passes the fractions; each part gets ``least`` if it can."""
    n = len(rotation)
    sizes = np.array([len(free[name]) for name in rotation])
    middles = np.cumsum(sizes) - sizes / 2
    train, validation = np.searchsorted(middles, np.cumsum(fractions)[:2] * sizes.sum())
    if n < 3 * least:
        train = validation = max(n - least, 1)
    else:
        train = min(max(train, least), n - 2 * least)
        validation = min(max(validation, train + least), n - least)
    parts = [MetaSplit.TRAIN] * train + [MetaSplit.VALIDATION] * (validation - train)
    parts += [MetaSplit.TEST] * (n - len(parts))
    return dict(zip(rotation, parts, strict=True))


def _rotate(
    rotation: Sequence[str],
    free: Clusters,
    can_validate: CanValidate,
    folds: int,
    least: int,
    training: int,
) -> list[Plan]:
    """Tests each cluster once; ``least`` and ``training`` clusters are kept to validate and to train on."""
    plans = []
    for fold, chunk in enumerate(np.array_split(np.arange(len(rotation)), folds)):
        test = [rotation[i] for i in chunk]
        after = [*rotation[chunk[-1] + 1 :], *rotation[: chunk[0]]]
        kinds = {task.target.target_type for name in test for task in free[name]}
        wanted = min(max(len(test), least), max(len(kinds), least, len(after) // 4), len(after) - training)
        able = [name for name in after if any(can_validate(task, fold) for task in free[name])]
        chosen = _preferred(able, test, free)[: max(wanted, 0)]
        plan = dict.fromkeys(rotation, MetaSplit.TRAIN)
        plan.update(dict.fromkeys(test, MetaSplit.TEST))
        if len(chosen) >= least:
            plan.update(dict.fromkeys(chosen, MetaSplit.VALIDATION))
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
