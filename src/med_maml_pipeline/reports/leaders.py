"""Which learner stands for its lane: the one that validation tasks chose, never the best on test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pandas as pd

from med_maml_pipeline.metrics.choice import CHOSEN_CLASSICAL, choose_by_fold
from med_maml_pipeline.metrics.scores import REGRESSION_METRICS
from med_maml_pipeline.reports.board import need
from med_maml_pipeline.reports.figures.lines import ALONE

__all__ = ["mark_leaders"]

_GROUP = ["source", "task_family", "protocol", "support_size", "lane"]
_TASKS = ("problem", "fold", "source", "family", "protocol")


def mark_leaders(scoreboard: pd.DataFrame, selection: pd.DataFrame, tasks: pd.DataFrame) -> pd.DataFrame:
    """Adds the column ``leader``: True for the learner that stands for its lane.

    Controls and ensembles stand for themselves. Where folds rotate and each made its own choice, the row
    that follows those choices leads the classical lane; in the other lanes it is the learner that most folds
    chose. A lane of several learners without any validation value has no choice: all of its learners lead.

    Args:
        scoreboard: Scoreboard rows of one modality.
        selection: Settings tried on validation tasks.
        tasks: Task table: it says which problems a source's families belong to.
    """
    if len(tasks):
        need(tasks, _TASKS, "tasks")
    places = {
        key: list(part[["problem", "fold"]].drop_duplicates().itertuples(index=False, name=None))
        for key, part in (tasks.groupby(["source", "family", "protocol"]) if len(tasks) else ())
    }
    regression = scoreboard["metric"].isin(REGRESSION_METRICS).rename("regression")
    leader = pd.Series(False, index=scoreboard.index)
    cells: Iterable[tuple[Any, pd.DataFrame]] = scoreboard.groupby([*_GROUP, regression])
    for (source, family, protocol, size, lane, numeric), rows in cells:
        candidates = sorted(set(rows["learner"]))
        found = places.get((source, family, protocol), [])
        names = _leaders(lane, candidates, found, selection, family, bool(numeric), int(size))
        leader[rows.index[rows["learner"].isin(names)]] = True
    return scoreboard.assign(leader=leader)


def _leaders(
    lane: str,
    candidates: list[str],
    places: Iterable[tuple[str, int]],
    selection: pd.DataFrame,
    family: str,
    regression: bool,
    size: int,
) -> list[str]:
    if lane in ALONE or len(candidates) < 2 or selection.empty:
        return candidates
    if CHOSEN_CLASSICAL in candidates:
        return [CHOSEN_CLASSICAL]
    choice = choose_by_fold(
        selection, candidates, places, family=family, regression=regression, support_size=size
    )
    votes = Counter(choice.values())
    del votes[None]
    if not votes:
        return candidates
    most = max(votes.values())
    return [min(str(name) for name, count in votes.items() if count == most)]
