"""Almost no inner loop: only the head adapts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from med_maml_pipeline.bilevel import (
    EpisodeBatch,
    InnerLoop,
    Labelled,
    Parameters,
    Path,
    RatesByStep,
    TaskChunks,
    TaskLoss,
    adapt_heads,
    head_query_losses,
)
from med_maml_pipeline.learners.episode_batches import TypedBatch
from med_maml_pipeline.learners.gradient_adaptation import Descent
from med_maml_pipeline.learners.maml import Maml
from med_maml_pipeline.learners.maml_settings import MamlAdaptation, MamlTraining
from med_maml_pipeline.learners.meta_learned import MetaLearned
from med_maml_pipeline.learners.meta_loss import MetaLoss
from med_maml_pipeline.learners.resident_inputs import ResidentInputs
from med_maml_pipeline.networks import Network

__all__ = ["Anil"]


class Anil(Maml):
    """ANIL (Raghu et al. 2020): MAML whose inner loop moves the head alone, in training and at adaptation.

    The trunk learns features that a few gradient steps of a linear head can use. Its gradient is exact: it
    passes through the head's loop, support and query. Features are computed once, so that an update costs
    little more than a forward and a backward pass. ``inner_clip`` bounds the head's gradient.
    """

    name = "anil"

    def initial_rates(
        self, network: Network, options: MamlTraining, mean_square_norm: float
    ) -> dict[str, Tensor]:
        """The head's rate; there are no others."""
        every = super().initial_rates(network, options, mean_square_norm)
        return {network.head_path: every[network.head_path]}

    def meta_loss(self, learned: MetaLearned, options: MamlTraining, resident: ResidentInputs) -> MetaLoss:
        """Loss on the queries after the head's inner loop."""
        return _HeadLoss(learned, self.rates, options, resident)

    def descent(self, facts: Mapping[str, Any], options: MamlAdaptation) -> Descent:
        """Descent of the head on the features of the support."""
        return _adapt


class _HeadLoss(MetaLoss):
    """`MetaLoss` by one pass through the trunk."""

    def plan(self, batch: TypedBatch, chunks: TaskChunks) -> tuple[Path, int]:
        """As many tasks as the trunk's graph allows; that of the heads is small beside it."""
        support, query = batch.episodes.support, batch.episodes.query
        every = replace(query, x=torch.cat([support.x, query.x], dim=1))
        passed, loop = EpisodeBatch(support, every), InnerLoop(0)
        start, path = self.start(batch), Path.REFERENCE
        return chunks.plan(self.learned.network, start, passed, _no_loss, 0.0, loop, path=path)

    def losses(self, batch: TypedBatch, path: Path) -> Iterator[Tensor]:
        """As `MetaLoss.losses`."""
        trunk, head = _parted(self.learned.network, self.start(batch))
        network = _without_head(self.learned.network)
        features = batch.embedded(lambda rows: functional_call(network, trunk, (rows,))).episodes
        yield head_query_losses(head, features, self.loss(batch), self.rates(batch), self.options.inner_loop)


def _no_loss(outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Counts the trunk's graph without a loss."""
    return outputs.sum((-1, -2))


def _adapt(
    network: Network,
    parameters: Mapping[str, Tensor],
    support: Labelled,
    loss: TaskLoss,
    rates: RatesByStep,
    loop: InnerLoop,
) -> Parameters:
    trunk, head = _parted(network, parameters)
    with torch.no_grad():
        features = functional_call(_without_head(network), trunk, (support.x[0],)).unsqueeze(0)
    leaves = {name: value.detach().clone().requires_grad_() for name, value in head.items()}
    adapted = adapt_heads(leaves, replace(support, x=features), loss, rates, replace(loop, first_order=True))
    return {**trunk, **{name: value[0].detach() for name, value in adapted.items()}}


def _parted(network: Network, parameters: Mapping[str, Tensor]) -> tuple[Parameters, Parameters]:
    """Trunk, and weight and bias of the head."""
    names = [f"{network.head_path}.{part}" for part in ("weight", "bias")]
    trunk = {name: value for name, value in parameters.items() if name not in names}
    return trunk, {name: parameters[name] for name in names}


def _without_head(network: Network) -> nn.Module:
    """The structure up to the embedding."""
    trunk = deepcopy(network)
    trunk.set_submodule(network.head_path, nn.Identity())
    return trunk
