"""What learners share that learn an embedding on episodes and train nothing in it at adaptation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from med_maml_pipeline.bilevel import Labelled
from med_maml_pipeline.learners.architecture import network_of, precision_of
from med_maml_pipeline.learners.embeddings import remembered
from med_maml_pipeline.learners.episode_batches import TypedBatch, labelled_support
from med_maml_pipeline.learners.evaluation import evaluate
from med_maml_pipeline.learners.gradient_adaptation import scored
from med_maml_pipeline.learners.metric_settings import (
    META_GRID,
    PICTURE_META_GRID,
    MetricAdaptation,
    MetricTraining,
)
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.network_arrays import to_arrays, to_leaves, to_tensors
from med_maml_pipeline.learners.network_inputs import NetworkInputs, encode_for_network
from med_maml_pipeline.learners.outer_loop import optimise
from med_maml_pipeline.learners.own_episodes import own_episodes
from med_maml_pipeline.learners.protocol import Checkpoint, Predictor, Settings
from med_maml_pipeline.learners.resident_inputs import ResidentInputs
from med_maml_pipeline.learners.schedule import Schedule
from med_maml_pipeline.learners.settings import read_settings
from med_maml_pipeline.learners.world import World
from med_maml_pipeline.networks import initial_parameters
from med_maml_pipeline.tasks.types import FloatArray, MetaSplit, Problem, Support, TargetType

__all__ = ["EmbeddingLearner", "Scorer"]

Options = TypeVar("Options", bound=MetricAdaptation)

_METRIC = "metric."
_QUERIES = 1024  # scored at a time, to bound the temporaries

Scorer = Callable[[Tensor], Tensor]
"""Embedded queries ``[1, q, d]`` to scores ``[1, q, n_classes]``, or values ``[1, q, 1]``."""


class EmbeddingLearner(ABC, Generic[Options]):
    """An embedding trained on episodes; adaptation embeds the support and leaves the network as it is.

    A method says what it learns beside the embedding (`beside`), its loss on training episodes (`losses`) and
    how a support scores queries (`scorer`). These see embedded rows only, so pictures and rows of numbers are
    alike to them.

    Attributes:
        training: Settings of meta-training.
        adaptation: Settings of adaptation.
    """

    name: str
    lane = "metric"
    training: type[MetricTraining] = MetricTraining
    adaptation: type[Options]
    meta_grid: tuple[Settings, ...] = META_GRID
    picture_meta_grid: tuple[Settings, ...] = PICTURE_META_GRID

    @abstractmethod
    def beside(self, width: int, facts: Mapping[str, Any], seed: int) -> dict[str, Tensor]:
        """First values of what is learned beside an embedding of that width; names begin with ``metric.``."""

    @abstractmethod
    def losses(self, learned: Mapping[str, Tensor], batch: TypedBatch, facts: Mapping[str, Any]) -> Tensor:
        """Loss ``[t]`` of embedded training episodes.

        Args:
            learned: What is learned beside the embedding.
            batch: Episodes whose rows are embedded; regression targets are standardised.
            facts: Of the checkpoint: settings of meta-training.
        """

    @abstractmethod
    def scorer(
        self,
        learned: Mapping[str, Tensor],
        support: Labelled,
        target_type: TargetType,
        n_classes: int,
        facts: Mapping[str, Any],
        options: Options,
    ) -> Scorer:
        """Adapts to one embedded support set.

        Args:
            learned: What is learned beside the embedding.
            support: ``x`` is ``[1, s, d]``; regression targets are standardised.
            target_type: Type of the target.
            n_classes: Number of classes (0 for regression).
            facts: Of the checkpoint.
            options: Settings of adaptation.
        """

    def network(self, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[np.generic]]) -> nn.Module:
        """What embeds rows, on the meta device.

        Pictures: the backbone without a head. Rows of numbers: a linear embedding on the last hidden layer.

        Args:
            facts: Of the checkpoint.
            arrays: The encoder's.
        """
        return network_of(facts, outputs=facts["embedding"] if facts["image"] is None else None)

    def episodes(
        self,
        problem: Problem,
        inputs: ResidentInputs,
        options: MetricTraining,
        seed: int,
        step: int,
        world: World,
    ) -> Iterator[TypedBatch]:
        """Training episodes of one update; a pure function of its arguments, see `own_episodes`."""
        return own_episodes(problem, inputs, options, seed, step, world)

    def supports(self, problem: Problem) -> bool:
        """Defined wherever there are meta-training tasks."""
        return bool(problem.split(MetaSplit.TRAIN))

    def meta_fit(self, problem: Problem, settings: Settings, seed: int, monitor: Monitor) -> Checkpoint:
        """Learns the embedding, and what stands beside it, on the meta-training tasks."""
        options = read_settings(self.training, settings, self.name)
        inputs = NetworkInputs.fit(problem, seed, options.scaling)
        facts = {**inputs.facts, **asdict(options)}
        network = self.network(facts, inputs.arrays)
        beside = self.beside(_embedding_width(facts), facts, seed)
        parameters = to_leaves({**initial_parameters(network, seed), **beside}, options.device)
        resident = ResidentInputs.of(inputs, options.device)

        def losses_at(step: int) -> Iterator[Tensor]:
            for drawn in self.episodes(problem, resident, options, seed, step, monitor.world):
                trunk, learned = _divided(parameters)
                embed = partial(_embed, network, trunk)
                losses = self.losses(learned, resident.rows(drawn).embedded(embed), facts)
                yield losses.sum() / options.meta_batch

        def checkpoint() -> Checkpoint:
            arrays = {**inputs.arrays, **to_arrays(parameters, "network.")}
            return Checkpoint(self.name, arrays, facts)

        schedule = Schedule.of(options, options.outer_lr)
        return optimise(parameters, losses_at, schedule, checkpoint, monitor, precision=options.precision)

    def adapt(self, checkpoint: Checkpoint, support: Support, settings: Settings, seed: int) -> Predictor:
        """Embeds the support; the network stays as it is."""
        options = read_settings(self.adaptation, settings, self.name)
        facts, kind, n_classes = checkpoint.facts, support.target_type, support.n_classes
        network = self.network(facts, checkpoint.arrays)
        parameters = to_tensors(
            checkpoint.arrays, "network.", device=facts["device"], dtype=precision_of(facts)
        )
        trunk, learned = _divided(parameters)
        learned = {name: value.double() for name, value in learned.items()}
        encoded = encode_for_network(checkpoint, support)

        embed = partial(evaluate, network, trunk, image=facts["image"], views=options.views)
        look_up = embed if facts["image"] is None else remembered(checkpoint, str(options.views), embed)
        seen = look_up(encoded.x).astype(np.float32)
        rows, scale = labelled_support(seen, support, device=facts["device"], dtype=torch.float64)
        with torch.no_grad():
            score = self.scorer(learned, rows, kind, n_classes, facts, options)

        def predict(x: FloatArray) -> FloatArray:
            asked = torch.from_numpy(look_up(encoded.transform(x))).to(rows.x).unsqueeze(0)
            with torch.no_grad():
                outputs = [score(part)[0] for part in asked.split(_QUERIES, dim=1)]
            return scored(torch.cat(outputs).cpu().numpy(), kind, scale)

        return predict


def _divided(parameters: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Parameters of the network, and those beside it."""
    beside = {name: value for name, value in parameters.items() if name.startswith(_METRIC)}
    return {name: value for name, value in parameters.items() if name not in beside}, beside


def _embedding_width(facts: Mapping[str, Any]) -> int:
    return int(facts["embedding"]) if facts["image"] is None else network_of(facts, outputs=None).embedding


def _embed(network: nn.Module, trunk: Mapping[str, Tensor], rows: Tensor) -> Tensor:
    embedded: Tensor = functional_call(network, dict(trunk), (rows,))
    return embedded
