"""A tiny trained checkpoint without Kedro, and a user's tables for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from med_maml_pipeline.learners.checkpoints import checkpoint_files
from med_maml_pipeline.learners.described_inputs import describe_inputs, input_files
from med_maml_pipeline.learners.registry import CORE, get_learner, roster
from med_maml_pipeline.learners.training import Effort, Trained, meta_train
from med_maml_pipeline.tasks.types import (
    Episode,
    FeatureKind,
    FeatureTable,
    MetaSplit,
    Problem,
    TargetType,
    Task,
)

NAMES = ("age", "creatinine", "visits", "sex=f", "sex=m")
KINDS = (
    *(FeatureKind.NUMERIC, FeatureKind.NUMERIC, FeatureKind.COUNT),
    *(FeatureKind.INDICATOR, FeatureKind.INDICATOR),
)
ROWS = 40


@dataclass
class Store:
    """Files of a checkpoint snapshot in memory."""

    files: dict[str, Any] = field(default_factory=dict)

    def names(self, prefix: str = "") -> Sequence[str]:
        return [name for name in self.files if name.startswith(prefix)]

    def read(self, name: str) -> Any:
        return self.files[name]


def rows(n: int, seed: int) -> pd.DataFrame:
    """Patients with a raw column ``sex`` and a label that depends on creatinine."""
    rng = np.random.default_rng(seed)
    creatinine = rng.normal(1.0, 0.3, n).round(3)
    return pd.DataFrame(
        {
            "id": [f"case-{i:03d}" for i in range(n)],
            "age": rng.integers(20, 90, n),
            "creatinine": creatinine,
            "visits": rng.poisson(2, n),
            "sex": rng.choice(["f", "m"], n),
            "label": (creatinine > np.median(creatinine)).astype(int),
        }
    )


def encoded(frame: pd.DataFrame) -> np.ndarray:
    """The features in the order of `NAMES`, by other means than the room's."""
    x = frame[["age", "creatinine", "visits"]].to_numpy(dtype=np.float32)
    return np.column_stack([x, frame["sex"] == "f", frame["sex"] == "m"]).astype(np.float32)


@cache
def problem(*, shared: bool = True, alike: bool = False) -> Problem:
    """Two tasks to train and one to validate over one table, each with episodes of 5 + 5.

    Args:
        shared: Whether tasks share their inputs.
        alike: Whether "positive" means alike in them: with it the zero-shot prior takes part.
    """
    x = encoded(rows(3 * ROWS, seed=1))
    splits = (MetaSplit.TRAIN, MetaSplit.TRAIN, MetaSplit.VALIDATION)
    tasks = tuple(replace(_task(n, split, x), shared_meaning=alike) for n, split in enumerate(splits))
    episodes = tuple(
        Episode(f"e/{draw}", tasks[2].task_id, *_drawn(tasks[2], draw), n_shot=5, support_size=5, draw=draw)
        for draw in range(2)
    )
    return Problem("p", 0, {"s/main": FeatureTable(x, NAMES, KINDS)}, tasks, episodes, shared_inputs=shared)


def _task(number: int, split: MetaSplit, x: np.ndarray) -> Task:
    at = np.arange(number * ROWS, (number + 1) * ROWS)
    y = (x[at, 1] > np.median(x[at, 1])).astype(np.float32)
    return Task(f"s/main/f/{number}", "s/main", "f", "s", TargetType.BINARY, 2, split, at, y, at)


def _drawn(task: Task, draw: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(draw)
    support = np.concatenate([rng.permutation(np.flatnonzero(task.y == label))[:5] for label in (0, 1)])
    return np.sort(support), np.setdiff1d(np.arange(len(task)), support)


@cache
def trained(
    lane: str,
    *,
    shared: bool = True,
    alike: bool = False,
    seeds: tuple[int, ...] = (0,),
    learners: tuple[str, ...] = CORE,
) -> Store:
    """The snapshot that meta-training of a lane leaves. Not to be changed: take a copy of ``files``."""
    own = problem(shared=shared, alike=alike)
    done = meta_trained(lane, shared=shared, alike=alike, seeds=seeds, learners=learners)
    schema = {"features": NAMES, "kinds": KINDS, "image": None, "preprocessing": {}}
    chosen = selection_of(done)
    store = Store()
    for t in done:
        store.files |= dict(checkpoint_files(t.key, t.checkpoint))
    inputs = describe_inputs(own, "ehr", {"s/main": schema})
    store.files |= dict(input_files("p", 0, inputs, chosen[chosen["chosen"].astype(bool)]))
    return store


@cache
def meta_trained(
    lane: str, *, shared: bool, alike: bool, seeds: tuple[int, ...], learners: tuple[str, ...]
) -> tuple[Trained, ...]:
    """Those of the learners that are the lane's, meta-trained for three steps."""
    own = problem(shared=shared, alike=alike)
    here = [name for name in roster(learners, lane) if get_learner(name).supports(own)]
    tiny = {name: {"steps": 3, "hidden": (8,)} for name in here}
    return tuple(meta_train([own], here, Effort(2, 1, 2, tiny), seeds))


def selection_of(done: Sequence[Trained]) -> pd.DataFrame:
    """Their selection as one table."""
    return pd.concat([t.selection for t in done], ignore_index=True)


def tables(folder: Path, frame: pd.DataFrame, n_support: int) -> tuple[Path, Path]:
    """The first rows as a support table, the others as a query table without label."""
    support, query = folder / "support.csv", folder / "query.csv"
    frame.iloc[:n_support].to_csv(support, index=False)
    frame.iloc[n_support:].drop(columns="label", errors="ignore").to_csv(query, index=False)
    return support, query
