"""One network for all meta-training tasks, each with a head of its own: what transfer starts from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from med_maml_pipeline.learners.architecture import network_of
from med_maml_pipeline.learners.gradient_training import GradientTraining
from med_maml_pipeline.learners.learned_features import embedding, joined_whitening
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.network_arrays import to_arrays, to_leaves
from med_maml_pipeline.learners.network_inputs import NetworkInputs
from med_maml_pipeline.learners.outer_loop import optimise
from med_maml_pipeline.learners.perturbation import PictureAugmentation
from med_maml_pipeline.learners.pooled_rows import PooledRows
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.learners.schedule import Schedule
from med_maml_pipeline.networks import initial_parameters
from med_maml_pipeline.tasks.types import ImageShape, MetaSplit, Problem, TargetType, Task

__all__ = ["Pretraining", "pretrain", "untrained_network"]

_STATISTICS_ROWS = 4096  # rows behind the mean and deviation of the features
_STATISTICS_PICTURES = 512


@dataclass(frozen=True)
class Pretraining(GradientTraining):
    """Settings of multi-task pre-training, beside those of `GradientTraining`.

    Attributes:
        batch: Rows per update.
        hidden: Widths of the hidden layers; the last is the number of features.
        learning_rate: Of AdamW.
        input_dropout: Share of the input columns hidden from a batch.
        backbone: Network for pictures: ``conv4`` or ``resnet12``.
        filters: Its (first) number of channels.
        views: 8 averages a picture's features over its rotations and reflections; 1 takes it as it is.
        augment: Turn, mirror, move and recolour pictures during training.
    """

    steps: int = 500
    batch: int = 256
    hidden: tuple[int, ...] = (128, 64)
    learning_rate: float = 1e-3
    weight_decay: float = 0.3
    input_dropout: float = 0.3
    backbone: str = "conv4"
    filters: int = 32
    views: int = 8
    augment: bool = True


@dataclass(frozen=True)
class _Columns:
    """Which outputs of the shared head belong to which task."""

    first: list[int]
    total: int

    @classmethod
    def of(cls, tasks: tuple[Task, ...]) -> _Columns:
        widths = [task.n_classes if task.target_type == TargetType.MULTICLASS else 1 for task in tasks]
        return cls([sum(widths[:i]) for i in range(len(widths))], sum(widths))


def pretrain(problem: Problem, options: Pretraining, seed: int, monitor: Monitor, learner: str) -> Checkpoint:
    """Trains the shared trunk and one head per meta-training task (Caruana 1997), on the pooled rows.

    Returns:
        A checkpoint with the trunk (``network.…``), the statistics of its features (``features.…``) and,
        where all tasks are binary and share their meaning, the mean of the heads (``head.…``).
    """
    inputs = NetworkInputs.fit(problem, seed, options.scaling)
    facts = {**inputs.facts, **asdict(options)}
    rows = PooledRows.of(problem, inputs)
    columns = _Columns.of(rows.tasks)
    network = network_of(facts, columns.total)
    start = initial_parameters(network, seed, zero=network.head_path)
    parameters = to_leaves(start, options.device)

    def losses_at(step: int) -> Iterator[Tensor]:
        x, y = rows.batch(seed, step, options.batch)
        own, labels = monitor.world.own, torch.from_numpy(y)
        perturbed = _perturbed(torch.from_numpy(x), inputs.image, options, seed, step)[own]
        outputs = functional_call(network, parameters, (perturbed.to(options.device),))
        loss = _multi_task_loss(outputs, labels[own].to(options.device), rows.tasks, columns)
        yield loss / int((~labels.isnan()).sum())

    def checkpoint() -> Checkpoint:
        return Checkpoint(learner, _arrays(rows, parameters, facts, seed), facts)

    schedule = Schedule.of(options, options.learning_rate)
    return optimise(parameters, losses_at, schedule, checkpoint, monitor, precision=options.precision)


def untrained_network(problem: Problem, options: Pretraining, seed: int, learner: str) -> Checkpoint:
    """The network as drawn, with encoder and statistics of features: what training must beat."""
    inputs = NetworkInputs.fit(problem, seed, options.scaling)
    facts = {**inputs.facts, **asdict(options)}
    rows = PooledRows.of(problem, inputs)
    parameters = initial_parameters(network_of(facts, outputs=None), seed)
    return Checkpoint(learner, _arrays(rows, parameters, facts, seed), facts)


def _perturbed(x: Tensor, image: ImageShape | None, options: Pretraining, seed: int, step: int) -> Tensor:
    """Rows with columns hidden, each by itself, or pictures augmented."""
    if image is not None:
        return PictureAugmentation(image, seed, step).rows(x) if options.augment else x
    if not options.input_dropout:
        return x
    kept = np.random.default_rng((seed, step, 1)).random(x.shape, dtype=np.float32)
    shown = 1.0 - options.input_dropout
    return x * torch.from_numpy(kept < shown) / shown


def _arrays(
    rows: PooledRows, parameters: Mapping[str, Tensor], facts: Mapping[str, Any], seed: int
) -> dict[str, NDArray[np.generic]]:
    network = network_of(facts, outputs=None)
    head = f"{network.head_path}."
    trunk = to_arrays({n: v for n, v in parameters.items() if not n.startswith(head)}, "network.")
    size = _STATISTICS_ROWS if rows.inputs.image is None else _STATISTICS_PICTURES
    drawn, _ = rows.batch(seed, facts["steps"], size)
    values = embedding(Checkpoint("statistics", trunk, facts), drawn)
    deviation = values.std(axis=0)
    arrays = {
        **rows.inputs.arrays,
        "inputs.norm": np.array(rows.inputs.mean_square_norm()),
        **trunk,
        "features.mean": values.mean(axis=0),
        "features.deviation": np.where(deviation > 0, deviation, 1.0),
        **_mean_head(rows.problem, parameters, head),
    }
    return {**arrays, **joined_whitening(Checkpoint("whitening", arrays, facts), rows.problem, seed)}


def _mean_head(
    problem: Problem, parameters: Mapping[str, Tensor], head: str
) -> dict[str, NDArray[np.generic]]:
    """Mean of the binary heads as a head of two logits, where all tasks are binary and mean alike."""
    alike = all(
        task.shared_meaning and task.target_type == TargetType.BINARY
        for task in problem.split(MetaSplit.TRAIN)
    )
    if not alike or f"{head}weight" not in parameters:
        return {}
    half_weight = parameters[f"{head}weight"].detach().mean(0) / 2
    half_bias = parameters[f"{head}bias"].detach().mean(0) / 2
    mean = {
        "weight": torch.stack([-half_weight, half_weight]),
        "bias": torch.stack([-half_bias, half_bias]),
    }
    return to_arrays(mean, "head.")


def _multi_task_loss(outputs: Tensor, labels: Tensor, tasks: tuple[Task, ...], columns: _Columns) -> Tensor:
    """Sum of the losses of the observed labels of all tasks."""
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
    return total
