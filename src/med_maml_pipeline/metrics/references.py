"""The sides of a contest: every learner, who speaks for classical methods and for ours, and the prior."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from med_maml_pipeline.metrics.choice import (
    CHOSEN_CLASSICAL,
    CHOSEN_OURS,
    CLASSICAL_LANE,
    OUR_LANES,
    PRIOR,
    choose_by_fold,
)
from med_maml_pipeline.metrics.contest import Contest, Entry
from med_maml_pipeline.metrics.probabilities import Floats

__all__ = ["Sides", "chosen_entry", "difference", "sides"]


@dataclass(frozen=True)
class Sides:
    """Who is compared with whom.

    Attributes:
        entries: Results by learner, those that follow a choice over several folds included.
        classical: Results of the chosen classical learner; None where there is none.
        prior: Results of the zero-shot prior; None where it is not defined.
    """

    entries: Mapping[str, Entry]
    classical: Entry | None
    prior: Entry | None


def sides(contest: Contest, selection: pd.DataFrame) -> Sides:
    """Chooses, in each fold on its validation tasks, the classical learner and the one of ours."""
    classical = chosen_entry(contest, selection, (CLASSICAL_LANE,), CLASSICAL_LANE)
    entries = dict(contest.entries)
    if len(contest.folds) > 1:
        ours = chosen_entry(contest, selection, OUR_LANES, "ensemble")
        followed = {CHOSEN_CLASSICAL: classical, CHOSEN_OURS: ours}
        entries |= {name: entry for name, entry in followed.items() if entry is not None}
    return Sides(entries, classical, contest.entries.get(PRIOR))


def difference(entry: Entry, reference: Entry | None) -> Floats:
    """Value minus reference ``[e, m]``; NaN where there is no reference, or the entry is the reference."""
    if reference is None or (entry.learners == reference.learners).all():
        return np.full_like(entry.values, np.nan)
    return entry.values - reference.values


def chosen_entry(
    contest: Contest, selection: pd.DataFrame, lanes: Collection[str], lane: str
) -> Entry | None:
    """Results of the learner of ``lanes`` that validation tasks chose, fold by fold, under the name ``lane``.

    Returns:
        None where a fold has no candidate with a validation value.
    """
    names = [name for name, entry in contest.entries.items() if entry.lane in lanes]
    choice = choose_by_fold(
        selection,
        names,
        [(contest.problem, fold) for fold in contest.folds],
        family=contest.family,
        regression=contest.regression,
        support_size=contest.support_size,
    )
    return contest.following({fold: name for (_, fold), name in choice.items()}, lane)
