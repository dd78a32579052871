"""A transformer that predicts from the support set as its context, for tables of any width."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from med_maml_pipeline.bilevel import Labelled
from med_maml_pipeline.learners.column_choice import NamedColumns, read_columns, usual_association
from med_maml_pipeline.learners.episode_batches import TypedBatch, labelled_support, loss_of
from med_maml_pipeline.learners.gradient_adaptation import scored
from med_maml_pipeline.learners.in_context_episodes import (
    InContextTraining,
    as_trained,
    made_up_episodes,
    problem_episodes,
)
from med_maml_pipeline.learners.inputs import encode_support
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.network_arrays import to_arrays, to_leaves, to_tensors
from med_maml_pipeline.learners.network_inputs import NetworkInputs
from med_maml_pipeline.learners.one_against_rest import KINDS, kind_of, one_value_supports, task_outputs
from med_maml_pipeline.learners.outer_loop import optimise
from med_maml_pipeline.learners.protocol import Checkpoint, Predictor, Settings
from med_maml_pipeline.learners.resident_inputs import ResidentInputs
from med_maml_pipeline.learners.schedule import Schedule
from med_maml_pipeline.learners.settings import read_settings
from med_maml_pipeline.networks import IDENTITY, InContext, initial_parameters
from med_maml_pipeline.tasks.types import FloatArray, Problem, Support, TargetType

__all__ = ["InContextAdaptation", "InContextLearner", "query_loss"]

_IDENTITY, _USUAL = "columns.identity", "columns.usual"
_QUERIES = 256  # read at a time, to bound the memory


@dataclass(frozen=True)
class InContextAdaptation:
    """Settings of adaptation.

    Attributes:
        columns: Most columns that a task is read through, more or fewer than in training.
    """

    columns: int = 32


class InContextLearner:
    """In-context learning on tables (TabPFN: Müller et al. 2022, Hollmann et al. 2023 and 2025).

    A transformer takes the support set as its context and gives the scores of a query in one pass: it has
    learned to learn, on made-up tasks and on the problem's own. Cells are read with what their column says
    of the target in the support and pooled over columns, so that one model serves tables of any width; rows
    then attend to the support. Where tables share their columns, each has a learned vector too, which starts
    at zero, and wide tables are read through the columns that tell most, there and in meta-training.
    """

    name = "in_context"
    lane = "model"
    meta_grid: tuple[Settings, ...] = (
        {},
        {"synthetic_share": 0.2},
        {"synthetic_share": 0.9},
        {"outer_lr": 1e-3},
    )
    adapt_grid: tuple[Settings, ...] = tuple({"columns": columns} for columns in (32, 16, 64, 128))

    def supports(self, problem: Problem) -> bool:
        """Defined wherever rows have columns: pictures need hand-crafted features beside them."""
        return all(table.names for table in problem.tables.values())

    def meta_fit(self, problem: Problem, settings: Settings, seed: int, monitor: Monitor) -> Checkpoint:
        """Trains the transformer on made-up tasks and on the meta-training tasks."""
        options = read_settings(InContextTraining, settings, self.name)
        seen = as_trained(problem, options)
        inputs = NetworkInputs.fit(seen, seed, options.scaling)
        facts, arrays = {**inputs.facts, **asdict(options)}, dict(inputs.arrays)
        network = _network(facts)
        start = initial_parameters(network, seed, zero=network.head_path)
        if inputs.shared:
            start[_IDENTITY] = torch.zeros(inputs.width, IDENTITY)
            arrays[_USUAL] = usual_association(inputs, seed)
        parameters = to_leaves(start, options.device)
        names = _names(parameters, arrays)
        resident, world = ResidentInputs.of(inputs, options.device), monitor.world

        def losses_at(step: int) -> Iterator[Tensor]:
            for batch in problem_episodes(seen, resident, options, seed, step, world):
                yield query_loss(network, parameters, batch, options, names)
            for batch in made_up_episodes(seen, options, seed, step, world):
                yield query_loss(network, parameters, batch, options, None)

        def checkpoint() -> Checkpoint:
            return Checkpoint(self.name, {**arrays, **to_arrays(parameters, "network.")}, facts)

        schedule = Schedule.of(options, options.outer_lr)
        return optimise(parameters, losses_at, schedule, checkpoint, monitor, precision=options.precision)

    def adapt(self, checkpoint: Checkpoint, support: Support, settings: Settings, seed: int) -> Predictor:
        """Keeps the support as the context; nothing is trained."""
        options = read_settings(InContextAdaptation, settings, self.name)
        facts, device = checkpoint.facts, checkpoint.facts["device"]
        network = _network(facts)
        parameters = to_tensors(checkpoint.arrays, "network.", device=device, dtype=torch.float64)
        names = _names(parameters, checkpoint.arrays)
        encoded = encode_support(checkpoint, support, width=options.columns)
        rows, scale = labelled_support(encoded.x, support, device=device, dtype=torch.float64)

        def read(x: FloatArray) -> FloatArray:
            asked = torch.from_numpy(encoded.transform(x)).to(rows.x).unsqueeze(0)
            with torch.no_grad():
                outputs = _outputs(
                    network,
                    parameters,
                    rows,
                    asked,
                    support.target_type,
                    support.n_classes,
                    names,
                    options.columns,
                )
            return scored(outputs[0].cpu().numpy(), support.target_type, scale)

        return lambda x: np.concatenate([read(x[at : at + _QUERIES]) for at in range(0, len(x), _QUERIES)])


def _network(facts: Mapping[str, Any]) -> InContext:
    return InContext(facts["hidden"][0], facts["hidden"][-1], facts["blocks"], facts["heads"], len(KINDS))


def _names(parameters: Mapping[str, Tensor], arrays: Mapping[str, Any]) -> NamedColumns | None:
    if _IDENTITY not in parameters:
        return None
    identity = parameters[_IDENTITY]
    return NamedColumns(identity, torch.from_numpy(arrays[_USUAL]).to(identity))


def query_loss(
    network: InContext,
    parameters: Mapping[str, Tensor],
    batch: TypedBatch,
    options: InContextTraining,
    names: NamedColumns | None,
) -> Tensor:
    """Part of an update's loss: that of the queries of some tasks."""
    support, query = batch.episodes.support, batch.episodes.query
    kind, n_classes = batch.target_type, batch.n_classes
    outputs = _outputs(network, parameters, support, query.x, kind, n_classes, names, options.columns)
    return loss_of(kind)(outputs, query.y, query.weight).sum() / options.meta_batch


def _outputs(
    network: InContext,
    parameters: Mapping[str, Tensor],
    support: Labelled,
    asked: Tensor,
    target_type: TargetType,
    n_classes: int,
    names: NamedColumns | None,
    columns: int,
) -> Tensor:
    """Logits ``[t, q, n_classes]`` or values ``[t, q, 1]`` of queries ``[t, q, w]``."""
    supports = one_value_supports(support, target_type, n_classes)
    queries = asked.repeat_interleave(len(supports) // len(support), 0)
    read = read_columns(supports, queries, names, columns)
    own = {name: value for name, value in parameters.items() if name != _IDENTITY}
    rows = read.support
    shown = (rows.x, rows.y, rows.weight, read.asked, read.identity, kind_of(target_type, asked))
    return task_outputs(functional_call(network, own, shown), target_type, n_classes)
