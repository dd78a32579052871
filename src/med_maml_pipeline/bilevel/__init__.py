"""The inner and outer loop: second-order gradients through adaptation, by a reference and by faster paths."""

from med_maml_pipeline.bilevel.batch import EpisodeBatch, Labelled
from med_maml_pipeline.bilevel.engine import Path, adapt, path_for, query_losses, query_outputs
from med_maml_pipeline.bilevel.inner import InnerLoop, Parameters, Rates, RatesByStep
from med_maml_pipeline.bilevel.losses import TaskLoss, cross_entropy, huber
from med_maml_pipeline.bilevel.memory import TaskChunks
from med_maml_pipeline.bilevel.reference import inner_loop

__all__ = [
    "EpisodeBatch",
    "InnerLoop",
    "Labelled",
    "Parameters",
    "Path",
    "Rates",
    "RatesByStep",
    "TaskChunks",
    "TaskLoss",
    "adapt",
    "cross_entropy",
    "huber",
    "inner_loop",
    "path_for",
    "query_losses",
    "query_outputs",
]
