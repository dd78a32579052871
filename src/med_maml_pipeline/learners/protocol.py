"""One protocol for every lane: a forest and second-order MAML are called, timed and scored alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.tasks.types import FeatureKind, FloatArray, Problem, Support

if TYPE_CHECKING:
    from med_maml_pipeline.learners.monitor import Monitor

__all__ = ["Checkpoint", "Learner", "Predictor", "ProgressCallback", "Settings", "grids", "silent"]

Settings = Mapping[str, Any]
"""Hyper-parameters of a learner by name, as plain numbers, strings, booleans and tuples."""

Predictor = Callable[[FloatArray], FloatArray]
"""Maps raw query features ``[q, f]`` to scores: logits ``[q, n_classes]`` for binary and multiclass tasks,
values ``[q]`` for regression (multilabel tasks reach a learner as binary ones). Inductive: a row's score does
not depend on the other rows."""

ProgressCallback = Callable[[int, int, Mapping[str, float]], None]
"""Called with (steps done, steps in all, figures such as the loss). Steps are meta-updates or tasks."""


def silent(done: int, total: int, figures: Mapping[str, float]) -> None:
    """A progress callback that says nothing."""


@dataclass(frozen=True)
class Checkpoint:
    """What a learner keeps between meta-training and adaptation: named arrays and plain facts, no code.

    Attributes:
        learner: Name of the learner that made it.
        arrays: Parameters, buffers and encoder state. Stored as safetensors; never changed by ``adapt``.
        facts: JSON-able description (layer sizes, kinds, settings) that ``adapt`` needs.
        history: Learning curve, one record per logged step (see `optimise`).
    """

    learner: str
    arrays: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Mapping[str, float], ...] = ()


class Learner(Protocol):
    """A method. Instances hold no state: everything learned lives in the checkpoint.

    Attributes:
        name: Name in tables and configuration.
        lane: optimisation, metric, model, transfer, classical, control or ensemble.
        meta_grid: Settings tried with a meta-training each (the first is the default).
        adapt_grid: Settings tried at adaptation only, chosen per support size on validation episodes.

    Learners that meta-train alike name the same ``trunk``, an optional attribute: one meta-training then
    serves them all. Optional too are ``picture_meta_grid`` and ``picture_grid``, which take the place of the
    two grids where examples are pictures, and ``scales_inputs``, False where the scale of numeric inputs is
    no matter (see `grids`).
    """

    name: str
    lane: str
    meta_grid: tuple[Settings, ...]
    adapt_grid: tuple[Settings, ...]

    def supports(self, problem: Problem) -> bool:
        """Whether the learner is defined for this problem (Tanimoto needs fingerprints, the prior a
        shared meaning)."""

    def meta_fit(self, problem: Problem, settings: Settings, seed: int, monitor: Monitor) -> Checkpoint:
        """Learns from the meta-training tasks of ``problem`` (and from nothing else in it).

        A pure function of its arguments on one device type; of the monitor's, only its validation metric
        counts.
        """

    def adapt(self, checkpoint: Checkpoint, support: Support, settings: Settings, seed: int) -> Predictor:
        """Adapts to a support set without changing the checkpoint: its arrays stay bit-identical."""


def grids(learner: Learner, problem: Problem) -> tuple[tuple[Settings, ...], tuple[Settings, ...]]:
    """Settings to try at meta-training and at adaptation on this problem.

    Where there are numeric columns, every learner to which their scale matters may last try quantile scaling:
    one rule, so that no lane has better inputs than another. Networks that see pictures are left out.
    """
    tables = problem.tables.values()
    pictures = any(table.pixels is not None for table in tables)
    meta, adapt = learner.meta_grid, learner.adapt_grid
    if pictures:
        meta = getattr(learner, "picture_meta_grid", meta)
        adapt = getattr(learner, "picture_grid", adapt)
    numeric = any(FeatureKind.NUMERIC in table.kinds for table in tables)
    sees_pixels = pictures and hasattr(learner, "picture_meta_grid")
    if numeric and not sees_pixels and getattr(learner, "scales_inputs", True):
        meta = (*meta, {**meta[0], "scaling": "quantile"})
    return meta, adapt
