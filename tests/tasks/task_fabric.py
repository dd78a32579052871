"""Small tables and families, made up for the tests of this room."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from med_maml_pipeline.sources.spec import TaskFamilySpec
from med_maml_pipeline.tasks.types import Examples, FeatureKind, FeatureTable, TargetColumn, TargetType


def table(
    y: object,
    *,
    source: str = "clinic",
    name: str = "main",
    labels: Sequence[str] | None = None,
    types: Sequence[TargetType] | None = None,
    groups: object = None,
    strata: Sequence[object] | None = None,
    classes: Sequence[str] = (),
) -> Examples:
    """A table with the targets ``y`` ``[n, t]`` and one feature: the row number."""
    values = np.asarray(y, dtype=np.float32)
    n, t = values.shape
    kinds = list(types) if types else [TargetType.BINARY] * t
    targets = []
    for column in range(t):
        label = labels[column] if labels else f"label_{column}"
        n_classes = (
            0 if kinds[column] == TargetType.REGRESSION else int(np.nanmax(values[:, column], initial=1)) + 1
        )
        names = tuple(classes) if kinds[column] == TargetType.MULTICLASS else ()
        targets.append(TargetColumn(label, kinds[column], n_classes, label, names))
    x = np.arange(n, dtype=np.float32)[:, None]
    return Examples(
        source=source,
        table=name,
        inputs=FeatureTable(x, ("row",), (FeatureKind.NUMERIC,)),
        y=values,
        targets=tuple(targets),
        groups=np.arange(n) if groups is None else np.asarray(groups, dtype=np.int64),
        strata=None if strata is None else np.array(strata, dtype=object),
    )


def panel(
    n: int, t: int, *, seed: int = 0, prevalence: float = 0.4, missing: float = 0.0, **kwargs: object
) -> Examples:
    """A table of ``t`` random binary targets."""
    rng = np.random.default_rng(seed)
    y = (rng.random((n, t)) < prevalence).astype(np.float32)
    y[rng.random((n, t)) < missing] = np.nan
    return table(y, **kwargs)  # type: ignore[arg-type]


def cells(
    sizes: Sequence[int], *, groups: object = None, names: Sequence[str] | None = None, **kwargs: object
) -> Examples:
    """A table of pictures of cells: ``sizes[c]`` rows of class ``c``, rows in an order of their own."""
    y = np.repeat(np.arange(len(sizes)), sizes)
    order = np.random.default_rng(0).permutation(len(y))
    called = names or [f"cell_{label}" for label in range(len(sizes))]
    shuffled = None if groups is None else np.asarray(groups)[order]
    return table(
        y[order][:, None],
        labels=["cell"],
        types=[TargetType.MULTICLASS],
        groups=shuffled,
        classes=called,
        **kwargs,  # type: ignore[arg-type]
    )


def class_family(**kwargs: object) -> TaskFamilySpec:
    """A family over the classes of `cells`."""
    return family(**{"family": "cells", "kind": "classes", "target": "cell", **kwargs})


def family(**kwargs: object) -> TaskFamilySpec:
    """A family of one task per target, with supports that small tables can give."""
    support = {"sizes": (2,), "min_per_class": 1, **kwargs.pop("support", {})}  # type: ignore[dict-item]
    settings = {"family": "label", "kind": "target", "min_examples": 4, **kwargs}
    return TaskFamilySpec.model_validate({**settings, "support": support})
