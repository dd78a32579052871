"""SNAIL: a sequence model as a learning algorithm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from med_maml_pipeline.bilevel import EpisodeBatch, Labelled
from med_maml_pipeline.learners.embedding_learner import Scorer
from med_maml_pipeline.learners.episode_batches import TypedBatch
from med_maml_pipeline.learners.metric_settings import MetricAdaptation, MetricTraining
from med_maml_pipeline.learners.one_against_rest import KINDS
from med_maml_pipeline.learners.process_learner import ProcessLearner
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.learners.resident_inputs import ResidentInputs
from med_maml_pipeline.learners.world import World
from med_maml_pipeline.networks import Snail as Sequence
from med_maml_pipeline.tasks.types import Problem, TargetType

__all__ = ["Snail", "SnailAdaptation", "SnailTraining"]

_STREAM = 12  # keeps the orders of supports apart from other draws with the same seed


@dataclass(frozen=True)
class SnailTraining(MetricTraining):
    """Settings of meta-training, beside those of `MetricTraining`.

    Attributes:
        channels: Channels that each convolution adds.
        span: Support rows that the convolutions of one block reach over; attention reaches over all.
    """

    channels: int = 16
    span: int = 32


@dataclass(frozen=True)
class SnailAdaptation(MetricAdaptation):
    """Settings of adaptation, beside those of `MetricAdaptation`.

    Attributes:
        orders: Random orders of the support over which the outputs are averaged.
    """

    orders: int = 4


class Snail(ProcessLearner[SnailAdaptation]):
    """A simple neural attentive meta-learner (Mishra et al. 2018): support and query as one sequence.

    Dilated causal convolutions gather what came before, causal attention picks from it, and the last row, the
    query without its label, is answered. Every query stands alone behind the support, so that queries never
    see each other. The answer depends on the order of the support: training draws orders, and a prediction is
    the mean over a few, drawn after the rows are sorted by content, so that the order of a file plays no
    part. Classes and numeric targets as in `ConditionalNeuralProcess`.
    """

    name = "snail"
    training = SnailTraining
    adaptation = SnailAdaptation
    adapt_grid: tuple[Settings, ...] = ({"orders": 4}, {"orders": 16})
    picture_grid: tuple[Settings, ...] = tuple(
        {"orders": orders, "views": views} for orders, views in ((4, 8), (16, 8), (4, 1))
    )

    def process(self, facts: Mapping[str, Any], width: int) -> nn.Module:
        """Convolutions and attention over the sequence."""
        return Sequence(width, len(KINDS), facts["embedding"], facts["channels"], facts["span"])

    def episodes(
        self,
        problem: Problem,
        inputs: ResidentInputs,
        options: MetricTraining,
        seed: int,
        step: int,
        world: World,
    ) -> Iterator[TypedBatch]:
        """Training episodes of one update, their supports in random order: they are drawn class by class."""
        for batch in super().episodes(problem, inputs, options, seed, step, world):
            support, query = batch.episodes.support, batch.episodes.query
            rng = np.random.default_rng((_STREAM, seed, step, batch.n_classes))  # the same on every rank
            order = torch.from_numpy(rng.permutation(support.y.shape[1])).to(support.y.device)
            yield replace(batch, episodes=EpisodeBatch(_in_order(support, order), query))

    def scorer(
        self,
        learned: Mapping[str, Tensor],
        support: Labelled,
        target_type: TargetType,
        n_classes: int,
        facts: Mapping[str, Any],
        options: SnailAdaptation,
    ) -> Scorer:
        """Answers queries as the mean over orders of the support."""
        by_content = _by_content(support)
        drawn = np.random.default_rng(_STREAM)
        supports = [
            _in_order(support, by_content[torch.from_numpy(drawn.permutation(len(by_content)))])
            for _ in range(options.orders)
        ]

        def score(asked: Tensor) -> Tensor:
            outputs = [self.outputs(learned, rows, asked, target_type, n_classes, facts) for rows in supports]
            return torch.stack(outputs).mean(0)

        return score


def _in_order(rows: Labelled, order: Tensor) -> Labelled:
    """Rows ``[t, n]`` of every task in the order ``[n]``."""
    return Labelled(rows.x[:, order], rows.y[:, order], rows.weight[:, order])


def _by_content(support: Labelled) -> Tensor:
    """``[n]`` order of the rows of a single support by their inputs, then by their targets."""
    x, y = support.x[0].cpu().numpy(), support.y[0].cpu().numpy()
    return torch.from_numpy(np.lexsort((y, *x.T[::-1]))).to(support.y.device)
