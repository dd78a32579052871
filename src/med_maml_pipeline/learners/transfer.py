"""Transfer: a network pre-trained on the meta-training tasks, with a linear probe or fine-tuned in full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from med_maml_pipeline.learners.gradient_adaptation import predictor_by_gradient
from med_maml_pipeline.learners.inputs import EncodedSupport, encode_support
from med_maml_pipeline.learners.layer_rates import initial_log_rates, rates_from_logs
from med_maml_pipeline.learners.linear import LogisticRidge
from med_maml_pipeline.learners.network_arrays import PRECISION, to_tensors
from med_maml_pipeline.learners.pretraining import Pretraining, embedded, pretrain
from med_maml_pipeline.learners.protocol import Checkpoint, Predictor, ProgressCallback, Settings
from med_maml_pipeline.learners.settings import read_settings
from med_maml_pipeline.networks import MLP, Heads
from med_maml_pipeline.tasks.types import MetaSplit, Problem, Support, TargetType

__all__ = ["PRETRAINING_GRID", "FineTune", "FineTuneAdaptation", "LinearProbe", "Pretrained"]

PRETRAINING_GRID: tuple[Settings, ...] = (
    {},
    {"input_dropout": 0.0},
    {"weight_decay": 1.0, "input_dropout": 0.5},
    {"hidden": (256, 64)},
    {"hidden": (256, 128)},
)
"""Meta-training settings of every learner that starts from the pre-trained network."""


class Pretrained:
    """What learners on the pre-trained network share: its meta-training, so that one serves them all."""

    name: str
    trunk = "pretrained"
    meta_grid = PRETRAINING_GRID

    def supports(self, problem: Problem) -> bool:
        """Defined wherever there are meta-training tasks."""
        return bool(problem.split(MetaSplit.TRAIN))

    def meta_fit(
        self, problem: Problem, settings: Settings, seed: int, progress: ProgressCallback
    ) -> Checkpoint:
        """Pre-trains the network on all meta-training tasks, one head each."""
        return pretrain(problem, read_settings(Pretraining, settings, self.name), seed, progress, self.name)

    def encode(self, checkpoint: Checkpoint, support: Support) -> EncodedSupport:
        """Rows as standardised features of the network."""
        return embedded(checkpoint, support)


class LinearProbe(Pretrained, LogisticRidge):
    """Logistic or ridge regression on the frozen features of the pre-trained network."""

    name = "linear_probe"
    lane = "transfer"
    adapt_grid: tuple[Settings, ...] = tuple(
        {"penalty": penalty} for penalty in (100.0, 10.0, 1000.0, 1.0, 10_000.0)
    )


@dataclass(frozen=True)
class FineTuneAdaptation:
    """Settings of fine-tuning.

    Attributes:
        adapt_steps: Gradient steps on the support; 0 leaves the start as it is.
        learning_rate: In units of the inverse curvature of each layer (see `initial_log_rates`).
        head: Where the head starts: ``zero``, or the ``mean`` of the pre-trained heads, where tasks are
            binary and share their meaning (zero elsewhere).
    """

    adapt_steps: int = 10
    learning_rate: float = 0.3
    head: Literal["zero", "mean"] = "mean"


class FineTune(Pretrained):
    """Gradient descent on all parameters of the pre-trained network."""

    name = "fine_tune"
    lane = "transfer"
    adapt_grid: tuple[Settings, ...] = tuple(
        {"adapt_steps": steps, "learning_rate": rate, "head": head}
        for head, steps, rate in (
            ("mean", 10, 0.3), ("mean", 0, 0.3), ("zero", 50, 0.3), ("mean", 10, 0.1), ("mean", 50, 0.3),
            ("zero", 10, 0.3), ("zero", 200, 0.3), ("mean", 10, 1.0), ("mean", 200, 0.3), ("zero", 10, 1.0),
        )
    )  # fmt: skip

    def adapt(self, checkpoint: Checkpoint, support: Support, settings: Settings, seed: int) -> Predictor:
        """Fine-tunes trunk and head on the support."""
        options = read_settings(FineTuneAdaptation, settings, self.name)
        facts = checkpoint.facts
        network, heads = MLP(facts["width"], facts["hidden"], outputs=1), Heads(facts["hidden"][-1])
        device = facts["device"]
        start = to_tensors(checkpoint.arrays, "network.", device=device, dtype=PRECISION)
        start |= {name: value.to(device) for name, value in heads.initial(dtype=PRECISION).items()}
        if options.head == "mean" and support.target_type == TargetType.BINARY:
            start |= to_tensors(
                checkpoint.arrays, "head.", device=device, dtype=PRECISION, under="heads.binary."
            )
        logs = initial_log_rates(network, options.learning_rate, float(checkpoint.arrays["inputs.norm"]))
        return predictor_by_gradient(
            network,
            heads.attach(start, support.target_type, support.n_classes),
            support,
            encode_support(checkpoint, support, width=facts["width"]),
            rates_from_logs(logs),
            steps=options.adapt_steps,
            device=device,
        )
