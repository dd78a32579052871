"""The labels of a support table as the classes or values of a task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from med_maml_pipeline.sources.cells import canonical, not_numbers
from med_maml_pipeline.sources.labels import MAX_CLASSES, sorted_levels
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.tasks.types import FloatArray, TargetType

__all__ = ["Labels", "read_labels"]


@dataclass(frozen=True)
class Labels:
    """A target as learners take it.

    Attributes:
        target_type: Binary, multiclass or regression.
        y: ``[n]`` class indices or values.
        classes: Names of the classes by index: the labels as written; empty for regression.
    """

    target_type: TargetType
    y: FloatArray
    classes: tuple[str, ...]

    def size(self, *, per_class: bool) -> int:
        """Support size as episodes count it: of the smallest class, or in all."""
        counted = per_class and len(self.classes) > 0
        return int(np.bincount(self.y.astype(np.int64)).min()) if counted else len(self.y)


def read_labels(
    labels: pd.Series,
    asked: Literal["class", "regression"],
    positive: str | float | None,
    *,
    shared_meaning: bool,
    place: Place,
) -> Labels:
    """Labels as values, or as classes in order: of number where all are numbers, else of the alphabet.

    Args:
        labels: ``[n]`` tidy text without gaps, indexed by row number.
        asked: Whether they name classes or are measurements.
        positive: Label of class 1, where there are two; None: the second in order.
        shared_meaning: Whether the checkpoint knows what positive means: the positive label must then be
            plain, because labels other than 0 and 1 do not tell it.
        place: For errors.

    Raises:
        DataError: all labels are alike, there are too many classes, a value is not a number, or the positive
            label is needed, is not among the labels, or makes no sense.
    """
    distinct = labels.unique()
    if len(distinct) < 2:
        raise place.error(
            "all labels are the same",
            expected="at least two classes" if asked == "class" else "values that differ",
            remedy="add cases with another label",
        )
    if asked == "regression":
        return Labels(TargetType.REGRESSION, _values(labels, place), ())
    classes = sorted_levels(labels)
    if len(classes) > MAX_CLASSES:
        raise place.error(
            f"there are {len(classes)} different labels",
            expected=f"at most {MAX_CLASSES} classes",
            remedy="for measurements say --params personalisation.target_type=regression",
        )
    classes = _positive_last(classes, positive, shared_meaning=shared_meaning, place=place)
    y = np.array([classes.index(str(label)) for label in labels], dtype=np.float32)
    return Labels(TargetType.BINARY if len(classes) == 2 else TargetType.MULTICLASS, y, tuple(classes))


def _values(labels: pd.Series, place: Place) -> FloatArray:
    bad = not_numbers(labels)
    if bad.any():
        raise place.error(
            f"{int(bad.sum())} labels are not numbers, first in row {labels.index[bad][0]}",
            expected="numbers, because personalisation.target_type is 'regression'",
        )
    return np.asarray(pd.to_numeric(labels), dtype=np.float32)


def _positive_last(
    classes: list[str], positive: str | float | None, *, shared_meaning: bool, place: Place
) -> list[str]:
    if positive is None:
        if shared_meaning and len(classes) == 2 and classes != ["0", "1"]:
            raise place.error(
                "the checkpoint knows what 'positive' means, and the two labels do not tell which it is",
                expected="0 and 1, or the name of the positive label",
                remedy="say --params personalisation.positive=LABEL",
            )
        return classes
    name = canonical(positive)
    if len(classes) != 2 or name not in classes:
        raise place.error(
            "personalisation.positive is not one of the labels"
            if len(classes) == 2
            else f"personalisation.positive is given, but there are {len(classes)} classes",
            expected="one of two labels",
            remedy="correct it or leave it out",
        )
    return [*(label for label in classes if label != name), str(name)]
