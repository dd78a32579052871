"""Control: the zero-shot prior, which never looks at a support set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from med_maml_pipeline.learners.inputs import encode_support
from med_maml_pipeline.learners.network_arrays import PRECISION, to_arrays, to_tensors
from med_maml_pipeline.learners.network_inputs import NetworkInputs
from med_maml_pipeline.learners.outer_loop import optimise
from med_maml_pipeline.learners.pooled_rows import PooledRows
from med_maml_pipeline.learners.protocol import Checkpoint, Predictor, ProgressCallback, Settings
from med_maml_pipeline.learners.settings import read_settings
from med_maml_pipeline.networks import MLP, initial_parameters
from med_maml_pipeline.tasks.types import FloatArray, MetaSplit, Problem, Support, TargetType

__all__ = ["PriorTraining", "ZeroShotPrior"]


@dataclass(frozen=True)
class PriorTraining:
    """Settings of the pooled network.

    Attributes:
        steps: Updates.
        batch: Rows per update.
        hidden: Widths of the hidden layers; none gives a linear model.
        learning_rate: Of AdamW.
        weight_decay: Of AdamW.
        device: ``cpu`` or ``cuda``.
    """

    steps: int = 1000
    batch: int = 256
    hidden: tuple[int, ...] = (64,)
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    device: str = "cpu"


class ZeroShotPrior:
    """One network for all tasks: the mean prediction of the source tasks for every new one.

    Defined where all tasks share what their target means (general toxicity, one outcome at many sites) and
    its type, binary or regression. The support is ignored, so whatever a learner gains over this row, it
    gained by adapting. Tasks, and classes within them, weigh alike.
    """

    name = "prior"
    lane = "control"
    meta_grid: tuple[Settings, ...] = ({}, {"hidden": ()}, {"hidden": (128, 64)}, {"weight_decay": 1.0})
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

    def meta_fit(
        self, problem: Problem, settings: Settings, seed: int, progress: ProgressCallback
    ) -> Checkpoint:
        """Trains the network on the pooled labels of the meta-training tasks."""
        options = read_settings(PriorTraining, settings, self.name)
        inputs = NetworkInputs.fit(problem, seed)
        rows = PooledRows.of(problem, inputs)
        numeric = rows.tasks[0].target_type is TargetType.REGRESSION
        network = _structure(inputs.width, options.hidden)
        parameters = {
            name: value.to(options.device).requires_grad_()
            for name, value in initial_parameters(network, seed, zero=_output(options.hidden)).items()
        }

        def loss_at(step: int) -> Tensor:
            x, y = (
                torch.from_numpy(part).to(options.device) for part in rows.batch(seed, step, options.batch)
            )
            outputs = functional_call(network, parameters, (x,)).expand(y.shape)
            observed = ~y.isnan()
            loss = F.huber_loss if numeric else F.binary_cross_entropy_with_logits
            return loss(outputs[observed], y[observed])

        history = optimise(
            parameters,
            loss_at,
            steps=options.steps,
            learning_rate=options.learning_rate,
            weight_decay=options.weight_decay,
            progress=progress,
        )
        arrays = {**inputs.arrays, **to_arrays(parameters, "network."), "scale": rows.scales.mean(axis=0)}
        return Checkpoint(self.name, arrays, {"width": inputs.width, **asdict(options)}, history)

    def adapt(self, checkpoint: Checkpoint, support: Support, settings: Settings, seed: int) -> Predictor:
        """The pooled network, whatever the support."""
        facts, arrays = checkpoint.facts, checkpoint.arrays
        network = _structure(facts["width"], facts["hidden"])
        parameters = to_tensors(arrays, "network.", device=facts["device"], dtype=PRECISION)
        transform = encode_support(checkpoint, support).transform
        centre, scale = (float(value) for value in arrays["scale"])

        def predict(x: FloatArray) -> FloatArray:
            inputs = torch.from_numpy(transform(x)).to(facts["device"], PRECISION)
            with torch.no_grad():
                output = functional_call(network, parameters, (inputs,))[:, 0].cpu().numpy()
            if support.target_type is TargetType.REGRESSION:
                return (output * scale + centre).astype(np.float32)
            return np.stack([-output / 2, output / 2], axis=1).astype(np.float32)

        return predict


def _structure(width: int, hidden: Sequence[int]) -> nn.Module:
    return MLP(width, hidden, outputs=1) if hidden else nn.Linear(width, 1, device="meta")


def _output(hidden: Sequence[int]) -> str:
    return "tail.head" if hidden else ""
