"""The inner and outer loop: second-order gradients through adaptation, by a reference and a fast path."""

from med_maml_pipeline.bilevel.batch import EpisodeBatch, Labelled
from med_maml_pipeline.bilevel.engine import adapt, query_outputs
from med_maml_pipeline.bilevel.losses import TaskLoss, cross_entropy, huber
from med_maml_pipeline.bilevel.reference import Parameters, Rates, inner_loop

__all__ = [
    "EpisodeBatch",
    "Labelled",
    "Parameters",
    "Rates",
    "TaskLoss",
    "adapt",
    "cross_entropy",
    "huber",
    "inner_loop",
    "query_outputs",
]
