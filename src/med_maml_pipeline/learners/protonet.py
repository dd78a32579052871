"""Prototypical networks, with prototypes that know what is usual."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from med_maml_pipeline.learners.architecture import network_of, precision_of
from med_maml_pipeline.learners.embeddings import remembered
from med_maml_pipeline.learners.episode_batches import (
    PICTURE_EPISODES,
    TypedBatch,
    labelled,
    loss_of,
)
from med_maml_pipeline.learners.evaluation import evaluate
from med_maml_pipeline.learners.gradient_adaptation import scored
from med_maml_pipeline.learners.gradient_training import GradientTraining
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.network_arrays import to_arrays, to_leaves, to_tensors
from med_maml_pipeline.learners.network_inputs import NetworkInputs, encode_for_network
from med_maml_pipeline.learners.outer_loop import optimise
from med_maml_pipeline.learners.own_episodes import own_episodes
from med_maml_pipeline.learners.protocol import Checkpoint, Predictor, Settings
from med_maml_pipeline.learners.prototypes import metric_outputs, metric_parameters
from med_maml_pipeline.learners.resident_inputs import ResidentInputs
from med_maml_pipeline.learners.schedule import Schedule
from med_maml_pipeline.learners.scores import TargetScale
from med_maml_pipeline.learners.settings import read_settings
from med_maml_pipeline.networks import Network, initial_parameters
from med_maml_pipeline.tasks.types import FloatArray, MetaSplit, Problem, Support, TargetType

__all__ = ["ProtoNet", "ProtoNetAdaptation", "ProtoNetTraining"]

_METRIC = "metric."


@dataclass(frozen=True)
class ProtoNetTraining(GradientTraining):
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
class ProtoNetAdaptation:
    """Settings of adaptation.

    Attributes:
        prior_scale: Multiplies the learned strength of the usual prototypes.
        views: 8 averages a picture's embedding over its rotations and reflections.
    """

    prior_scale: float = 1.0
    views: int = 1


class ProtoNet:
    """Classify by the nearest prototype in a learned embedding (Snell et al. 2017).

    Scores are ``-τ ‖e(x) - p_c‖²`` with a learned temperature. In binary tasks the prototype of a class is
    the mean of its support and of a learned usual prototype that counts as ``κ`` examples, ``κ`` learned
    too: the posterior mean under a Gaussian prior. So a task may lean on what all tasks have in common;
    with ``prior_scale`` 0 it is the original. Regression takes the mean of the support's values, weighted
    by ``softmax(-τ ‖e(x) - e(xᵢ)‖²)`` (Nadaraya 1964, Watson 1964), in the same embedding with a
    temperature of its own.
    """

    name = "protonet"
    lane = "metric"
    meta_grid: tuple[Settings, ...] = ({}, {"input_dropout": 0.0}, {"hidden": (256,)}, {"outer_lr": 1e-3})
    picture_meta_grid: tuple[Settings, ...] = tuple(
        {**PICTURE_EPISODES, **settings}
        for settings in (
            {},
            {"outer_lr": 1e-3},
            {"filters": 64},
            {"augment": False},
            {"backbone": "resnet12", "filters": 16},
        )
    )
    picture_grid: tuple[Settings, ...] = tuple(
        {"prior_scale": scale, "views": views} for scale, views in ((1.0, 8), (0.0, 8), (1.0, 1), (10.0, 8))
    )
    adapt_grid: tuple[Settings, ...] = tuple({"prior_scale": s} for s in (1.0, 0.0, 0.3, 3.0, 10.0, 100.0))

    def supports(self, problem: Problem) -> bool:
        """Defined wherever there are meta-training tasks."""
        return bool(problem.split(MetaSplit.TRAIN))

    def meta_fit(self, problem: Problem, settings: Settings, seed: int, monitor: Monitor) -> Checkpoint:
        """Learns embedding, temperatures and usual prototypes on the meta-training tasks."""
        options = read_settings(ProtoNetTraining, settings, self.name)
        inputs = NetworkInputs.fit(problem, seed)
        facts = {**inputs.facts, **asdict(options)}
        network = _embedding_network(facts)
        start = {**initial_parameters(network, seed), **metric_parameters(_embedding_width(facts, network))}
        parameters = to_leaves(start, options.device)
        resident = ResidentInputs.of(inputs, options.device)

        def losses_at(step: int) -> Iterator[Tensor]:
            for drawn in own_episodes(problem, resident, options, seed, step, monitor.world):
                losses = _query_losses(network, parameters, resident.rows(drawn))
                yield losses.sum() / options.meta_batch

        def checkpoint() -> Checkpoint:
            arrays = {**inputs.arrays, **to_arrays(parameters, "network.")}
            return Checkpoint(self.name, arrays, facts)

        schedule = Schedule.of(options, options.outer_lr)
        return optimise(parameters, losses_at, schedule, checkpoint, monitor, precision=options.precision)

    def adapt(self, checkpoint: Checkpoint, support: Support, settings: Settings, seed: int) -> Predictor:
        """Embeds the support; nothing is trained."""
        options = read_settings(ProtoNetAdaptation, settings, self.name)
        facts = checkpoint.facts
        network = _embedding_network(facts)
        precision = precision_of(facts)
        parameters = to_tensors(checkpoint.arrays, "network.", device=facts["device"], dtype=precision)
        metric = {name: value.double() for name, value in parameters.items() if name.startswith(_METRIC)}
        trunk = {name: value for name, value in parameters.items() if not name.startswith(_METRIC)}
        encoded = encode_for_network(checkpoint, support)
        numeric = support.target_type is TargetType.REGRESSION
        scale = TargetScale.fit(support.y) if numeric else TargetScale(0.0, 1.0)

        embed = partial(evaluate, network, trunk, image=facts["image"], views=options.views)
        look_up = embed if facts["image"] is None else remembered(checkpoint, str(options.views), embed)
        rows = labelled(
            [(look_up(encoded.x).astype(np.float32), scale.standardise(support.y))],
            support.target_type,
            device=facts["device"],
            dtype=torch.float64,
        )

        def predict(x: FloatArray) -> FloatArray:
            asked = torch.from_numpy(look_up(encoded.transform(x))).to(rows.x).unsqueeze(0)
            with torch.no_grad():
                outputs = metric_outputs(
                    metric,
                    rows,
                    asked,
                    support.target_type,
                    support.n_classes,
                    prior_scale=options.prior_scale,
                )
            return scored(outputs[0].cpu().numpy(), support.target_type, scale)

        return predict


def _embedding_network(facts: Mapping[str, Any]) -> Network:
    """Pictures: the backbone without a head. Rows of numbers: a linear embedding on the last hidden layer."""
    return network_of(facts, outputs=facts["embedding"] if facts["image"] is None else None)


def _embedding_width(facts: Mapping[str, Any], network: Network) -> int:
    return int(facts["embedding"]) if facts["image"] is None else network.embedding


def _query_losses(network: Network, parameters: Mapping[str, Tensor], batch: TypedBatch) -> Tensor:
    """Loss ``[t]`` on the queries."""
    support, query = batch.episodes.support, batch.episodes.query
    trunk = {name: value for name, value in parameters.items() if not name.startswith(_METRIC)}
    rows = torch.cat([support.x, query.x], dim=1)
    embedded = functional_call(network, trunk, (rows.flatten(0, 1),)).unflatten(0, rows.shape[:2])
    seen, asked = embedded[:, : support.x.shape[1]], embedded[:, support.x.shape[1] :]
    outputs = metric_outputs(parameters, replace(support, x=seen), asked, batch.target_type, batch.n_classes)
    return loss_of(batch.target_type)(outputs, query.y, query.weight)
