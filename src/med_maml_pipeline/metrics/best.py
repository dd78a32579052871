"""Ours against the references: one line per cell, who speaks for each side chosen on validation tasks."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from med_maml_pipeline.metrics.choice import (
    CHOSEN_CLASSICAL,
    CHOSEN_OURS,
    CLASSICAL_LANE,
    OUR_LANES,
    PRIOR,
    choose_by_fold,
)
from med_maml_pipeline.metrics.contest import ALL_FOLDS
from med_maml_pipeline.metrics.scores import REGRESSION_METRICS
from med_maml_pipeline.tasks.types import MetaSplit, TargetType

__all__ = ["BEST_COLUMNS", "best_of_ours"]

_CELL = ["modality", "source", "task_family", "protocol", "support_size"]
_KEPT = ["n_way", "n_shot", "n_tasks", "n_episodes"]
_VALUE = ["value", "ci_low", "ci_high"]
_DIFFERENCES = [
    "diff_to_classical",
    "diff_low",
    "diff_high",
    "diff_to_prior",
    "diff_to_prior_low",
    "diff_to_prior_high",
]

BEST_COLUMNS = (
    *_CELL,
    "metric",
    *_KEPT,
    "ours",
    "ours_lane",
    *_VALUE,
    "classical",
    *(f"classical_{name}" for name in _VALUE),
    "prior",
    *(f"prior_{name}" for name in _VALUE),
    *_DIFFERENCES,
)


@dataclass(frozen=True)
class _Choice:
    """Row of the scoreboard that speaks for a side, and the learners behind it."""

    row: str
    learners: tuple[str, ...]


def best_of_ours(scoreboard: pd.DataFrame, selection: pd.DataFrame, tasks: pd.DataFrame) -> pd.DataFrame:
    """The learner of ours that validation tasks chose, the best classical one and the prior, cell by cell.

    Args:
        scoreboard: Scoreboard of one modality.
        selection: Every setting tried on validation episodes, of all lanes of that modality.
        tasks: Its task table.

    Returns:
        `BEST_COLUMNS`, a row per cell and metric over all folds. Names and figures are blank for a side that
        was not run or could not be chosen. Where folds chose different learners, all are named.
    """
    board = scoreboard[scoreboard["fold"].astype(str) == ALL_FOLDS]
    records: list[dict[Hashable, object]] = []
    for _, cell in board.groupby(_CELL, sort=True):
        for regression in (False, True):
            rows = cell[cell["metric"].isin(REGRESSION_METRICS) == regression]
            if len(rows):
                records.extend(_records(rows, selection, tasks, regression))
    return pd.DataFrame(records, columns=list(BEST_COLUMNS))


def _records(
    rows: pd.DataFrame, selection: pd.DataFrame, tasks: pd.DataFrame, regression: bool
) -> Iterator[dict[Hashable, object]]:
    ours = _choose(rows, selection, tasks, regression, OUR_LANES, CHOSEN_OURS)
    classical = _choose(rows, selection, tasks, regression, (CLASSICAL_LANE,), CHOSEN_CLASSICAL)
    lane_of = dict(zip(rows["learner"], rows["lane"], strict=True))
    for metric, judged in rows.groupby("metric", sort=False):
        by_learner = judged.set_index("learner")
        record: dict[Hashable, object] = {"metric": metric}
        record.update(judged.iloc[0][[*_CELL, *_KEPT]].items())
        if ours is not None:
            own = by_learner.loc[ours.row]
            lanes = ", ".join(dict.fromkeys(lane_of[name] for name in ours.learners))
            record |= {"ours": ", ".join(ours.learners), "ours_lane": lanes}
            record.update(own[[*_KEPT, *_VALUE, *_DIFFERENCES]].items())
        if classical is not None:
            record |= {"classical": ", ".join(classical.learners)}
            record.update(by_learner.loc[classical.row][_VALUE].add_prefix("classical_").items())
        if PRIOR in by_learner.index:
            record |= {"prior": PRIOR}
            record.update(by_learner.loc[PRIOR][_VALUE].add_prefix("prior_").items())
        yield record


def _choose(
    rows: pd.DataFrame,
    selection: pd.DataFrame,
    tasks: pd.DataFrame,
    regression: bool,
    lanes: Sequence[str],
    followed: str,
) -> _Choice | None:
    """The same choice that `build_scoreboard` makes, read back from the tables."""
    source, family, protocol, size = rows.iloc[0][_CELL[1:]]
    candidates = rows.loc[rows["lane"].isin(lanes) & (rows["learner"] != followed), "learner"].unique()
    places = _problem_folds(tasks, selection, source, family, protocol, regression)
    choice = choose_by_fold(
        selection, candidates, places, family=family, regression=regression, support_size=size
    )
    names = list(choice.values())
    chosen = tuple(sorted({name for name in names if name is not None}))
    if followed in set(rows["learner"]):
        return _Choice(followed, chosen)
    return _Choice(chosen[0], chosen) if len(names) == 1 and chosen else None


def _problem_folds(
    tasks: pd.DataFrame, selection: pd.DataFrame, source: str, family: str, protocol: str, regression: bool
) -> list[tuple[str, int]]:
    """Problem and folds that judged a cell: those with test tasks of it and a selection."""
    judged = tasks[
        (tasks["meta_split"] == MetaSplit.TEST)
        & (tasks["source"] == source)
        & (tasks["family"] == family)
        & (tasks["protocol"] == protocol)
        & ((tasks["target_type"] == TargetType.REGRESSION) == regression)
    ]
    trained = set(zip(selection["problem"], selection["fold"], strict=True))
    pairs = set(zip(judged["problem"], judged["fold"], strict=True))
    return sorted(pairs & trained)
