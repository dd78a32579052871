"""Control: the classical learner on our features."""

from __future__ import annotations

from med_maml_pipeline.learners.forest import RandomForest
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.learners.transfer import Pretrained

__all__ = ["ForestOnFeatures"]


class ForestOnFeatures(Pretrained, RandomForest):
    """A random forest on the features of the pre-trained network.

    Tells what the features give from what the heads of the transfer lane give.
    """

    name = "forest_on_features"
    lane = "control"
    picture_grid: tuple[Settings, ...] = tuple(
        {**RandomForest.adapt_grid[0], "inputs": inputs} for inputs in ("joined", "learned", "whitened")
    )
