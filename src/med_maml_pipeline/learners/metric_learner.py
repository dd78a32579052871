"""What metric-based learners share: a learned embedding, and scores by comparison with the support."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from med_maml_pipeline.bilevel import Labelled
from med_maml_pipeline.learners.architecture import network_of, precision_of
from med_maml_pipeline.learners.embeddings import remembered
from med_maml_pipeline.learners.episode_batches import TypedBatch, labelled, loss_of
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
from med_maml_pipeline.learners.scores import TargetScale
from med_maml_pipeline.learners.settings import read_settings
from med_maml_pipeline.networks import Network, initial_parameters
from med_maml_pipeline.tasks.types import FloatArray, MetaSplit, Problem, Support, TargetType

__all__ = ["MetricLearner"]

Options = TypeVar("Options", bound=MetricAdaptation)

_METRIC = "metric."
_QUERIES = 1024  # compared at a time, to bound the temporaries


class MetricLearner(ABC, Generic[Options]):
    """An embedding trained on episodes; adaptation embeds the support and trains nothing.

    A method says what it learns beside the embedding (`beside`) and how queries are compared with a support
    (`compare`). Both see embedded rows only, so pictures and rows of numbers are alike to them.

    Attributes:
        training: Settings of meta-training.
        adaptation: Settings of adaptation; training takes their defaults.
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
    def compare(
        self,
        learned: Mapping[str, Tensor],
        support: Labelled,
        asked: Tensor,
        target_type: TargetType,
        n_classes: int,
        options: Options,
    ) -> Tensor:
        """Scores of the queries: ``[t, q, n_classes]``, or values ``[t, q, 1]``.

        Args:
            learned: What is learned beside the embedding.
            support: Embedded support sets, ``x`` is ``[t, s, d]``; regression targets are standardised.
            asked: ``[t, q, d]`` embedded queries.
            target_type: Type of the target.
            n_classes: Number of classes (0 for regression).
            options: Settings of adaptation.
        """

    def supports(self, problem: Problem) -> bool:
        """Defined wherever there are meta-training tasks."""
        return bool(problem.split(MetaSplit.TRAIN))

    def meta_fit(self, problem: Problem, settings: Settings, seed: int, monitor: Monitor) -> Checkpoint:
        """Learns the embedding, and what stands beside it, on the meta-training tasks."""
        options = read_settings(self.training, settings, self.name)
        inputs = NetworkInputs.fit(problem, seed)
        facts = {**inputs.facts, **asdict(options)}
        network = _embedding_network(facts)
        beside = self.beside(_embedding_width(facts, network), facts, seed)
        parameters = to_leaves({**initial_parameters(network, seed), **beside}, options.device)
        resident = ResidentInputs.of(inputs, options.device)

        def losses_at(step: int) -> Iterator[Tensor]:
            for drawn in own_episodes(problem, resident, options, seed, step, monitor.world):
                losses = self._query_losses(network, parameters, resident.rows(drawn))
                yield losses.sum() / options.meta_batch

        def checkpoint() -> Checkpoint:
            arrays = {**inputs.arrays, **to_arrays(parameters, "network.")}
            return Checkpoint(self.name, arrays, facts)

        schedule = Schedule.of(options, options.outer_lr)
        return optimise(parameters, losses_at, schedule, checkpoint, monitor, precision=options.precision)

    def _query_losses(self, network: Network, parameters: Mapping[str, Tensor], batch: TypedBatch) -> Tensor:
        """Loss ``[t]`` on the queries."""
        support, query = batch.episodes.support, batch.episodes.query
        trunk, learned = _divided(parameters)
        rows = torch.cat([support.x, query.x], dim=1)
        embedded = functional_call(network, trunk, (rows.flatten(0, 1),)).unflatten(0, rows.shape[:2])
        seen, asked = embedded[:, : support.x.shape[1]], embedded[:, support.x.shape[1] :]
        kind, n_classes = batch.target_type, batch.n_classes
        outputs = self.compare(learned, replace(support, x=seen), asked, kind, n_classes, self.adaptation())
        return loss_of(kind)(outputs, query.y, query.weight)

    def adapt(self, checkpoint: Checkpoint, support: Support, settings: Settings, seed: int) -> Predictor:
        """Embeds the support; nothing is trained."""
        options = read_settings(self.adaptation, settings, self.name)
        facts, kind, n_classes = checkpoint.facts, support.target_type, support.n_classes
        network = _embedding_network(facts)
        parameters = to_tensors(
            checkpoint.arrays, "network.", device=facts["device"], dtype=precision_of(facts)
        )
        trunk, learned = _divided(parameters)
        learned = {name: value.double() for name, value in learned.items()}
        encoded = encode_for_network(checkpoint, support)
        scale = TargetScale.fit(support.y) if kind is TargetType.REGRESSION else TargetScale(0.0, 1.0)

        embed = partial(evaluate, network, trunk, image=facts["image"], views=options.views)
        look_up = embed if facts["image"] is None else remembered(checkpoint, str(options.views), embed)
        rows = labelled(
            [(look_up(encoded.x).astype(np.float32), scale.standardise(support.y))],
            kind,
            device=facts["device"],
            dtype=torch.float64,
        )

        def predict(x: FloatArray) -> FloatArray:
            asked = torch.from_numpy(look_up(encoded.transform(x))).to(rows.x).unsqueeze(0)
            with torch.no_grad():
                parts = asked.split(_QUERIES, dim=1)
                outputs = [self.compare(learned, rows, part, kind, n_classes, options)[0] for part in parts]
            return scored(torch.cat(outputs).cpu().numpy(), kind, scale)

        return predict


def _divided(parameters: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Parameters of the network, and those beside it."""
    beside = {name: value for name, value in parameters.items() if name.startswith(_METRIC)}
    return {name: value for name, value in parameters.items() if name not in beside}, beside


def _embedding_network(facts: Mapping[str, Any]) -> Network:
    """Pictures: the backbone without a head. Rows of numbers: a linear embedding on the last hidden layer."""
    return network_of(facts, outputs=facts["embedding"] if facts["image"] is None else None)


def _embedding_width(facts: Mapping[str, Any], network: Network) -> int:
    return int(facts["embedding"]) if facts["image"] is None else network.embedding
