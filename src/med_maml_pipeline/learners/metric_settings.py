"""Settings of the metric-based learners, and what validation tasks choose among."""

from __future__ import annotations

from dataclasses import dataclass

from med_maml_pipeline.learners.episode_batches import PICTURE_EPISODES
from med_maml_pipeline.learners.gradient_training import GradientTraining
from med_maml_pipeline.learners.protocol import Settings

__all__ = ["META_GRID", "PICTURE_META_GRID", "MetricAdaptation", "MetricTraining"]

META_GRID: tuple[Settings, ...] = ({}, {"input_dropout": 0.0}, {"hidden": (256,)}, {"outer_lr": 1e-3})
"""Meta-training settings of every metric-based learner."""

PICTURE_META_GRID: tuple[Settings, ...] = tuple(
    {**PICTURE_EPISODES, **settings}
    for settings in (
        {},
        {"outer_lr": 1e-3},
        {"filters": 64},
        {"augment": False},
        {"backbone": "resnet12", "filters": 16},
    )
)
"""The same where examples are pictures."""


@dataclass(frozen=True)
class MetricTraining(GradientTraining):
    """Settings of meta-training, beside those of `GradientTraining`.

    Attributes:
        meta_batch: Tasks per meta-update.
        shots: Support examples per class (in all for regression).
        query: Query examples per task.
        hidden: Widths of the hidden layers.
        embedding: Width of the (linear) embedding of rows of numbers; pictures are embedded by the backbone.
        outer_lr: Rate of AdamW.
        input_dropout: Share of the input columns hidden from a task, the same in support and query.
        backbone: Network for pictures: ``conv4`` or ``resnet12``.
        filters: Its (first) number of channels.
        augment: Turn, mirror, move and recolour pictures during training.
    """

    steps: int = 600
    meta_batch: int = 16
    shots: int = 10
    query: int = 32
    hidden: tuple[int, ...] = (128,)
    embedding: int = 64
    outer_lr: float = 3e-3
    weight_decay: float = 0.01
    input_dropout: float = 0.3
    backbone: str = "conv4"
    filters: int = 32
    augment: bool = True


@dataclass(frozen=True)
class MetricAdaptation:
    """Settings of adaptation.

    Attributes:
        views: 8 averages a picture's embedding over its rotations and reflections.
    """

    views: int = 1
