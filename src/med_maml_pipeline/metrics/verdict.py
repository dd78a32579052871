"""The verdict: which lane won where, and whether meta-learning helped."""

from __future__ import annotations

import pandas as pd

from med_maml_pipeline.metrics.best import best_of_ours
from med_maml_pipeline.metrics.choice import CLASSICAL_LANE
from med_maml_pipeline.metrics.primary import is_primary
from med_maml_pipeline.metrics.verdict_line import Estimate, Outcome, Side, VerdictLine

__all__ = ["Outcome", "VerdictLine", "verdict", "verdict_of"]


def verdict(scoreboard: pd.DataFrame, selection: pd.DataFrame, tasks: pd.DataFrame) -> list[VerdictLine]:
    """One line per source, family, protocol and support size, on the primary metric of the family.

    Arguments as for `best_of_ours`. Intervals are those of the scoreboard, one comparison at a time: among
    twenty ties one is expected to look like a difference.
    """
    return verdict_of(best_of_ours(scoreboard[is_primary(scoreboard)], selection, tasks))


def verdict_of(best: pd.DataFrame) -> list[VerdictLine]:
    """`verdict` from the primary rows of `best_of_ours`."""
    return [_line(row) for _, row in best.iterrows()]


def _line(row: pd.Series) -> VerdictLine:
    classical = _side(row, "classical", CLASSICAL_LANE, "classical_")
    ours = _side(row, "ours", str(row["ours_lane"]), "")
    return VerdictLine(
        modality=str(row["modality"]),
        source=str(row["source"]),
        family=str(row["task_family"]),
        protocol=str(row["protocol"]),
        support_size=int(row["support_size"]),
        per_class=bool(pd.notna(row["n_shot"])),
        metric=str(row["metric"]),
        n_way=None if pd.isna(row["n_way"]) else int(row["n_way"]),
        n_tasks=int(row["n_tasks"]),
        ours=ours,
        classical=classical,
        prior=_side(row, "prior", "control", "prior_"),
        to_classical=_estimate(row, "diff_to_classical", "diff_low", "diff_high"),
        to_prior=_estimate(row, "diff_to_prior", "diff_to_prior_low", "diff_to_prior_high"),
    )


def _side(row: pd.Series, name: str, lane: str, prefix: str) -> Side | None:
    if pd.isna(row[name]):
        return None
    return Side(
        str(row[name]), lane, _estimate(row, *(f"{prefix}{x}" for x in ("value", "ci_low", "ci_high")))
    )


def _estimate(row: pd.Series, *columns: str) -> Estimate:
    return Estimate(*(float(row[column]) for column in columns))
