"""One network for all meta-training tasks, each with a head of its own: what transfer starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from med_maml_pipeline.learners.inputs import EncodedSupport, encode_support
from med_maml_pipeline.learners.network_arrays import PRECISION, to_arrays, to_tensors
from med_maml_pipeline.learners.network_inputs import NetworkInputs
from med_maml_pipeline.learners.outer_loop import optimise
from med_maml_pipeline.learners.pooled_rows import PooledRows
from med_maml_pipeline.learners.protocol import Checkpoint, ProgressCallback
from med_maml_pipeline.networks import MLP, initial_parameters
from med_maml_pipeline.tasks.types import FloatArray, MetaSplit, Problem, Support, TargetType, Task

__all__ = ["Pretraining", "embedded", "pretrain", "untrained_network"]

_STATISTICS_ROWS = 4096  # rows behind the mean and deviation of the features


@dataclass(frozen=True)
class Pretraining:
    """Settings of multi-task pre-training.

    Attributes:
        steps: Updates.
        batch: Rows per update.
        hidden: Widths of the hidden layers; the last is the number of features.
        learning_rate: Of AdamW.
        weight_decay: Of AdamW.
        input_dropout: Share of the input columns hidden from a batch.
        device: ``cpu`` or ``cuda``.
    """

    steps: int = 500
    batch: int = 256
    hidden: tuple[int, ...] = (128, 64)
    learning_rate: float = 1e-3
    weight_decay: float = 0.3
    input_dropout: float = 0.3
    device: str = "cpu"


@dataclass(frozen=True)
class _Columns:
    """Which outputs of the shared head belong to which task."""

    first: list[int]
    total: int

    @classmethod
    def of(cls, tasks: tuple[Task, ...]) -> _Columns:
        widths = [task.n_classes if task.target_type == TargetType.MULTICLASS else 1 for task in tasks]
        return cls([sum(widths[:i]) for i in range(len(widths))], sum(widths))


def pretrain(
    problem: Problem, options: Pretraining, seed: int, progress: ProgressCallback, learner: str
) -> Checkpoint:
    """Trains the shared trunk and one head per meta-training task (Caruana 1997), on the pooled rows.

    Returns:
        A checkpoint with the trunk (``network.…``), the statistics of its features (``features.…``) and,
        where all tasks are binary and share their meaning, the mean of the heads (``head.…``).
    """
    inputs = NetworkInputs.fit(problem, seed)
    rows = PooledRows.of(problem, inputs)
    columns = _Columns.of(rows.tasks)
    network = MLP(inputs.width, options.hidden, columns.total)
    parameters = {
        name: value.to(options.device).requires_grad_()
        for name, value in initial_parameters(network, seed, zero="tail.head").items()
    }
    hide = np.float32(1.0 - options.input_dropout)

    def loss_at(step: int) -> Tensor:
        x, y = rows.batch(seed, step, options.batch)
        if options.input_dropout:
            kept = np.random.default_rng((seed, step, 1)).random(x.shape, dtype=np.float32) < hide
            x = x * kept / hide
        outputs = functional_call(network, parameters, (torch.from_numpy(x).to(options.device),))
        return _multi_task_loss(outputs, torch.from_numpy(y).to(options.device), rows.tasks, columns)

    history = optimise(
        parameters,
        loss_at,
        steps=options.steps,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        progress=progress,
    )
    arrays = _arrays(rows, parameters, options, seed)
    return Checkpoint(learner, arrays, {"width": inputs.width, **asdict(options)}, history)


def untrained_network(problem: Problem, options: Pretraining, seed: int, learner: str) -> Checkpoint:
    """The network as drawn, with encoder and statistics of features: what training must beat."""
    inputs = NetworkInputs.fit(problem, seed)
    rows = PooledRows.of(problem, inputs)
    network = MLP(inputs.width, options.hidden, outputs=None)
    arrays = _arrays(rows, initial_parameters(network, seed), options, seed)
    return Checkpoint(learner, arrays, {"width": inputs.width, **asdict(options)})


def embedded(checkpoint: Checkpoint, support: Support) -> EncodedSupport:
    """Support and queries as standardised features ``[n, hidden[-1]]`` of the checkpoint's network."""
    facts, arrays = checkpoint.facts, checkpoint.arrays
    network = MLP(facts["width"], facts["hidden"], outputs=None)
    parameters = to_tensors(arrays, "network.", device=facts["device"], dtype=PRECISION)
    encoded = encode_support(checkpoint, support, width=facts["width"])
    mean, deviation = (arrays[f"features.{name}"].astype(np.float64) for name in ("mean", "deviation"))

    def features(inputs: FloatArray) -> FloatArray:
        values = _embed(network, parameters, inputs)
        return ((values - mean) / deviation).astype(np.float32)

    return EncodedSupport(features(encoded.x), lambda x: features(encoded.transform(x)))


