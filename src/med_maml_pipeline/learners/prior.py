"""Control: the zero-shot prior, which never looks at a support set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from med_maml_pipeline.learners.architecture import network_of, precision_of
from med_maml_pipeline.learners.evaluation import evaluate
from med_maml_pipeline.learners.gradient_training import GradientTraining
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.network_arrays import to_arrays, to_leaves, to_tensors
from med_maml_pipeline.learners.network_inputs import NetworkInputs, encode_for_network
from med_maml_pipeline.learners.outer_loop import optimise
from med_maml_pipeline.learners.pooled_rows import PooledRows
from med_maml_pipeline.learners.protocol import Checkpoint, Predictor, Settings
from med_maml_pipeline.learners.schedule import Schedule
from med_maml_pipeline.learners.settings import read_settings
from med_maml_pipeline.networks import initial_parameters
from med_maml_pipeline.tasks.types import FloatArray, MetaSplit, Problem, Support, TargetType

__all__ = ["PriorTraining", "ZeroShotPrior"]


@dataclass(frozen=True)
class PriorTraining(GradientTraining):
    """Settings of the pooled network, beside those of `GradientTraining`.

    Attributes:
        batch: Rows per update.
        hidden: Widths of the hidden layers; none gives a linear model.
        backbone: Network for pictures: ``conv4`` or ``resnet12``.
        filters: Its (first) number of channels.
        learning_rate: Of AdamW.
    """

    steps: int = 1000
    batch: int = 256
    hidden: tuple[int, ...] = (64,)
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    backbone: str = "conv4"
    filters: int = 32


class ZeroShotPrior:
    """One network for all tasks: the mean prediction of the source tasks for every new one.

    Defined where all tasks share what their target means (general toxicity, one outcome at many sites) and
    its type, binary or regression. The support is ignored, so whatever a learner gains over this row, it
    gained by adapting. Tasks, and classes within them, weigh alike.
    """

    name = "prior"
    lane = "control"
    trunk = "prior"
    meta_grid: tuple[Settings, ...] = ({}, {"hidden": ()}, {"hidden": (128, 64)}, {"weight_decay": 1.0})
    picture_meta_grid: tuple[Settings, ...] = ({}, {"weight_decay": 1.0}, {"filters": 64})
    adapt_grid: tuple[Settings, ...] = ({},)

    def supports(self, problem: Problem) -> bool:
        """One shared meaning, one type (binary or regression), shared inputs, something to train on."""
        types = {task.target_type for task in problem.tasks}
        return (
            problem.shared_inputs
            and bool(problem.split(MetaSplit.TRAIN))
            and all(task.shared_meaning for task in problem.tasks)
            and len(types) == 1
            and TargetType.MULTICLASS not in types
        )

    def meta_fit(self, problem: Problem, settings: Settings, seed: int, monitor: Monitor) -> Checkpoint:
        """Trains the network on the pooled labels of the meta-training tasks."""
        options = read_settings(PriorTraining, settings, self.name)
        inputs = NetworkInputs.fit(problem, seed, options.scaling)
        rows = PooledRows.of(problem, inputs)
        numeric = rows.tasks[0].target_type is TargetType.REGRESSION
        facts = {**inputs.facts, **asdict(options)}
        network = _structure(facts)
        start = initial_parameters(network, seed, zero=getattr(network, "head_path", ""))
        parameters = to_leaves(start, options.device)

        def losses_at(step: int) -> Iterator[Tensor]:
            drawn = (torch.from_numpy(part) for part in rows.batch(seed, step, options.batch))
            x, labels = (part.to(options.device) for part in drawn)
            own = monitor.world.own
            outputs = functional_call(network, parameters, (x[own],)).expand(labels[own].shape)
            observed = ~labels[own].isnan()
            loss = F.huber_loss if numeric else F.binary_cross_entropy_with_logits
            total = loss(outputs[observed], labels[own][observed], reduction="sum")
            yield total / (~labels.isnan()).sum()

        def checkpoint() -> Checkpoint:
            arrays = {**inputs.arrays, **to_arrays(parameters, "network."), "scale": rows.scales.mean(axis=0)}
            return Checkpoint(self.name, arrays, facts)

        schedule = Schedule.of(options, options.learning_rate)
        return optimise(parameters, losses_at, schedule, checkpoint, monitor, precision=options.precision)

    def adapt(self, checkpoint: Checkpoint, support: Support, settings: Settings, seed: int) -> Predictor:
        """The pooled network, whatever the support."""
        outputs = self.outputs(checkpoint, support)
        centre, scale = (float(value) for value in checkpoint.arrays["scale"])

        def predict(x: FloatArray) -> FloatArray:
            output = outputs(x)
            if support.target_type is TargetType.REGRESSION:
                return (output * scale + centre).astype(np.float32)
            return np.stack([-output / 2, output / 2], axis=1).astype(np.float32)

        return predict

    def outputs(
        self, checkpoint: Checkpoint, support: Support
    ) -> Callable[[FloatArray], NDArray[np.float64]]:
        """Raw ``[q, f]`` to the network's outputs ``[q]``: log-odds, or values in deviations of a task."""
        facts = checkpoint.facts
        network = _structure(facts)
        parameters = to_tensors(
            checkpoint.arrays, "network.", device=facts["device"], dtype=precision_of(facts)
        )
        transform = encode_for_network(checkpoint, support).transform
        return lambda x: evaluate(network, parameters, transform(x), image=facts["image"])[:, 0]


def _structure(facts: Mapping[str, Any]) -> nn.Module:
    if facts["image"] is None and not facts["hidden"]:
        return nn.Linear(facts["width"], 1, device="meta")
    return network_of(facts, outputs=1)
