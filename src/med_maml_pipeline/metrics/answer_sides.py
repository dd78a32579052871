"""The answers with what they stand beside: the selected learner, the best classical one and the prior."""

from __future__ import annotations

import pandas as pd

from med_maml_pipeline.metrics.answers import ANSWER_COLUMNS, answers
from med_maml_pipeline.metrics.contest import ALL_FOLDS

__all__ = ["SIDE_COLUMNS", "answer_sides"]

_CELL = ["modality", "source", "task_family", "protocol", "support_size", "metric"]
_VALUE = ["value", "ci_low", "ci_high"]
_REFERENCES = ["classical", *(f"{side}_{name}" for side in ("classical", "prior") for name in _VALUE)]

SIDE_COLUMNS = (*ANSWER_COLUMNS, *(f"selected_{name}" for name in _VALUE), *_REFERENCES)


def answer_sides(scoreboard: pd.DataFrame, best: pd.DataFrame) -> pd.DataFrame:
    """`answers` of ``stacked``, with the figures it is compared with.

    Args:
        scoreboard: Of all modalities.
        best: `best_of_ours` of all modalities; may be empty.

    Returns:
        `SIDE_COLUMNS`: ``selected_*`` is the learner that validation tasks chose of whatever lane,
        ``classical`` names the classical learners that they chose; blank where there is none.
    """
    whole = scoreboard["fold"].astype(str) == ALL_FOLDS
    selected = scoreboard[whole & (scoreboard["learner"] == "selected")]
    selected = selected.rename(columns={name: f"selected_{name}" for name in _VALUE})
    found = answers(scoreboard)
    for table, wanted in ((selected, [f"selected_{name}" for name in _VALUE]), (best, _REFERENCES)):
        beside = table.reindex(columns=[*_CELL, *wanted]).astype(found[_CELL].dtypes)
        found = found.merge(beside, on=_CELL, how="left", validate="1:1")
    return found[list(SIDE_COLUMNS)]
