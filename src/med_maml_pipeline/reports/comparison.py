"""The verdict's table: ours, the best classical learner and the prior, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from med_maml_pipeline.metrics.verdict import VerdictLine
from med_maml_pipeline.metrics.verdict_line import Estimate, Side
from med_maml_pipeline.reports.tables import Table
from med_maml_pipeline.reports.wording import (
    estimate,
    family_label,
    learner_label,
    metric_label,
    support_label,
)

__all__ = ["comparison_table"]

HEADER = (
    "Source, family",
    "Support, metric",
    "Best of ours",
    "Best classical",
    "Zero-shot prior",
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
        numeric=frozenset({4, 5, 6}),
        empty="No cell of the scoreboard could be compared: there is no verdict.",
    )


def _row(line: VerdictLine) -> tuple[str, ...]:
    return (
        f"{line.source}\n{family_label(line.family, line.protocol)}",
        f"{support_label(line.support_size, line.per_class, line.n_way)}\n{metric_label(line.metric)}",
        _side(line.ours),
        _side(line.classical),
        _stacked(estimate(*line.prior.value)) if line.prior else "not defined",
        _difference(line.to_classical),
        _difference(line.to_prior),
    )


def _side(side: Side | None) -> str:
    if side is None:
        return "none"
    names = ", ".join(learner_label(name) for name in side.name.split(", "))
    return f"{names}\n{estimate(*side.value)}"


def _difference(difference: Estimate) -> str:
    """The difference, marked where its interval leaves zero out; primary metrics are better when higher."""
    mark = {1: "▲ ", -1: "▼ "}.get(difference.sign or 0, "")
    return "–" if isnan(difference.value) else mark + _stacked(estimate(*difference, difference=True))


def _stacked(text: str) -> str:
    """The interval below the value, so that the table fits a laptop."""
    return text.replace(" [", "\n[")
