"""Multilabel tasks that a family of kind ``labels`` asks for: panels of binary targets of one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.sources.spec import TaskFamilySpec
from med_maml_pipeline.sources.spec_base import LabelPanel
from med_maml_pipeline.tasks.candidate import Candidate
from med_maml_pipeline.tasks.types import Examples, TargetType

__all__ = ["label_candidates", "spelled_out"]


def label_candidates(tables: Sequence[Examples], spec: TaskFamilySpec) -> Iterator[Candidate]:
    """One task per panel and table that has its labels; without panels one per table, of all binary targets.

    Args:
        tables: Tables of one source.
        spec: A family of kind ``labels``.

    Raises:
        ConfigurationError: a panel names a target that is not there or not binary, or has fewer than two.
    """
    for panel in spec.panels or (None,):
        for table in _tables_of(panel, tables, spec):
            columns = _binary(table) if panel is None else _named(panel, table, spec)
            label = panel.name if panel else table.source if table.table == "main" else table.table
            if len(columns) < 2:
                raise ConfigurationError(
                    f"{_place(spec, table.source)}: its task '{label}' has {len(columns)} binary targets in "
                    f"table '{table.table}', and a multilabel task needs two or more; name more labels, or "
                    "use kind 'target'"
                )
            yield Candidate(spec, table, columns[0], label, labels=tuple(columns))


def spelled_out(candidate: Candidate) -> frozenset[int]:
    """Target columns of a multilabel task that its panel names without a pattern."""
    panels = (panel for panel in candidate.spec.panels if panel.name == candidate.label)
    named = {label for panel in panels for label in panel.labels}
    names = zip(candidate.labels, candidate.label_names, strict=True)
    return frozenset(column for column, name in names if name in named)


def _tables_of(panel: LabelPanel | None, tables: Sequence[Examples], spec: TaskFamilySpec) -> list[Examples]:
    """Tables with any label of the panel."""
    if panel is None:
        return list(tables)
    having = [table for table in tables if any(_found(pattern, table) for pattern in panel.labels)]
    if not having:
        raise ConfigurationError(
            f"{_place(spec, tables[0].source)}: no table has a target of panel '{panel.name}'; correct its "
            "'labels'"
        )
    return having


def _named(panel: LabelPanel, table: Examples, spec: TaskFamilySpec) -> list[int]:
    columns: set[int] = set()
    for pattern in panel.labels:
        found = _found(pattern, table)
        place = f"{_place(spec, table.source)}, panel '{panel.name}'"
        if not found:
            raise ConfigurationError(
                f"{place}: table '{table.table}' has no target '{pattern}'; correct 'labels'"
            )
        if not set(found) <= set(_binary(table)):
            raise ConfigurationError(
                f"{place}: '{pattern}' of table '{table.table}' is not only binary targets, and a multilabel "
                "task takes no others; leave it out, or say which values are positive"
            )
        columns.update(found)
    return sorted(columns)


def _found(pattern: str, table: Examples) -> list[int]:
    """Columns of the target of that name, else of those that match."""
    names = [target.name for target in table.targets]
    if pattern in names:
        return [names.index(pattern)]
    return [column for column, name in enumerate(names) if fnmatchcase(name, pattern)]


def _binary(table: Examples) -> list[int]:
    return [column for column, target in enumerate(table.targets) if target.target_type is TargetType.BINARY]


def _place(spec: TaskFamilySpec, source: str) -> str:
    return f"source '{source}', task family '{spec.family}'"