def _embed(network: MLP, parameters: Mapping[str, Tensor], x: FloatArray) -> NDArray[np.float64]:
    like = parameters["first.weight"]
    with torch.no_grad():
        output = functional_call(network, dict(parameters), (torch.from_numpy(x).to(like),))
    values: NDArray[np.float64] = output.cpu().double().numpy()
    return values


def _arrays(
    rows: PooledRows, parameters: Mapping[str, Tensor], options: Pretraining, seed: int
) -> dict[str, NDArray[np.generic]]:
    trunk = {name: value for name, value in parameters.items() if not name.startswith("tail.head.")}
    network = MLP(rows.inputs.width, options.hidden, outputs=None)
    drawn, _ = rows.batch(seed, options.steps, _STATISTICS_ROWS)
    values = _embed(network, {name: value.detach() for name, value in trunk.items()}, drawn)
    deviation = values.std(axis=0)
    return {
        **rows.inputs.arrays,
        "inputs.norm": np.array(rows.inputs.mean_square_norm()),
        **to_arrays(trunk, "network."),
        "features.mean": values.mean(axis=0),
        "features.deviation": np.where(deviation > 0, deviation, 1.0),
        **_mean_head(rows.problem, parameters),
    }


def _mean_head(problem: Problem, parameters: Mapping[str, Tensor]) -> dict[str, NDArray[np.generic]]:
    """Mean of the binary heads as a head of two logits, where all tasks are binary and mean alike."""
    alike = all(
        task.shared_meaning and task.target_type == TargetType.BINARY
        for task in problem.split(MetaSplit.TRAIN)
    )
    if not alike or "tail.head.weight" not in parameters:
        return {}
    half_weight = parameters["tail.head.weight"].detach().mean(0) / 2
    half_bias = parameters["tail.head.bias"].detach().mean(0) / 2
    mean = {
        "weight": torch.stack([-half_weight, half_weight]),
        "bias": torch.stack([-half_bias, half_bias]),
    }
    return to_arrays(mean, "head.")


def _multi_task_loss(outputs: Tensor, labels: Tensor, tasks: tuple[Task, ...], columns: _Columns) -> Tensor:
    """Mean loss over the observed labels of all tasks."""
    observed = ~labels.isnan()
    filled = labels.nan_to_num()
    total = outputs.new_zeros(())
    for target_type in TargetType:
        members = [i for i, task in enumerate(tasks) if task.target_type == target_type]
        if not members:
            continue
        if target_type == TargetType.MULTICLASS:
            for i in members:
                logits = outputs[:, columns.first[i] : columns.first[i] + tasks[i].n_classes]
                each = F.cross_entropy(logits, filled[:, i].long(), reduction="none")
                total = total + (each * observed[:, i]).sum()
            continue
        single = outputs[:, [columns.first[i] for i in members]]
        loss = F.huber_loss if target_type == TargetType.REGRESSION else F.binary_cross_entropy_with_logits
        each = loss(single, filled[:, members], reduction="none")
        total = total + (each * observed[:, members]).sum()
    return total / observed.sum()
