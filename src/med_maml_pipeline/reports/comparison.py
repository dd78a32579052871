"""The verdict's table: ours, the best classical learner and the prior, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from med_maml_pipeline.metrics.verdict import VerdictLine
from med_maml_pipeline.metrics.verdict_line import Estimate, Side
from med_maml_pipeline.reports.tables import Table
from med_maml_pipeline.reports.wording import estimate, learner_label, metric_label, source_label, support_label

__all__ = ["comparison_table"]

HEADER = (
    "Source · family",
    "Support",
    "Metric",
    "Best of ours",
    "Value",
    "Best classical",
    "Value",
    "Prior",
    "Ours − classical",
    "Ours − prior",
)


def comparison_table(lines: Sequence[VerdictLine]) -> Table:
    """Primary metrics at every support size, each side chosen on validation tasks.

    Args:
        lines: The verdict.
    """
    return Table(
        caption="Best of ours against the references, each chosen on validation tasks (95 % intervals)",
        header=HEADER,
        rows=tuple(_row(line) for line in lines),
        numeric=frozenset({4, 6, 7, 8, 9}),
        empty="No cell of the scoreboard could be compared: there is no verdict.",
    )


def _row(line: VerdictLine) -> tuple[str, ...]:
    return (
        source_label(line.source, line.family, line.protocol),
        support_label(line.support_size, line.per_class),
        metric_label(line.metric),
        _names(line.ours),
        _value(line.ours),
        _names(line.classical),
        _value(line.classical),
        _value(line.prior) if line.prior else "not defined",
        _difference(line.to_classical),
        _difference(line.to_prior),
    )


def _names(side: Side | None) -> str:
    return ", ".join(learner_label(name) for name in side.name.split(", ")) if side else "none"


def _value(side: Side | None) -> str:
    return estimate(*side.value) if side else "–"


def _difference(difference: Estimate) -> str:
    """The difference, marked where its interval leaves zero out; primary metrics are better when higher."""
    mark = {1: "▲ ", -1: "▼ "}.get(difference.sign or 0, "")
    return mark + estimate(*difference, difference=True) if difference.value == difference.value else "–"
