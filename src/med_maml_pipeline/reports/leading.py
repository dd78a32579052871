"""Predictions of the learners that stand for their lanes, at the largest support size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from med_maml_pipeline.metrics.choice import (
    CHOSEN_CLASSICAL,
    CHOSEN_OURS,
    CLASSICAL_LANE,
    OUR_LANES,
    choose_learner,
)
from med_maml_pipeline.metrics.judged import episode_ways, label_counts
from med_maml_pipeline.metrics.multilabel import by_label
from med_maml_pipeline.metrics.scores import REGRESSION_METRICS
from med_maml_pipeline.reports.board import largest, primary
from med_maml_pipeline.tasks.types import MetaSplit, TargetType

__all__ = ["leading_predictions"]

_PLACE = ["source", "family", "protocol"]
_FOLLOWED = {CHOSEN_CLASSICAL: ((CLASSICAL_LANE,), CLASSICAL_LANE), CHOSEN_OURS: (OUR_LANES, "ensemble")}


def leading_predictions(
    marked: pd.DataFrame,
    predictions: pd.DataFrame,
    tasks: pd.DataFrame,
    episodes: pd.DataFrame,
    selection: pd.DataFrame,
) -> pd.DataFrame:
    """Classification predictions behind the curves.

    Args:
        marked: Scoreboard rows with ``leader`` (see `mark_leaders`).
        predictions / tasks / episodes / selection: As for `build_scoreboard`.

    Returns:
        Rows of ``predictions`` with ``source, family, protocol, n_way, support_size, n_shot``; of several
        labels one per label, as if it were binary. Where folds rotate, rows of `CHOSEN_CLASSICAL` and
        `CHOSEN_OURS` are those of the learner that each fold chose.
    """
    placed = _placed(predictions, tasks, episodes)
    leaders = largest(primary(marked[marked["leader"]]))
    wanted = leaders[~leaders["metric"].isin(REGRESSION_METRICS)].rename(columns={"task_family": "family"})
    wanted = wanted[[*_PLACE, "learner"]].drop_duplicates()
    choices = _followed(placed, selection) if len(selection) else ()
    followed = [rows.assign(learner=name, lane=lane) for name, lane, rows in choices]
    rows = pd.concat([placed, *followed]).merge(wanted, on=[*_PLACE, "learner"])
    return by_label(rows, rows.pop("n_labels").tolist())


def _placed(predictions: pd.DataFrame, tasks: pd.DataFrame, episodes: pd.DataFrame) -> pd.DataFrame:
    test = tasks[(tasks["meta_split"] == MetaSplit.TEST) & (tasks["target_type"] != TargetType.REGRESSION)]
    facts = test[["problem", "fold", "task_id", *_PLACE]].assign(
        n_way=episode_ways(test), n_labels=label_counts(test)
    )
    placed = predictions.merge(facts, on=["problem", "fold", "task_id"])
    placed = placed.merge(episodes[["episode_id", "support_size", "n_shot"]], on="episode_id")
    top = placed.groupby(_PLACE)["support_size"].transform("max")
    return placed[placed["support_size"] == top]


def _followed(placed: pd.DataFrame, selection: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    keys = ["problem", "fold", *_PLACE, "support_size"]
    parts: Iterable[tuple[Any, pd.DataFrame]] = placed.groupby(keys)
    for (problem, fold, _, family, _, size), rows in parts:
        for name, (lanes, lane) in _FOLLOWED.items():
            candidates = rows.loc[rows["lane"].isin(lanes), "learner"].unique().tolist()
            chosen = choose_learner(
                selection,
                candidates,
                problem=problem,
                fold=fold,
                family=family,
                regression=False,
                support_size=size,
            )
            if chosen is not None:
                yield name, lane, rows[rows["learner"] == chosen]
