"""Task construction from end to end: examples and task families in, the audited task catalog out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.sources.spec import TaskFamilySpec
from med_maml_pipeline.tasks.account import Account
from med_maml_pipeline.tasks.agreement import check_agreement
from med_maml_pipeline.tasks.audit import audit_problem
from med_maml_pipeline.tasks.catalog import BuiltFold, TaskCatalog, frames
from med_maml_pipeline.tasks.clusters import cluster_tasks
from med_maml_pipeline.tasks.episodes import draw_episodes
from med_maml_pipeline.tasks.families import Candidate, find_candidates
from med_maml_pipeline.tasks.feasibility import Shortfall
from med_maml_pipeline.tasks.groups import Sides, split_groups
from med_maml_pipeline.tasks.pools import Pool, check_pool, make_pool
from med_maml_pipeline.tasks.splits import Plan, named_split, plan_folds
from med_maml_pipeline.tasks.types import Examples, MetaSplit, Problem

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
    usable = _usable(candidates, account)
    folds = []
    made: set[tuple[str, str, str]] = set()
    for number, plan in enumerate(plan_folds(usable, clusters, seed)):
        pools = _pools(usable, plan, number, seed, account)
        made |= {pool.candidate.family for pool in pools}
        if {MetaSplit.TRAIN, MetaSplit.TEST} <= {pool.task.meta_split for pool in pools}:
            folds.append(_finish(pools, clusters, number, seed))
            continue
        for candidate in usable:
            account.add(candidate, f"fold {number}: no training or no test task (tasks)", kept=0, lost=1)
    account.require(candidates, made)
    if not folds:
        raise ConfigurationError(
            f"problem '{candidates[0].problem}' has no fold with both training and test tasks; add "
            "sources, or change the split rule of its task families"
        )
    return folds


def _usable(candidates: Sequence[Candidate], account: Account) -> list[Candidate]:
    """Tasks that a ``named`` rule does not leave out and that are large enough before any split."""
    usable = []
    for candidate in candidates:
        named = candidate.spec.split.mode != "named" or named_split(candidate) is not None
        account.add(candidate, "not named by the split rule (tasks)", kept=int(named), lost=int(not named))
        if not named:
            continue
        found = check_pool(candidate, candidate.rows())
        shortfall = found if isinstance(found, Shortfall) else None
        account.outcome(candidate, "too small (tasks)", shortfall)
        if shortfall is None:
            usable.append(candidate)
    return usable


def _pools(usable: Sequence[Candidate], plan: Plan, fold: int, seed: int, account: Account) -> list[Pool]:
    """Pools of one fold, each restricted to the groups of its meta-split."""
    sides: Sides = {}
    if usable and (fractions := usable[0].spec.group_split) is not None:
        tables = {candidate.examples.key: candidate.examples for candidate in usable}
        sides = split_groups(tables, fractions, problem=usable[0].problem, fold=fold, seed=seed)
    pools = []
    for candidate in usable:
        split = plan[candidate.task_id]
        side = sides.get(candidate.examples.key)
        allowed = None if side is None else side == list(MetaSplit).index(split)
        pool = make_pool(candidate, split, allowed, fold=fold, seed=seed)
        shortfall = pool if isinstance(pool, Shortfall) else None
        account.outcome(candidate, f"fold {fold}: too small in its groups (tasks)", shortfall)
        if isinstance(pool, Pool):
            pools.append(pool)
            _count(pool, fold, account)
    return pools


def _count(pool: Pool, fold: int, account: Account) -> None:
    kept = len(pool.task)
    asked = len(set(pool.candidate.spec.support.sizes))
    for step, left, lost in (
        ("disjointness (examples)", kept + pool.rare + pool.capped, pool.lost),
        ("over max_pool (examples)", kept + pool.rare, pool.capped),
        ("rare classes (examples)", kept, pool.rare),
        ("infeasible (support sizes)", len(pool.sizes), asked - len(pool.sizes)),
    ):
        account.add(pool.candidate, f"fold {fold}: {step}", kept=left, lost=lost)


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
    return BuiltFold(problem, pools, audit_problem(problem, clusters))
