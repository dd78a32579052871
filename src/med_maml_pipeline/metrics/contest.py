"""Learners side by side on the very same test episodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from med_maml_pipeline.metrics.probabilities import Floats
from med_maml_pipeline.metrics.scores import CLASSIFICATION_METRICS, REGRESSION_METRICS

__all__ = ["ALL_FOLDS", "Contest", "Entry", "contests"]

ALL_FOLDS = "all"
"""Value of ``fold`` in rows over all folds."""

_KEYS = ["source", "family", "protocol", "problem", "regression", "support_size", "n_shot"]
_COSTS = ["seconds_adapt", "seconds_meta_fit", "peak_memory_mib"]


@dataclass(frozen=True)
class Entry:
    """One learner's results on the ``e`` episodes of a contest.

    Attributes:
        lane: Lane.
        learners: ``[e]`` learner that gave the prediction (it varies where a choice is followed).
        by_seed: ``[s, e, m]`` metrics of each meta-training seed, in their order; NaN where undefined.
        costs: ``[e, 3]`` seconds of adaptation, seconds of meta-training, peak memory in MiB, each the mean
            over seeds.
    """

    lane: str
    learners: NDArray[np.object_]
    by_seed: Floats
    costs: Floats

    @property
    def values(self) -> Floats:
        """Metrics ``[e, m]``, each the mean over the seeds where it is defined; NaN where it is with none."""
        defined = ~np.isnan(self.by_seed)
        total = np.where(defined, self.by_seed, 0.0).sum(axis=0)
        count = defined.sum(axis=0)
        return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


@dataclass(frozen=True)
class Contest:
    """Test episodes that may be averaged, and every learner that was judged on all of them.

    Attributes:
        source / family / protocol / problem: Where the tasks are from.
        regression: Numeric targets, else classes.
        support_size: Declared support size.
        n_shot: Examples per class, or None under natural prevalence.
        fold: ``all``, or the number of a fold.
        episodes: ``e`` rows ``episode_id, task_id, fold, n_way``, by task and episode.
        entries: Results by learner.
    """

    source: str
    family: str
    protocol: str
    problem: str
    regression: bool
    support_size: int
    n_shot: int | None
    fold: str
    episodes: pd.DataFrame
    entries: Mapping[str, Entry]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the ``m`` metrics."""
        return REGRESSION_METRICS if self.regression else CLASSIFICATION_METRICS

    @property
    def folds(self) -> list[int]:
        """Folds that the episodes are from."""
        return sorted(int(fold) for fold in self.episodes["fold"].unique())

    @property
    def n_way(self) -> int | None:
        """Number of classes in an episode; None where it varies or targets are numbers or several labels."""
        ways = self.episodes["n_way"].unique()
        return int(ways[0]) if len(ways) == 1 and ways[0] > 0 else None

    def following(self, choice: Mapping[int, str | None], lane: str) -> Entry | None:
        """The results of the learner chosen in each fold, as one entry; None where a fold has no choice."""
        names = [choice[int(fold)] for fold in self.episodes["fold"]]
        if any(name is None for name in names):
            return None
        rows = [(self.entries[str(name)], position) for position, name in enumerate(names)]
        return Entry(
            lane,
            np.array(names, dtype=object),
            np.stack([entry.by_seed[:, position] for entry, position in rows], axis=1),
            np.stack([entry.costs[position] for entry, position in rows]),
        )


def contests(judged: pd.DataFrame) -> Iterator[Contest]:
    """Splits scored predictions (see `judged_predictions`) into contests, in order of name and size.

    Each is given over all folds, then, where there is more than one, fold by fold.
    """
    for key, rows in judged.groupby(_KEYS, dropna=False, sort=True):
        yield _contest(key, ALL_FOLDS, rows)
        folds = sorted(rows["fold"].unique())
        for fold in folds if len(folds) > 1 else ():
            yield _contest(key, str(fold), rows[rows["fold"] == fold])


def _contest(key: Any, fold: str, rows: pd.DataFrame) -> Contest:
    source, family, protocol, problem, regression, size, shots = key
    columns = ["episode_id", "task_id", "fold", "n_way"]
    episodes = rows[columns].drop_duplicates().sort_values(["task_id", "episode_id"])
    return Contest(
        source,
        family,
        protocol,
        problem,
        bool(regression),
        int(size),
        None if pd.isna(shots) else int(shots),
        fold,
        episodes.reset_index(drop=True),
        _entries(rows, episodes["episode_id"], REGRESSION_METRICS if regression else CLASSIFICATION_METRICS),
    )


def _entries(rows: pd.DataFrame, order: pd.Series, metrics: Sequence[str]) -> dict[str, Entry]:
    entries = {}
    for learner, own in rows.groupby("learner", sort=True):
        seeds = [
            one.set_index("episode_id") for _, one in own.groupby(own.groupby("episode_id")["seed"].rank())
        ]
        if all(
            len(one) == len(order) for one in seeds
        ):  # else some fold lacks it: no place beside the others
            tables = [one.loc[order] for one in seeds]
            names = np.array([learner] * len(order), dtype=object)
            by_seed = np.stack([one[list(metrics)].to_numpy(dtype=np.float64) for one in tables])
            costs = np.mean([one[_COSTS].to_numpy(dtype=np.float64) for one in tables], axis=0)
            entries[str(learner)] = Entry(str(own["lane"].iloc[0]), names, by_seed, costs)
    return entries
