"""Body only update in inner loop: all but the head adapts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from med_maml_pipeline.bilevel import RatesByStep
from med_maml_pipeline.learners.layer_rates import rates_from_logs
from med_maml_pipeline.learners.maml import Maml
from med_maml_pipeline.learners.maml_settings import MamlTraining
from med_maml_pipeline.learners.meta_learned import MetaLearned
from med_maml_pipeline.networks import DirectedHeads, Heads, Network

__all__ = ["Boil", "BoilTraining"]


@dataclass(frozen=True)
class BoilTraining(MamlTraining):
    """Settings of meta-training: those of `MamlTraining`.

    The inner rate is higher, since the whole change of a task's scores must come from the body.
    """

    inner_lr: float = 5.0


class Boil(Maml):
    """BOIL (Oh et al. 2021): MAML whose inner loop leaves the head alone, in training and at adaptation.

    A task changes what the network sees in its inputs, not how it reads that. The head is learned over the
    tasks; it starts at orthonormal directions, since no gradient would reach the body through the zeros of
    `Maml`. Multiclass tasks differ in their number of classes, so each of their classes has a direction that
    is the same in all tasks and is not learned, see `DirectedHeads`.
    """

    name = "boil"
    training = BoilTraining

    def heads(self, network: Network) -> Heads:
        """Heads with directions of their own."""
        return DirectedHeads(network.embedding, network.head_path)

    def initial_rates(
        self, network: Network, options: MamlTraining, mean_square_norm: float
    ) -> dict[str, Tensor]:
        """Rates of the body's layers."""
        every = super().initial_rates(network, options, mean_square_norm)
        return {layer: value for layer, value in every.items() if layer != network.head_path}

    def rates(self, learned: MetaLearned, kind: str, steps: int, scale: float = 1.0) -> RatesByStep:
        """Those of the body; the head's is zero."""
        body = rates_from_logs(learned.rates, scale)
        return {**body, learned.network.head_path: torch.zeros_like(next(iter(body.values())))}
