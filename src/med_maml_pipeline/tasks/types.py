"""The nouns of the house as frozen dataclasses: examples, tasks, episodes, problems.

Arrays follow scikit-learn's conventions: ``x`` is ``[n_examples, n_features]`` float32 with NaN for a
missing cell, ``y`` is ``[n_examples]`` float32 (class index or value). A picture is the first columns of its
row, channel by channel, row by row. Nothing here knows torch or Kedro.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Episode",
    "Examples",
    "FeatureKind",
    "FeatureTable",
    "FloatArray",
    "ImageShape",
    "IntArray",
    "MetaSplit",
    "PixelArray",
    "Problem",
    "Query",
    "Support",
    "Task",
    "TargetColumn",
    "TargetType",
]

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
PixelArray = NDArray[np.uint8]
ImageShape = tuple[int, int, int]
"""Channels, height and width in pixels."""


class TargetType(StrEnum):
    """Decides head, loss, activation and metrics of a task."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    MULTILABEL = "multilabel"  # several binary labels of one row, each of which may be unobserved
    REGRESSION = "regression"


class MetaSplit(StrEnum):
    """Which tasks a learner may see: to train, to select, to be judged on (once)."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class FeatureKind(StrEnum):
    """What a column holds, so that encoders and kernels treat it rightly."""

    NUMERIC = "numeric"  # a measurement; may be NaN
    INDICATOR = "indicator"  # 0/1: a level of a category, a flag; may be NaN
    COUNT = "count"  # a non-negative count: one cell of a count fingerprint, occurrences of a code
    PIXEL = "pixel"  # intensity 0..255 of one channel at one place of a picture


@dataclass(frozen=True)
class TargetColumn:
    """One label that examples carry.

    Attributes:
        name: Column name as configured or found in the header.
        target_type: Binary, multiclass or regression.
        n_classes: Number of classes (2 for binary, 0 for regression).
        cluster: Near-copies share a cluster and never part across meta-splits (assay variants).
        classes: Name of each class by index, where the source names them; a ``classes`` family needs them.
    """

    name: str
    target_type: TargetType
    n_classes: int
    cluster: str
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FeatureTable:
    """The inputs of one table of a source.

    Attributes:
        x: ``[n, f]`` float32, NaN where missing. ``f`` is 0 where a picture is all there is.
        names: ``f`` feature names.
        kinds: ``f`` feature kinds.
        pixels: ``[n, channels, height, width]`` uint8, or None where examples are no pictures.
    """

    x: FloatArray
    names: tuple[str, ...]
    kinds: tuple[FeatureKind, ...]
    pixels: PixelArray | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def image(self) -> ImageShape | None:
        """Shape of the pictures; None where there are none."""
        if self.pixels is None:
            return None
        channels, height, width = self.pixels.shape[1:]
        return channels, height, width

    @property
    def all_kinds(self) -> tuple[FeatureKind, ...]:
        """Kinds of the columns that `rows` gives."""
        n_pixels = 0 if self.pixels is None else math.prod(self.pixels.shape[1:])
        return (FeatureKind.PIXEL,) * n_pixels + self.kinds

    def rows(self, numbers: IntArray) -> FloatArray:
        """Inputs ``[m, pixels + f]`` float32 of the rows of these numbers: the picture, then the features."""
        features = self.x[numbers]
        if self.pixels is None:
            return features
        flat = self.pixels[numbers].reshape(len(features), -1).astype(np.float32)
        return np.concatenate([flat, features], axis=1)


@dataclass(frozen=True)
class Examples:
    """One table of one source after ingestion.

    Attributes:
        source: Source name in the configuration.
        table: Table within the source (``main`` when there is only one).
        inputs: The features.
        y: ``[n, t]`` float32, one column per target, NaN where unobserved.
        targets: The ``t`` target columns.
        groups: ``[n]`` int64. Equal numbers are the same patient or molecule, across all sources of the
            modality that declare the same group namespace. Numbered by first appearance, so that splits
            do not depend on the identifier key.
        strata: ``[n]`` str or None: the site, specialty or table part a row belongs to.
    """

    source: str
    table: str
    inputs: FeatureTable
    y: FloatArray
    targets: tuple[TargetColumn, ...]
    groups: IntArray
    strata: NDArray[np.object_] | None = None

    @property
    def key(self) -> str:
        """``source/table``: the name under which tasks refer to these examples."""
        return f"{self.source}/{self.table}"

    def __len__(self) -> int:
        return len(self.groups)


@dataclass(frozen=True)
class Support:
    """The labelled examples a learner adapts on.

    Attributes:
        x: ``[n, f]`` float32 raw features, NaN where missing.
        y: ``[n]`` float32 class indices or values; multilabel ``[n, L]``, NaN where unobserved.
        kinds: ``f`` feature kinds.
        target_type: Type of the target.
        n_classes: Number of classes, of labels if multilabel (0 for regression).
        image: Shape of the picture in the first columns of ``x``; None where there is none.
    """

    x: FloatArray
    y: FloatArray
    kinds: tuple[FeatureKind, ...]
    target_type: TargetType
    n_classes: int
    image: ImageShape | None = None


@dataclass(frozen=True)
class Query:
    """The examples a predictor is judged on: ``x`` ``[q, f]``, ``y`` ``[q]`` (multilabel ``[q, L]``)."""

    x: FloatArray
    y: FloatArray


@dataclass(frozen=True)
class Task:
    """One learning problem over the pool of examples that its meta-split may use.

    Attributes:
        task_id: ``source/table/family/label``: stable, human-readable, free of row values below the
            privacy threshold.
        examples: Key of the `Examples` the rows point into.
        family: Task family (condition, site, outcome, table, assay).
        source: Source name.
        target_type: Type of the target.
        n_classes: Number of classes, of labels ``L`` if multilabel (0 for regression).
        meta_split: Train, validation or test.
        rows: ``[n]`` int64 row numbers into the examples, ascending.
        y: ``[n]`` float32 labels, class indices remapped to ``0..n_classes-1``; multilabel ``[n, L]`` with
            0, 1 or NaN where unobserved.
        groups: ``[n]`` int64 groups of the rows.
        shared_meaning: True when "positive" means alike in all tasks of the problem, so that a zero-shot
            prior is defined.
        ways: Classes per episode; None where every episode has all of them. Episodes then number their
            classes ``0..ways-1`` in ascending order of the task's own numbers.
    """

    task_id: str
    examples: str
    family: str
    source: str
    target_type: TargetType
    n_classes: int
    meta_split: MetaSplit
    rows: IntArray
    y: FloatArray
    groups: IntArray
    shared_meaning: bool = False
    ways: int | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def n_way(self) -> int:
        """Number of classes, or labels, in an episode (0 for regression)."""
        return self.n_classes if self.ways is None else self.ways

    def labels(self, positions: IntArray, support: IntArray) -> FloatArray:
        """Labels ``[n]`` (multilabel ``[n, L]``) that rows of the pool carry in an episode.

        Args:
            positions: ``[n]`` positions of the rows.
            support: Positions of the episode's support; with ``ways`` its classes are those of the episode.

        Raises:
            ValueError: the support shows more classes than ``ways``, or a row is of a class that it lacks.
        """
        y = self.y[positions]
        if self.ways is None:
            return y
        drawn = np.unique(self.y[support])
        if len(drawn) > self.ways or not np.isin(y, drawn).all():
            raise ValueError(f"rows outside the {self.ways} classes of an episode")
        return np.searchsorted(drawn, y).astype(np.float32)


@dataclass(frozen=True)
class Episode:
    """A task with a drawn support set and query set. Positions index ``Task.rows``.

    Attributes:
        episode_id: ``problem/fold/task_id/size/draw``.
        task_id: The task it was drawn from.
        support: ``[s]`` int64 positions within the task.
        query: ``[q]`` int64 positions within the task, disjoint from support in group.
        n_shot: Examples per class in a balanced support; None where classes are not equally many. In a
            multilabel task at least so many of each class of each label.
        support_size: ``n_shot`` where it is set, else the number of examples in all.
        draw: Number of the draw.
    """

    episode_id: str
    task_id: str
    support: IntArray
    query: IntArray
    n_shot: int | None
    support_size: int
    draw: int


@dataclass(frozen=True)
class Problem:
    """All that a learner may know of one meta-learning problem in one fold.

    Attributes:
        name: Name of the problem (tasks of one problem share learners).
        fold: Fold number.
        tables: Inputs by examples key.
        tasks: All tasks, of every meta-split, in task-table order.
        episodes: Stored episodes of validation and test tasks.
        shared_inputs: True when all tables have the same columns in the same meaning: encoders are then
            fitted on meta-training rows. Otherwise inputs are made width-independent per episode from
            the support alone.
        protocol: ``disjoint`` or the name of a declared waiver (``published``).
    """

    name: str
    fold: int
    tables: Mapping[str, FeatureTable]
    tasks: tuple[Task, ...]
    episodes: tuple[Episode, ...]
    shared_inputs: bool
    protocol: str = "disjoint"
    _by_id: dict[str, Task] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_id.update({task.task_id: task for task in self.tasks})

    def task(self, task_id: str) -> Task:
        """The task of that id. Raises KeyError when there is none."""
        return self._by_id[task_id]

    def split(self, meta_split: MetaSplit) -> tuple[Task, ...]:
        """Tasks of one meta-split."""
        return tuple(task for task in self.tasks if task.meta_split == meta_split)

    def episodes_of(self, meta_split: MetaSplit) -> tuple[Episode, ...]:
        """Stored episodes of one meta-split."""
        return tuple(e for e in self.episodes if self._by_id[e.task_id].meta_split == meta_split)

    def support(self, task: Task, positions: IntArray) -> Support:
        """Support set of a task at the given positions, its classes numbered as in the episode."""
        table = self.tables[task.examples]
        return Support(
            x=table.rows(task.rows[positions]),
            y=task.labels(positions, positions),
            kinds=table.all_kinds,
            target_type=task.target_type,
            n_classes=task.n_way,
            image=table.image,
        )

    def query(self, task: Task, positions: IntArray, support: IntArray | None = None) -> Query:
        """Query set of a task at the given positions.

        Args:
            task: The task.
            positions: Positions of the query.
            support: Positions of the support, which say how the episode numbers its classes; None keeps the
                task's own numbers.
        """
        y = task.y[positions] if support is None else task.labels(positions, support)
        return Query(x=self.tables[task.examples].rows(task.rows[positions]), y=y)

    def draw(self, episode: Episode) -> tuple[Support, Query]:
        """Support and query sets of a stored episode."""
        task = self.task(episode.task_id)
        query = self.query(task, episode.query, episode.support)
        return self.support(task, episode.support), query
