"""One line of the verdict, and the sentence it makes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from med_maml_pipeline.metrics.choice import CLASSICAL_LANE

__all__ = ["Estimate", "Outcome", "Side", "VerdictLine"]

_METRIC_NAMES = {
    "auroc": "AUROC",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "spearman": "Spearman correlation",
}


class Outcome(StrEnum):
    """Whether learning from other tasks helped."""

    HELPED = "helped"  # better than the best classical learner, and than the prior where there is one
    TIED = "tied"  # an interval of the difference to a reference holds 0
    WORSE = "worse"  # a reference is better
    OPEN = "open"  # nothing to compare, or no interval


class Estimate(NamedTuple):
    """A value or a difference with its 95 % interval; NaN where undefined."""

    value: float
    low: float
    high: float

    @property
    def sign(self) -> int | None:
        """+1 or −1 where the interval excludes 0, 0 where it holds it, None where there is no interval."""
        if math.isnan(self.low) or math.isnan(self.high):
            return None
        return (self.low > 0) - (self.high < 0)


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        name: Learner, or several where folds chose different ones.
        lane: Lane, or several.
        value: The metric.
    """

    name: str
    lane: str
    value: Estimate


@dataclass(frozen=True)
class VerdictLine:
    """What the test tasks say of one source, family and support size, on the primary metric.

    Attributes:
        modality / source / family / protocol: Which tasks.
        support_size: Examples in the support: per class where ``per_class``, else in all.
        per_class: How ``support_size`` counts.
        metric: The primary metric of the family.
        n_way: Number of classes in an episode; None for numbers and where it varies.
        n_tasks: Test tasks with a defined value.
        ours: Our learner chosen on validation tasks; None where none was run or could be chosen.
        classical: The classical learner chosen there; None likewise.
        prior: The zero-shot prior; None where it is not defined.
        to_classical / to_prior: Paired difference of ours to each.
    """

    modality: str
    source: str
    family: str
    protocol: str
    support_size: int
    per_class: bool
    metric: str
    n_way: int | None
    n_tasks: int
    ours: Side | None
    classical: Side | None
    prior: Side | None
    to_classical: Estimate
    to_prior: Estimate

    @property
    def winner(self) -> Side | None:
        """The side with the highest value on the test tasks, whether or not an interval says so."""
        held = [side for side in (self.ours, self.classical, self.prior) if side is not None]
        held = [side for side in held if not math.isnan(side.value.value)]
        return max(held, key=lambda side: side.value.value, default=None)

    @property
    def outcome(self) -> Outcome:
        """Whether meta-learning helped: both intervals of the differences must lie above 0."""
        signs = [sign for sign in (self.to_classical.sign, self.to_prior.sign) if sign is not None]
        if self.ours is None or not signs:
            return Outcome.OPEN
        if -1 in signs:
            return Outcome.WORSE
        if 0 in signs:
            return Outcome.TIED
        compared = self.to_classical.sign is not None and (self.prior is None or len(signs) == 2)
        return Outcome.HELPED if compared else Outcome.OPEN

    @property
    def sentence(self) -> str:
        """The line for people."""
        parts = [f"{self._place()}: {self._lead()}", self._help()]
        if self.n_tasks == 1:
            parts.append("With one test task the intervals say nothing about other tasks.")
        return " ".join(parts)

    def _place(self) -> str:
        waiver = "" if self.protocol == "disjoint" else f" ({self.protocol} protocol)"
        unit = "per class" if self.per_class else "in all"
        examples = "example" if self.support_size == 1 else "examples"
        ways = f", {self.n_way}-way" if self.n_way is not None and self.n_way > 2 else ""
        return f"{self.source}, {self.family}{waiver}, {self.support_size} {examples} {unit}{ways}"

    def _lead(self) -> str:
        metric = _METRIC_NAMES[self.metric]
        if self.ours is None and self.classical is None and self.prior is None:
            return "no learner could be chosen on validation tasks."
        if self.winner is None:
            return f"{metric} is undefined for every learner."
        return (
            f"the {self.winner.lane} lane ({self.winner.name}) has the highest {metric}, "
            f"{_interval(self.winner.value)}."
        )

    def _help(self) -> str:
        if self.ours is None:
            return "No verdict on meta-learning: no learner of ours was run and chosen on validation tasks."
        subject = _subject(self.ours.lane)
        own = f"{self.ours.name}, {self.ours.value.value:.3f}"
        if self.outcome is Outcome.HELPED:
            return f"{subject} helped ({own}): {' and '.join(self._against(1))}."
        if self.outcome is Outcome.OPEN:
            return f"No verdict on {subject.lower()} ({own}): a reference or its interval is missing."
        rivals = " and ".join([*self._against(-1), *self._against(0)])
        return f"{subject} did not help here ({own}): {rivals}."

    def _against(self, sign: int) -> list[str]:
        """Clauses on the references whose difference has that sign."""
        clauses = []
        pairs = (
            (self.classical, self.to_classical, "the best classical learner"),
            (self.prior, self.to_prior, "the zero-shot prior"),
        )
        for side, difference, role in pairs:
            if side is not None and difference.sign == sign:
                name = f"{role}, {side.name}," if side.lane == CLASSICAL_LANE else role
                told = {
                    1: f"better than {name} by",
                    0: f"{name} is just as good within the interval, difference",
                }
                text = told.get(sign, f"{name} is better, difference")
                clauses.append(f"{text} {_interval(difference, signed=True)}")
        return clauses


def _subject(lane: str) -> str:
    if lane == "transfer":
        return "Transfer learning"
    return "Learning from other tasks" if "transfer" in lane else "Meta-learning"


def _interval(estimate: Estimate, *, signed: bool = False) -> str:
    form = "+.3f" if signed else ".3f"
    value, low, high = (format(part, form) for part in estimate)
    return value if math.isnan(estimate.low) else f"{value} [{low}, {high}]"
