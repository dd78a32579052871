"""The verdict in one plain paragraph: where learning from other tasks helped, and where it did not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from med_maml_pipeline.metrics.verdict import Outcome, VerdictLine
from med_maml_pipeline.metrics.verdict_line import Side
from med_maml_pipeline.reports.wording import (
    estimate,
    learner_label,
    metric_label,
    number,
    source_label,
    support_label,
)

__all__ = ["Headline", "headline"]

LABELS = {
    Outcome.HELPED: "Helped",
    Outcome.TIED: "Did not help: a reference is just as good",
    Outcome.WORSE: "Did not help: a reference is better",
    Outcome.OPEN: "No verdict: a side or its interval is missing",
}


@dataclass(frozen=True)
class Headline:
    """The verdict in short.

    Attributes:
        paragraph: What was compared and how often learning from other tasks helped.
        outcomes: For each outcome that occurred, its label and where it did.
    """

    paragraph: str
    outcomes: tuple[tuple[str, tuple[str, ...]], ...]


def headline(lines: Sequence[VerdictLine]) -> Headline:
    """Sums up the verdict at the largest support size of each source and family.

    Args:
        lines: The verdict, of all modalities.
    """
    shown = _at_largest(lines)
    if not shown:
        return Headline("This run has nothing to compare, so there is no verdict.", ())
    helped = sum(line.outcome is Outcome.HELPED for line in shown)
    comparisons = "the one comparison" if len(shown) == 1 else f"{helped} of {len(shown)} comparisons"
    verb = ("helped in" if helped else "did not help in") if len(shown) == 1 else "helped in"
    paragraph = (
        f"Learning from other tasks {verb} {comparisons} (one per source, family and primary metric, at the "
        "largest support size). Helped means better than the best classical learner and, where it is "
        "defined, than the zero-shot prior, with both 95 % intervals of the paired differences above zero. "
        "All learners were chosen on validation tasks."
    )
    outcomes = tuple(
        (label, tuple(_mention(line) for line in shown if line.outcome is outcome))
        for outcome, label in LABELS.items()
    )
    return Headline(paragraph, tuple((label, places) for label, places in outcomes if places))


def _at_largest(lines: Sequence[VerdictLine]) -> list[VerdictLine]:
    """The lines at the largest support size of their source, family, protocol and metric."""
    top: dict[tuple[str, ...], VerdictLine] = {}
    for line in lines:
        key = (line.modality, line.source, line.family, line.protocol, line.metric)
        if key not in top or top[key].support_size < line.support_size:
            top[key] = line
    return list(top.values())


def _mention(line: VerdictLine) -> str:
    """``toxcast · assay: MAML .723 [.701, .745] against Random forest .638, prior .694``."""
    rivals = [
        f"{_names(side)} {number(side.value.value)}"
        for side in (line.classical, line.prior)
        if side is not None
    ]
    size = support_label(line.support_size, line.per_class, line.n_way)
    place = f"{source_label(line.source, line.family, line.protocol)}, {size}"
    ours = f"{_names(line.ours)} {estimate(*line.ours.value)}" if line.ours else "no learner of ours"
    against = f" against {' and '.join(rivals)}" if rivals else ""
    return f"{place}: {ours}{against} ({metric_label(line.metric)})"


def _names(side: Side) -> str:
    return ", ".join(learner_label(name) for name in side.name.split(", "))
