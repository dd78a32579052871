"""Transfer: a network pre-trained on the meta-training tasks, with a linear probe or fine-tuned in full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from med_maml_pipeline.bilevel import InnerLoop
from med_maml_pipeline.learners.architecture import network_of, precision_of
from med_maml_pipeline.learners.gradient_adaptation import predictor_by_gradient
from med_maml_pipeline.learners.inputs import EncodedSupport
from med_maml_pipeline.learners.layer_rates import initial_log_rates, rates_from_logs
from med_maml_pipeline.learners.learned_features import learned_features
from med_maml_pipeline.learners.linear import LogisticRidge
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.network_arrays import to_tensors
from med_maml_pipeline.learners.network_inputs import encode_for_network
from med_maml_pipeline.learners.pretraining import Pretraining, pretrain
from med_maml_pipeline.learners.protocol import Checkpoint, Predictor, Settings
from med_maml_pipeline.learners.settings import read_settings
from med_maml_pipeline.networks import Heads
from med_maml_pipeline.tasks.types import MetaSplit, Problem, Support, TargetType

__all__ = [
    "PICTURE_PRETRAINING_GRID",
    "PRETRAINING_GRID",
    "FineTune",
    "FineTuneAdaptation",
    "LinearProbe",
    "Pretrained",
]

PRETRAINING_GRID: tuple[Settings, ...] = (
    {},
    {"input_dropout": 0.0},
    {"weight_decay": 1.0, "input_dropout": 0.5},
    {"hidden": (256, 64)},
    {"hidden": (256, 128)},
)
"""Meta-training settings of every learner that starts from the pre-trained network."""

PICTURE_PRETRAINING_GRID: tuple[Settings, ...] = tuple(
    {"batch": 64, **settings}
    for settings in (
        {},
        {"filters": 64},
        {"backbone": "resnet12", "filters": 16},
        {"augment": False},
        {"weight_decay": 1.0},
    )
)
"""The same where examples are pictures."""


class Pretrained:
    """What learners on the pre-trained network share: its meta-training, so that one serves them all."""

    name: str
    trunk = "pretrained"
    scales_inputs = True
    meta_grid = PRETRAINING_GRID
    picture_meta_grid = PICTURE_PRETRAINING_GRID

    def supports(self, problem: Problem) -> bool:
        """Defined wherever there are meta-training tasks."""
        return bool(problem.split(MetaSplit.TRAIN))

    def meta_fit(self, problem: Problem, settings: Settings, seed: int, monitor: Monitor) -> Checkpoint:
        """Pre-trains the network on all meta-training tasks, one head each."""
        return pretrain(problem, read_settings(Pretraining, settings, self.name), seed, monitor, self.name)

    def encode(self, checkpoint: Checkpoint, support: Support, settings: Settings) -> EncodedSupport:
        """Rows as features of the network; ``inputs`` says what stands beside them."""
        return learned_features(checkpoint, support, settings.get("inputs", "learned"))


class LinearProbe(Pretrained, LogisticRidge):
    """Logistic or ridge regression on the frozen features of the pre-trained network."""

    name = "linear_probe"
    lane = "transfer"
    adapt_grid: tuple[Settings, ...] = tuple(
        {"penalty": penalty, "inputs": inputs}
        for penalty, inputs in (
            (100.0, "learned"), (10.0, "learned"), (1000.0, "learned"), (1.0, "learned"),
            (100.0, "whitened"), (10_000.0, "learned"), (10.0, "whitened"), (1000.0, "whitened"),
        )
    )  # fmt: skip
    picture_grid: tuple[Settings, ...] = tuple(
        {"penalty": penalty, "inputs": inputs}
        for penalty, inputs in (
            (30.0, "whitened"),
            (100.0, "joined"),
            (30.0, "learned"),
            (100.0, "whitened"),
            (1000.0, "joined"),
            (300.0, "learned"),
        )
    )


@dataclass(frozen=True)
class FineTuneAdaptation:
    """Settings of fine-tuning.

    Attributes:
        adapt_steps: Gradient steps on the support; 0 leaves the start as it is.
        learning_rate: In units of the inverse curvature of each layer (see `initial_log_rates`).
        head: Where the head starts: ``zero``, or the ``mean`` of the pre-trained heads, where tasks are
            binary and share their meaning (zero elsewhere).
        views: 8 averages a picture's scores over its rotations and reflections.
    """

    adapt_steps: int = 10
    learning_rate: float = 0.3
    head: Literal["zero", "mean"] = "mean"
    views: int = 1


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
    picture_grid: tuple[Settings, ...] = tuple(
        {"adapt_steps": steps, "learning_rate": rate, "head": "zero", "views": 8}
        for steps, rate in ((10, 0.3), (20, 0.1), (10, 0.1), (20, 0.3), (50, 0.1), (50, 0.3))
    )

    def adapt(self, checkpoint: Checkpoint, support: Support, settings: Settings, seed: int) -> Predictor:
        """Fine-tunes trunk and head on the support."""
        options = read_settings(FineTuneAdaptation, settings, self.name)
        facts = checkpoint.facts
        network = network_of(facts, outputs=1)
        heads = Heads(network.embedding, network.head_path)
        device, precision = facts["device"], precision_of(facts)
        start = to_tensors(checkpoint.arrays, "network.", device=device, dtype=precision)
        start |= {name: value.to(device) for name, value in heads.initial(dtype=precision).items()}
        if options.head == "mean" and support.target_type == TargetType.BINARY:
            start |= to_tensors(
                checkpoint.arrays, "head.", device=device, dtype=precision, under="heads.binary."
            )
        logs = initial_log_rates(network, options.learning_rate, float(checkpoint.arrays["inputs.norm"]))
        return predictor_by_gradient(
            facts,
            heads.attach(start, support.target_type, support.n_classes),
            support,
            encode_for_network(checkpoint, support),
            rates_from_logs(logs),
            InnerLoop(options.adapt_steps),
            views=options.views,
        )
