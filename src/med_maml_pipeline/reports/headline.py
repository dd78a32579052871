"""The verdict in one plain paragraph: where learning from other tasks helped, and where it did not."""

from __future__ import annotations

from collections.abc import Sequence

from med_maml_pipeline.metrics.verdict import Outcome, VerdictLine
from med_maml_pipeline.reports.wording import estimate, learner_label, metric_label, source_label

__all__ = ["at_largest", "headline"]


def headline(lines: Sequence[VerdictLine]) -> str:
    """Sums up the verdict at the largest support size of each source and family.

    Args:
        lines: The verdict, of all modalities.
    """
    shown = at_largest(lines)
    if not shown:
        return "This run compared nothing, so there is no verdict."
    parts = [
        f"Of {_count(len(shown), 'comparison')} at the largest support size (one per source, family and primary metric), "
        f"learning from other tasks helped in {sum(line.outcome is Outcome.HELPED for line in shown)}."
    ]
    texts = {
        Outcome.HELPED: "It helped on {}.",
        Outcome.TIED: "It did not help on {}: a reference is just as good.",
        Outcome.WORSE: "It did worse than a reference on {}.",
        Outcome.OPEN: "There is no verdict on {}, where a side or its interval is missing.",
    }
    for outcome, text in texts.items():
        if found := [line for line in shown if line.outcome is outcome]:
            parts.append(text.format("; ".join(_mention(line, outcome) for line in found)))
    parts.append(
        "Helped means better than the best classical learner and, where it is defined, than the zero-shot prior, "
        "with both 95 % intervals above zero."
    )
    return " ".join(parts)


def at_largest(lines: Sequence[VerdictLine]) -> list[VerdictLine]:
    """The lines at the largest support size of their source, family, protocol and metric."""
    top: dict[tuple[str, ...], VerdictLine] = {}
    for line in lines:
        key = (line.modality, line.source, line.family, line.protocol, line.metric)
        if key not in top or top[key].support_size < line.support_size:
            top[key] = line
    return list(top.values())


def _mention(line: VerdictLine, outcome: Outcome) -> str:
    place = source_label(line.source, line.family, line.protocol)
    if line.ours is None or outcome is Outcome.OPEN:
        return place
    names = ", ".join(learner_label(name) for name in line.ours.name.split(", "))
    if outcome is Outcome.HELPED:
        return f"{place} ({names}, {metric_label(line.metric)} {estimate(*line.ours.value)})"
    rivals = [("classical", line.classical, line.to_classical), ("prior", line.prior, line.to_prior)]
    signs = (-1,) if outcome is Outcome.WORSE else (0,)
    beaten = [learner_label(side.name) for _, side, gap in rivals if side is not None and gap.sign in signs]
    return f"{place} ({names} against {' and '.join(beaten)})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
