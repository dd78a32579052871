"""What a user takes home, against the best classical learner and the zero-shot prior, over all families."""

from __future__ import annotations

import numpy as np
import pandas as pd

from med_maml_pipeline.metrics.contest import ALL_FOLDS
from med_maml_pipeline.metrics.holm import holm
from med_maml_pipeline.metrics.primary import is_primary

__all__ = ["ANSWER_COLUMNS", "LEVEL", "answers"]

LEVEL = 0.05
"""Chance of any false verdict among the families at one support size."""

_CELL = ["modality", "source", "task_family", "protocol", "support_size", "n_way", "n_shot", "metric"]
_REFERENCES = {
    "classical": ("diff_to_classical", "diff_low", "diff_high", "p_to_classical"),
    "prior": ("diff_to_prior", "diff_to_prior_low", "diff_to_prior_high", "p_to_prior"),
}
_MIN_TASKS, _MIN_EPISODES = 10, 200

ANSWER_COLUMNS = (
    *_CELL,
    *("n_tasks", "n_episodes", "value", "ci_low", "ci_high"),
    *(name for columns in _REFERENCES.values() for name in columns),
    *("counted", "holm_to_classical", "holm_to_prior", "judged_to_classical", "judged_to_prior"),
    *("to_classical", "to_prior"),
)


def answers(scoreboard: pd.DataFrame, learner: str = "stacked") -> pd.DataFrame:
    """One row per family and support size: the learner's primary metric and its paired differences.

    A family counts where it has at least 10 test tasks, or 200 test episodes over its support sizes; the
    others are listed, and adjusted for nothing. Among those that count, p-values are adjusted by `holm` over
    the families of one support size and reference.

    Args:
        scoreboard: Of all modalities; rows over all folds are read.
        learner: Whose answers.

    Returns:
        `ANSWER_COLUMNS`. ``to_classical`` and ``to_prior`` are ``better``, ``level`` or ``worse`` at `LEVEL`,
        blank without a reference, by the p-values ``judged_to_…``: adjusted where the family counts, its own
        elsewhere.
    """
    board = scoreboard[(scoreboard["fold"].astype(str) == ALL_FOLDS) & (scoreboard["learner"] == learner)]
    board = board[is_primary(scoreboard).loc[board.index]].reset_index(drop=True)
    family = board.groupby(["source", "task_family", "protocol"])
    enough = (family["n_tasks"].transform("max") >= _MIN_TASKS) | (
        family["n_episodes"].transform("sum") >= _MIN_EPISODES
    )
    board["counted"] = enough & (board["protocol"] == "disjoint")
    for name, (mean, _, _, p_value) in _REFERENCES.items():
        adjusted = board[p_value].where(board["counted"])
        by_size = adjusted.groupby(board["support_size"])
        board[f"holm_to_{name}"] = by_size.transform(lambda p: holm(p.to_numpy()))
        judged = board[f"holm_to_{name}"].where(board["counted"], board[p_value])
        board[f"judged_to_{name}"], board[f"to_{name}"] = judged, _words(board[mean], judged)
    return board[list(ANSWER_COLUMNS)]


def _words(difference: pd.Series, p_value: pd.Series) -> pd.Series:
    told = np.where(p_value >= LEVEL, "level", np.where(difference > 0, "better", "worse"))
    return pd.Series(told, index=difference.index).where(p_value.notna(), "")
