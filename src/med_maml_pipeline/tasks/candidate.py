"""What a family asks for: a task, or a class that becomes part of one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.sources.spec import TaskFamilySpec
from med_maml_pipeline.tasks.types import Examples, FloatArray, IntArray, TargetColumn, TargetType

__all__ = ["Candidate", "joined_label"]

_LONGEST = 60  # characters of a label that spells out its classes


@dataclass(frozen=True)
class Candidate:
    """A task that is asked for: one label of one table. In a ``classes`` family one class, or several joined.

    Attributes:
        spec: Family that asks for it.
        examples: Table its rows come from.
        column: Target column in ``examples.y``; of a multilabel task the first.
        label: Name within the family: target, stratum, table, class or panel; for joined classes all their
            names.
        stratum: Code of its stratum in ``strata``; None when all rows may belong.
        strata: ``[n]`` int64 stratum codes of the table, shared between candidates.
        classes: Ascending class indices of the target that its rows may show; empty where all may.
        labels: Ascending target columns of a multilabel task; empty for all others.
    """

    spec: TaskFamilySpec
    examples: Examples
    column: int
    label: str
    stratum: int | None = None
    strata: NDArray[np.int64] | None = None
    classes: tuple[int, ...] = ()
    labels: tuple[int, ...] = ()

    @property
    def task_id(self) -> str:
        """``source/table/family/label``."""
        return self._id(self.label)

    @property
    def parts(self) -> tuple[str, ...]:
        """Ids that meta-splits and clusters were planned for: of its classes, or its own."""
        return tuple(map(self._id, self.class_names)) or (self.task_id,)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of ``classes``."""
        return tuple(self.target.classes[label] for label in self.classes)

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of ``labels``."""
        return tuple(self.examples.targets[column].name for column in self.labels)

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
        """Whether the configuration spells the label, or each class of it, out, beyond a pattern."""
        named = {*self.spec.include, *self.spec.split.labels}
        return named.issuperset(self.class_names or (self.label,))

    @property
    def target(self) -> TargetColumn:
        """Target of the task: its column, or what its labels are together."""
        if self.labels:
            return TargetColumn(self.label, TargetType.MULTILABEL, len(self.labels), cluster=self.label)
        return self.examples.targets[self.column]

    def y(self, rows: IntArray) -> FloatArray:
        """Targets ``[n]`` of rows, as the source has them; multilabel ``[n, L]``, NaN where unobserved."""
        if self.labels:
            return self.examples.y[np.ix_(rows, np.array(self.labels))]
        return self.examples.y[rows, self.column]

    def rows(self) -> IntArray:
        """``[n]`` ascending row numbers that carry a label of this task."""
        if self.labels:
            labelled = ~np.isnan(self.examples.y[:, list(self.labels)]).all(axis=1)
        else:
            y = self.examples.y[:, self.column]
            labelled = np.isin(y, self.classes) if self.classes else ~np.isnan(y)
        if self.stratum is not None:
            labelled &= self.strata == self.stratum
        return np.flatnonzero(labelled).astype(np.int64)

    def of_classes(self, classes: Sequence[int]) -> Candidate:
        """The same with these classes of the target, and named after them."""
        names = [self.target.classes[label] for label in classes]
        return replace(self, classes=tuple(classes), label=joined_label(names))

    def of_labels(self, labels: Sequence[int]) -> Candidate:
        """The same with these target columns alone."""
        return replace(self, column=labels[0], labels=tuple(labels))

    def _id(self, label: str) -> str:
        return f"{self.examples.key}/{self.spec.family}/{label}"


def joined_label(names: Sequence[str]) -> str:
    """``a+b+c``; many classes: the first, the number of the others and a checksum of all names."""
    joined = "+".join(names)
    if len(names) == 1 or len(joined) <= _LONGEST:
        return joined
    return f"{names[0]}+{len(names) - 1} more ({hashlib.sha256(joined.encode()).hexdigest()[:6]})"
