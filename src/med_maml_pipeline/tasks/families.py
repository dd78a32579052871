"""Task families: which tasks the configuration asks for, before any of them is checked or split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.sources.spec import TaskFamilySpec
from med_maml_pipeline.tasks.types import Examples, IntArray, TargetColumn, TargetType

__all__ = ["Candidate", "find_candidates"]


@dataclass(frozen=True)
class Candidate:
    """A task that is asked for: one label of one table.

    Attributes:
        spec: Family that asks for it.
        examples: Table its rows come from.
        column: Target column in ``examples.y``.
        label: Name within the family: target, stratum or table.
        stratum: Code of its stratum in ``strata``; None when all rows may belong.
        strata: ``[n]`` int64 stratum codes of the table, shared between candidates.
    """

    spec: TaskFamilySpec
    examples: Examples
    column: int
    label: str
    stratum: int | None = None
    strata: NDArray[np.int64] | None = None

    @property
    def task_id(self) -> str:
        """``source/table/family/label``."""
        return f"{self.examples.key}/{self.spec.family}/{self.label}"

    @property
    def problem(self) -> str:
        """Problem the task belongs to: declared, or ``source_family``."""
        return self.spec.problem or f"{self.examples.source}_{self.spec.family}"

    @property
    def family(self) -> tuple[str, str, str]:
        """Problem, source and family name: families of different sources may share a name."""
        return (self.problem, self.examples.source, self.spec.family)

    @property
    def configured(self) -> bool:
        """Whether the configuration spells the label out, beyond a pattern."""
        rule = self.spec.split
        return self.label in (*self.spec.include, *rule.train, *rule.validation, *rule.test)

    @property
    def target(self) -> TargetColumn:
        """Target column of the task."""
        return self.examples.targets[self.column]

    def rows(self) -> IntArray:
        """``[n]`` ascending row numbers that carry a label of this task."""
        labelled = ~np.isnan(self.examples.y[:, self.column])
        if self.stratum is not None:
            labelled &= self.strata == self.stratum
        return np.flatnonzero(labelled).astype(np.int64)


def find_candidates(
    examples: Mapping[str, Examples], specs: Mapping[str, tuple[TaskFamilySpec, ...]]
) -> list[Candidate]:
    """All tasks that the families of all sources ask for, sorted by problem and task id.

    Args:
        examples: Tables by key.
        specs: Task families by source name.

    Raises:
        ConfigurationError: a source has no examples; a family names a target, stratum column or label
            that is not there, matches nothing, or clashes with another family.
    """
    candidates: list[Candidate] = []
    for source, families in specs.items():
        tables = [table for table in examples.values() if table.source == source]
        if not tables:
            raise ConfigurationError(
                f"source '{source}' declares task families but has no examples; ingest it first"
            )
        for spec in families:
            candidates.extend(_members(source, tables, spec))
    candidates.sort(key=lambda candidate: (candidate.problem, candidate.task_id))
    for first, second in zip(candidates, candidates[1:], strict=False):
        if (first.problem, first.task_id) == (second.problem, second.task_id):
            raise ConfigurationError(
                f"source '{first.examples.source}' declares two families named '{first.spec.family}' "
                f"in problem '{first.problem}'; give each its own name"
            )
    return candidates


def _members(source: str, tables: Sequence[Examples], spec: TaskFamilySpec) -> list[Candidate]:
    found = list(_KINDS[spec.kind](tables, spec))
    place = f"source '{source}', task family '{spec.family}'"
    if spec.kind == "stratum" and not found:
        raise ConfigurationError(
            f"{place}: no table has both the target '{spec.target}' and a stratum column"
        )
    chosen = [candidate for candidate in found if _wanted(candidate.label, spec)]
    if not chosen:
        raise ConfigurationError(
            f"{place}: 'include' and 'exclude' leave none of its {len(found)} labels; correct the patterns"
        )
    known = {candidate.label for candidate in found}
    unknown = {label for cluster in spec.clusters for label in cluster} - known
    if unknown:
        raise ConfigurationError(f"{place}: 'clusters' names labels that do not exist: {sorted(unknown)}")
    if spec.support.rule == "enriched" and any(
        candidate.target.target_type == TargetType.MULTICLASS for candidate in chosen
    ):
        raise ConfigurationError(
            f"{place}: rule 'enriched' needs binary targets; use 'balanced' or 'natural'"
        )
    return chosen


def _wanted(label: str, spec: TaskFamilySpec) -> bool:
    included = any(fnmatchcase(label, pattern) for pattern in spec.include)
    return included and not any(fnmatchcase(label, pattern) for pattern in spec.exclude)


def _targets(tables: Sequence[Examples], spec: TaskFamilySpec) -> Iterator[Candidate]:
    for table in tables:
        for column, target in enumerate(table.targets):
            yield Candidate(spec, table, column, target.name)


def _strata(tables: Sequence[Examples], spec: TaskFamilySpec) -> Iterator[Candidate]:
    for table in tables:
        names = [target.name for target in table.targets]
        if table.strata is None or spec.target not in names:
            continue
        codes, labels = pd.factorize(table.strata, sort=True)
        for code, label in enumerate(labels):
            yield Candidate(spec, table, names.index(spec.target), str(label), code, codes.astype(np.int64))


def _tables(tables: Sequence[Examples], spec: TaskFamilySpec) -> Iterator[Candidate]:
    for table in tables:
        names = [target.name for target in table.targets]
        wanted = spec.target or (names[0] if len(names) == 1 else None)
        if wanted not in names:
            raise ConfigurationError(
                f"source '{table.source}', task family '{spec.family}': table '{table.table}' has "
                f"{len(names)} targets; name one of them with 'target'"
            )
        label = table.source if table.table == "main" else table.table
        yield Candidate(spec, table, names.index(wanted), label)


_KINDS: dict[str, Callable[[Sequence[Examples], TaskFamilySpec], Iterator[Candidate]]] = {
    "target": _targets,
    "stratum": _strata,
    "table": _tables,
}
