"""Task families: which tasks the configuration asks for, before any of them is checked or split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.sources.spec import TaskFamilySpec
from med_maml_pipeline.tasks.candidate import Candidate
from med_maml_pipeline.tasks.label_families import label_candidates
from med_maml_pipeline.tasks.types import Examples, TargetType

__all__ = ["find_candidates"]


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
    if spec.kind == "classes" and not found:
        raise ConfigurationError(f"{place}: no table has the target '{spec.target}'")
    chosen = [candidate for candidate in found if _wanted(candidate.label, spec)]
    if not chosen:
        raise ConfigurationError(
            f"{place}: 'include' and 'exclude' leave none of its {len(found)} labels; correct the patterns"
        )
    known = {label for candidate in found for label in (candidate.label, *candidate.label_names)}
    unknown = {label for cluster in spec.clusters for label in cluster} - known
    if unknown:
        raise ConfigurationError(f"{place}: 'clusters' names labels that do not exist: {sorted(unknown)}")
    if spec.support.rule == "enriched" and any(
        candidate.target.target_type == TargetType.MULTICLASS for candidate in chosen
    ):
        raise ConfigurationError(
            f"{place}: rule 'enriched' needs binary targets; use 'balanced' or 'natural'"
        )
    if spec.support.ways is not None and spec.support.rule != "balanced":
        raise ConfigurationError(
            f"{place}: 'ways' needs supports that show every class they draw; use rule 'balanced', or leave "
            "'ways' out"
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
        label = table.source if table.table == "main" else table.table
        yield Candidate(spec, table, _column(table, spec), label)


def _classes(tables: Sequence[Examples], spec: TaskFamilySpec) -> Iterator[Candidate]:
    for table in tables:
        if spec.target is not None and spec.target not in [target.name for target in table.targets]:
            continue
        column = _column(table, spec)
        target = table.targets[column]
        if target.target_type != TargetType.MULTICLASS or len(target.classes) != target.n_classes:
            raise ConfigurationError(
                f"source '{table.source}', task family '{spec.family}': kind 'classes' needs a target of "
                f"three or more classes with names, and '{target.name}' of table '{table.table}' is "
                f"{target.target_type} with {len(target.classes)} names; use another target or kind"
            )
        for label, name in enumerate(target.classes):
            yield Candidate(spec, table, column, name, classes=(label,))


def _column(table: Examples, spec: TaskFamilySpec) -> int:
    """Position of the target that the family names, or of the only one."""
    names = [target.name for target in table.targets]
    wanted = spec.target or (names[0] if len(names) == 1 else None)
    if wanted not in names:
        raise ConfigurationError(
            f"source '{table.source}', task family '{spec.family}': table '{table.table}' has "
            f"{len(names)} targets; name one of them with 'target'"
        )
    return names.index(wanted)


_KINDS: dict[str, Callable[[Sequence[Examples], TaskFamilySpec], Iterator[Candidate]]] = {
    "target": _targets,
    "stratum": _strata,
    "table": _tables,
    "classes": _classes,
    "labels": label_candidates,
}
