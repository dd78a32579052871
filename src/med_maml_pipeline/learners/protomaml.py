"""MAML whose heads start at the prototypes of the support."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from med_maml_pipeline.bilevel import InnerLoop, Labelled, Parameters, RatesByStep, TaskLoss, adapt
from med_maml_pipeline.learners.episode_batches import PICTURE_EPISODES, TypedBatch
from med_maml_pipeline.learners.gradient_adaptation import Descent
from med_maml_pipeline.learners.maml import Maml
from med_maml_pipeline.learners.maml_settings import MamlAdaptation, MamlTraining
from med_maml_pipeline.learners.meta_learned import MetaLearned
from med_maml_pipeline.learners.meta_loss import MetaLoss
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.learners.prototypes import class_means, memberships
from med_maml_pipeline.learners.resident_inputs import ResidentInputs
from med_maml_pipeline.networks import Network

__all__ = ["ProtoMaml", "ProtoMamlTraining", "prototype_head", "with_prototypes"]


@dataclass(frozen=True)
class ProtoMamlTraining(MamlTraining):
    """Settings of meta-training, beside those of `MamlTraining`.

    Attributes:
        first_order: Treat the inner gradients as constants; the start of the head is differentiated through
            all the same.
    """

    first_order: bool = False

    @property
    def inner_loop(self) -> InnerLoop:
        """The inner loop of meta-training."""
        return replace(super().inner_loop, first_order=self.first_order)


class ProtoMaml(Maml):
    """ProtoMAML (Triantafillou et al. 2020): MAML from a nearest-prototype classifier.

    A task starts with the head ``w_c = 2 p_c / d`` and ``b_c = −‖p_c‖² / d``, where ``p_c`` is the mean of
    the class's features ``[d]`` in the support: before the first step the scores order classes as a
    prototypical network does, for any number of classes, and the meta-gradient flows through that start too.
    (The paper has no ``d``; with it the first scores do not grow with the width.) A class that the support
    lacks starts at the mean of all; numeric targets have no prototypes and start at MAML's learned head.
    """

    name = "protomaml"
    training: type[ProtoMamlTraining] = ProtoMamlTraining
    meta_grid: tuple[Settings, ...] = (
        {},
        {"centre": True},
        {"first_order": True},
        {"input_dropout": 0.2},
        {"outer_lr": 1e-3},
        {"hidden": (256, 64)},
    )
    picture_meta_grid: tuple[Settings, ...] = tuple(
        {**PICTURE_EPISODES, **settings}
        for settings in (
            {},
            {"centre": True},
            {"first_order": True},
            {"outer_lr": 1e-3},
            {"filters": 64},
            {"augment": False},
            {"backbone": "resnet12", "filters": 16},
        )
    )

    def meta_loss(self, learned: MetaLearned, options: MamlTraining, resident: ResidentInputs) -> MetaLoss:
        """Loss from starts with prototypes."""
        return _PrototypeLoss(learned, self.rates, options, resident)

    def descent(self, facts: Mapping[str, Any], options: MamlAdaptation) -> Descent:
        """Sets the head to the support's prototypes before the first step."""

        def descend(
            network: Network,
            start: Mapping[str, Tensor],
            support: Labelled,
            loss: TaskLoss,
            rates: RatesByStep,
            loop: InnerLoop,
        ) -> Parameters:
            if support.y.is_floating_point():
                return adapt(network, start, support, loss, rates, loop)
            with torch.no_grad():
                led = with_prototypes(network, start, support, centred=loop.centred)
            own = {
                name: value[0] if value.dim() > start[name].dim() else value for name, value in led.items()
            }
            return adapt(network, own, support, loss, rates, loop)

        return descend


class _PrototypeLoss(MetaLoss):
    """`MetaLoss` whose tasks start with heads of their own."""

    def start(self, batch: TypedBatch) -> Parameters:
        """Trunk and, where targets are classes, heads ``[t, ...]`` from the support."""
        start = super().start(batch)
        if batch.n_classes == 0:
            return start
        network, support = self.learned.network, batch.episodes.support
        return with_prototypes(network, start, support, centred=self.options.centre)


def with_prototypes(
    network: Network, start: Mapping[str, Tensor], support: Labelled, *, centred: bool
) -> Parameters:
    """The start with heads from the prototypes of every task, differentiable through the features.

    Args:
        network: The structure.
        start: Trunk and any head of the right number of classes.
        support: Labelled rows of ``t`` tasks.
        centred: Whether the head sees centred features.
    """
    names = tuple(f"{network.head_path}.{part}" for part in ("weight", "bias"))
    trunk = {name: value for name, value in start.items() if name not in names}
    through = torch.eye(network.embedding).to(start[names[0]])  # a head that shows the features as they are
    showing = {**trunk, names[0]: through, names[1]: through.new_zeros(network.embedding)}
    rows = functional_call(network, showing, (support.x.flatten(0, 1),))
    seen = replace(support, x=rows.unflatten(0, support.y.shape))
    weight, bias = prototype_head(seen, len(start[names[1]]), centred=centred)
    # Aliases keep the inner gradient of the trunk from running through the head as well.
    apart = {name: value.view_as(value) for name, value in trunk.items()}
    return {**apart, names[0]: weight, names[1]: bias}


def prototype_head(support: Labelled, n_classes: int, *, centred: bool) -> tuple[Tensor, Tensor]:
    """Weights ``[t, n_classes, d]`` and biases ``[t, n_classes]`` that score by distance to prototypes.

    Args:
        support: Support sets, ``x`` are features ``[t, s, d]``.
        n_classes: Number of classes.
        centred: Take the support's mean from the features first.
    """
    if centred:
        support = replace(support, x=support.x - support.weight.unsqueeze(1) @ support.x)
    prototypes, width = class_means(support, memberships(support, n_classes)), support.x.shape[-1]
    return 2 * prototypes / width, -prototypes.square().sum(-1) / width
