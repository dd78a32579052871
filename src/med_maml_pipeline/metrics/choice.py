"""Which learner speaks for its side: chosen on validation tasks, never on test."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pandas as pd

from med_maml_pipeline.metrics.scores import REGRESSION_METRICS

__all__ = [
    "CHOSEN_CLASSICAL",
    "CHOSEN_OURS",
    "CLASSICAL_LANE",
    "OUR_LANES",
    "PRIOR",
    "choose_by_fold",
    "choose_learner",
]

OUR_LANES = ("optimisation", "metric", "model", "transfer")
CLASSICAL_LANE = "classical"
PRIOR = "prior"
"""Learner whose rows are the zero-shot prior."""

CHOSEN_OURS = "chosen_ours"
CHOSEN_CLASSICAL = "chosen_classical"
"""Learners of the rows that follow the choice of each fold, where there is more than one fold."""


def choose_learner(
    selection: pd.DataFrame,
    learners: Collection[str],
    *,
    problem: str,
    fold: int,
    family: str,
    regression: bool,
    support_size: int,
) -> str | None:
    """The learner with the highest mean validation value, settings as chosen there.

    Looks at validation episodes of the same problem and fold only: another fold's validation tasks may be
    this fold's test tasks. Prefers the same kind of target (classes or numbers), then the same family, then
    the nearest support size (the smaller one of two). Ties go to the first name.

    Args:
        selection: ``problem, fold, family, learner, support_size, metric, value, n_episodes, chosen``;
            ``metric`` tells numeric targets from classes.
        learners: Candidates.
        problem / fold / family / regression / support_size: The test episodes to choose for.

    Returns:
        A name, or None where no candidate has a validation value.
    """
    rows = selection[
        selection["chosen"].astype(bool)
        & selection["value"].notna()
        & (selection["problem"] == problem)
        & (selection["fold"] == fold)
        & selection["learner"].isin(list(learners))
    ]
    if rows.empty:
        return None
    alike = rows["metric"].isin(REGRESSION_METRICS) == regression
    rows = rows[alike] if alike.any() else rows
    if (rows["family"] == family).any():
        rows = rows[rows["family"] == family]
    return _highest(_nearest(rows, support_size))


def choose_by_fold(
    selection: pd.DataFrame,
    learners: Collection[str],
    places: Iterable[tuple[str, int]],
    *,
    family: str,
    regression: bool,
    support_size: int,
) -> dict[tuple[str, int], str | None]:
    """The choice of `choose_learner` in every (problem, fold) of ``places``."""
    return {
        (problem, fold): choose_learner(
            selection,
            learners,
            problem=problem,
            fold=fold,
            family=family,
            regression=regression,
            support_size=support_size,
        )
        for problem, fold in places
    }


def _nearest(rows: pd.DataFrame, support_size: int) -> pd.DataFrame:
    distance = (rows["support_size"] - support_size).abs()
    return rows[rows["support_size"] == rows.loc[distance == distance.min(), "support_size"].min()]


def _highest(rows: pd.DataFrame) -> str:
    """The learner with the highest mean over its validation episodes."""
    total = (rows["value"] * rows["n_episodes"]).groupby(rows["learner"]).sum()
    mean = total / rows.groupby("learner")["n_episodes"].sum()
    return str(mean.sort_index().idxmax())
