"""The inner and outer loop: second-order gradients through adaptation, by a reference and by faster paths."""

from med_maml_pipeline.bilevel.batch import EpisodeBatch, Labelled
from med_maml_pipeline.bilevel.centring import centre_in_bias
from med_maml_pipeline.bilevel.engine import Path, adapt, descend, path_for, query_losses, query_outputs
from med_maml_pipeline.bilevel.given_gradients import given_gradients, of_each_task
from med_maml_pipeline.bilevel.implicit import adapt_proximally, implicit_query_losses
from med_maml_pipeline.bilevel.inner import InnerLoop, Parameters, Rates, RatesByStep, rates_at
from med_maml_pipeline.bilevel.linear_head import adapt_heads, head_query_losses
from med_maml_pipeline.bilevel.losses import TaskLoss, cross_entropy, huber
from med_maml_pipeline.bilevel.memory import TaskChunks
from med_maml_pipeline.bilevel.proximal import Proximal
from med_maml_pipeline.bilevel.reference import inner_loop

__all__ = [
    "EpisodeBatch",
    "InnerLoop",
    "Labelled",
    "Parameters",
    "Path",
    "Proximal",
    "Rates",
    "RatesByStep",
    "TaskChunks",
    "TaskLoss",
    "adapt",
    "adapt_proximally",
    "centre_in_bias",
    "descend",
    "given_gradients",
    "implicit_query_losses",
    "adapt_heads",
    "cross_entropy",
    "head_query_losses",
    "huber",
    "inner_loop",
    "of_each_task",
    "path_for",
    "query_losses",
    "query_outputs",
    "rates_at",
]
