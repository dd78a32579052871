"""Task construction from end to end: examples and task families in, the audited task catalog out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.sources.spec import TaskFamilySpec
from med_maml_pipeline.tasks.account import Account, infeasible
from med_maml_pipeline.tasks.agreement import check_agreement
from med_maml_pipeline.tasks.audit import audit_problem
from med_maml_pipeline.tasks.candidate import Candidate
from med_maml_pipeline.tasks.catalog import BuiltFold, TaskCatalog, frames
from med_maml_pipeline.tasks.class_tasks import class_shortfall, joined_tasks, short_class, shown_classes
from med_maml_pipeline.tasks.clusters import cluster_tasks
from med_maml_pipeline.tasks.episodes import draw_episodes
from med_maml_pipeline.tasks.families import find_candidates
from med_maml_pipeline.tasks.feasibility import Shortfall
from med_maml_pipeline.tasks.groups import GroupSplit
from med_maml_pipeline.tasks.held_labels import held_labels
from med_maml_pipeline.tasks.pools import Pool, cap_rows, check_pool, make_pool
from med_maml_pipeline.tasks.splits import Plan, named_split, plan_folds
from med_maml_pipeline.tasks.types import Examples, IntArray, MetaSplit, Problem

__all__ = ["build_tasks"]


def build_tasks(
    examples: Mapping[str, Examples], specs: Mapping[str, tuple[TaskFamilySpec, ...]], seed: int
) -> TaskCatalog:
    """Makes tasks, pools and episodes, and audits them.

    Splits, folds and episodes depend on data, names and seed: not on the identifier key, the order of
    tables, or sources of other problems.

    Args:
        examples: Tables of one modality by key.
        specs: Task families by source name.
        seed: Seed of splits, pools and episodes, not negative.

    Raises:
        ConfigurationError: families that contradict each other or the data's columns.
        InfeasibleTaskError: fewer groups than the support asks for, in a named task or a whole family.
        LeakageError: meta-splits share tasks, clusters or groups and no waiver admits it.
    """
    account = Account()
    folds: list[BuiltFold] = []
    for _, members in groupby(find_candidates(examples, specs), key=lambda candidate: candidate.problem):
        folds += _build_problem(list(members), seed, account)
    return frames(folds, account.rows())


def _build_problem(candidates: list[Candidate], seed: int, account: Account) -> list[BuiltFold]:
    check_agreement(candidates)
    clusters = cluster_tasks(candidates)
    groups = GroupSplit.of(candidates, seed)
    usable = _usable(candidates, account)

    def can_validate(candidate: Candidate, fold: int) -> bool:
        return _shortfall(candidate, groups.rows(candidate, MetaSplit.VALIDATION, fold)) is None

    folds = []
    made: set[tuple[str, str, str]] = set()
    for number, plan in enumerate(plan_folds(usable, clusters, can_validate, seed)):
        pools = _pools(usable, plan, groups, number, account)
        made |= {pool.candidate.family for pool in pools}
        complete = {MetaSplit.TRAIN, MetaSplit.TEST} <= {pool.task.meta_split for pool in pools}
        for pool in pools:
            _count(pool, number, account, complete=complete)
        if complete:
            folds.append(_finish(pools, clusters, number, seed))
    account.require(candidates, made)
    if not folds:
        raise ConfigurationError(
            f"problem '{candidates[0].problem}' has no fold with both training and test tasks; add "
            "sources, or change the split rule of its task families"
        )
    return folds


def _usable(candidates: Sequence[Candidate], account: Account) -> list[Candidate]:
    """Tasks and classes that a ``named`` rule keeps and that are large enough before any split."""
    usable = []
    for candidate in candidates:
        rule, unit = candidate.spec.split, "classes" if candidate.classes else "tasks"
        named = rule.mode != "named" or bool(rule.rotations) or named_split(candidate) is not None
        account.add(candidate, f"not named by the split rule ({unit})", kept=int(named), lost=int(not named))
        if not named:
            continue
        shortfall = _shortfall(candidate, candidate.rows())
        account.outcome(candidate, f"too small ({unit})", shortfall)
        if shortfall is None:
            usable.append(candidate)
    return usable


def _shortfall(candidate: Candidate, rows: IntArray) -> Shortfall | None:
    """What a task, or a class, falls short of with these rows."""
    if candidate.classes:
        return class_shortfall(candidate, rows)
    found = check_pool(candidate, rows)
    return found if isinstance(found, Shortfall) else None


def _pools(
    usable: Sequence[Candidate], plan: Plan, groups: GroupSplit, fold: int, account: Account
) -> list[Pool]:
    """Pools of one fold, each within the groups of its meta-split."""
    pools = []
    for candidate, split in joined_tasks(usable, plan):
        rows = groups.rows(candidate, split, fold)
        pool = make_pool(candidate, split, rows, fold=fold, seed=groups.seed)
        shortfall = pool if isinstance(pool, Shortfall) else None
        if candidate.classes:
            kept = pool.classes if isinstance(pool, Pool) else ()
            _count_classes(
                candidate, cap_rows(candidate, rows, fold=fold, seed=groups.seed), kept, fold, account
            )
        account.outcome(candidate, "too small in the groups of its meta-split (tasks)", shortfall, fold)
        if isinstance(pool, Pool):
            pools.append(pool)
            left = len(candidate.labels) - len(pool.candidate.labels)
            account.add(
                candidate, "rare labels (labels)", kept=len(pool.candidate.labels), lost=left, fold=fold
            )
    return pools


def _count_classes(
    candidate: Candidate, rows: IntArray, kept: tuple[int, ...], fold: int, account: Account
) -> None:
    """Counts the classes of a task that stay; stops the run where a configured one cannot."""
    short = short_class(candidate, rows, kept)
    if short is not None:
        raise infeasible(*short)
    step = "too small in the groups of its meta-split (classes)"
    account.add(candidate, step, kept=len(kept), lost=len(candidate.classes) - len(kept), fold=fold)
    left = 0 if kept else len(candidate.rows())
    account.add(candidate, "of classes without a task (examples)", kept=0, lost=left, fold=fold)


def _count(pool: Pool, fold: int, account: Account, *, complete: bool) -> None:
    step = "left out with a fold without training or test task (tasks)"
    account.add(pool.candidate, step, kept=int(complete), lost=int(not complete), fold=fold)
    if not complete:
        return
    kept = len(pool.task)
    stored = pool.task.meta_split != MetaSplit.TRAIN
    asked = len(set(pool.candidate.spec.support.sizes)) if stored else len(pool.sizes)
    for step, left, lost in (
        ("lost to disjointness (examples)", kept + pool.rare + pool.capped, pool.lost),
        ("over max_pool (examples)", kept + pool.rare, pool.capped),
        ("rare classes (examples)", kept, pool.rare),
        ("infeasible (support sizes)", len(pool.sizes), asked - len(pool.sizes)),
    ):
        account.add(pool.candidate, step, kept=left, lost=lost, fold=fold)


def _finish(pools: Sequence[Pool], clusters: Mapping[str, str], fold: int, seed: int) -> BuiltFold:
    """Draws the episodes of one fold and audits it."""
    some = pools[0].candidate
    episodes = [
        episode
        for pool in pools
        if pool.task.meta_split != MetaSplit.TRAIN
        for episode in draw_episodes(
            pool.task, pool.sizes, pool.candidate.spec.support, problem=some.problem, fold=fold, seed=seed
        )
    ]
    problem = Problem(
        name=some.problem,
        fold=fold,
        tables={pool.task.examples: pool.candidate.examples.inputs for pool in pools},
        tasks=tuple(pool.task for pool in pools),
        episodes=tuple(episodes),
        shared_inputs=some.spec.shared_inputs,
        protocol=some.spec.protocol,
    )
    held = {pool.task.task_id: {clusters[part] for part in pool.candidate.parts} for pool in pools}
    audit = audit_problem(problem, held, shown_classes(pools), held_labels(pools))
    return BuiltFold(problem, pools, audit)
