"""Settings of the metric-based learners, and what validation tasks choose among."""

from __future__ import annotations

from dataclasses import dataclass

from med_maml_pipeline.learners.episode_batches import PICTURE_EPISODES
from med_maml_pipeline.learners.gradient_training import EpisodeTraining
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
class MetricTraining(EpisodeTraining):
    """Settings of meta-training, beside those of `EpisodeTraining`.

    Attributes:
        embedding: Width of the (linear) embedding of rows of numbers; pictures are embedded by the backbone.
    """

    embedding: int = 64
    input_dropout: float = 0.3


@dataclass(frozen=True)
class MetricAdaptation:
    """Settings of adaptation.

    Attributes:
        views: 8 averages a picture's embedding over its rotations and reflections.
    """

    views: int = 1
