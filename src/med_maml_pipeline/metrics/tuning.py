"""What a learner's settings were selected on, in words for the scoreboard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from med_maml_pipeline.metrics.contest import Contest, Entry
from med_maml_pipeline.tasks.types import MetaSplit

__all__ = ["Tuning"]


@dataclass(frozen=True)
class Tuning:
    """Where validation took place.

    Attributes:
        n_tasks: Validation tasks by problem and fold.
        tuned: Problem, fold and learner with settings chosen on a defined validation value.
    """

    n_tasks: Mapping[tuple[str, int], int]
    tuned: frozenset[tuple[str, int, str]]

    @classmethod
    def of(cls, tasks: pd.DataFrame, selection: pd.DataFrame) -> Tuning:
        """Reads the task table and the selection table."""
        validation = tasks[tasks["meta_split"] == MetaSplit.VALIDATION]
        pairs = zip(validation["problem"], validation["fold"], strict=True)
        n_tasks = Counter((str(problem), int(fold)) for problem, fold in pairs)
        rows = selection[selection["chosen"].astype(bool) & selection["value"].notna()]
        tuned = {
            (str(p), int(f), str(name))
            for p, f, name in zip(rows["problem"], rows["fold"], rows["learner"], strict=True)
        }
        return cls(n_tasks, frozenset(tuned))

    def words(self, contest: Contest, entry: Entry) -> str:
        """``validation tasks (12)``, ``validation tasks (1–2 per fold)`` or ``fixed settings``."""
        pairs = set(zip(contest.episodes["fold"], entry.learners, strict=True))
        if not any((contest.problem, int(fold), str(learner)) in self.tuned for fold, learner in pairs):
            return "fixed settings"
        counts = [self.n_tasks.get((contest.problem, fold), 0) for fold in contest.folds]
        least, most = min(counts), max(counts)
        number = str(least) if least == most else f"{least}–{most}"
        return f"validation tasks ({number} per fold)" if len(counts) > 1 else f"validation tasks ({number})"
