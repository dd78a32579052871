"""Prototypical networks, with prototypes that know what is usual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from med_maml_pipeline.bilevel import Labelled
from med_maml_pipeline.learners.episode_batches import InputDropout, TypedBatch, batches, labelled, loss_of
from med_maml_pipeline.learners.gradient_adaptation import scored
from med_maml_pipeline.learners.inputs import encode_support
from med_maml_pipeline.learners.network_arrays import PRECISION, to_arrays, to_tensors
from med_maml_pipeline.learners.network_inputs import NetworkInputs
from med_maml_pipeline.learners.outer_loop import optimise
from med_maml_pipeline.learners.protocol import Checkpoint, Predictor, ProgressCallback, Settings
from med_maml_pipeline.learners.scores import TargetScale
from med_maml_pipeline.learners.settings import read_settings
from med_maml_pipeline.networks import MLP, initial_parameters
from med_maml_pipeline.tasks.sampling import training_batch
from med_maml_pipeline.tasks.types import FloatArray, MetaSplit, Problem, Support, TargetType

__all__ = ["ProtoNet", "ProtoNetAdaptation", "ProtoNetTraining", "metric_outputs"]

_UNSEEN = 1e-6  # examples that a class without support borrows from the mean of all


@dataclass(frozen=True)
class ProtoNetTraining:
    """Settings of meta-training.

    Attributes:
        steps: Meta-updates.
        meta_batch: Tasks per meta-update.
        shots: Support examples per class (in all for regression).
        query: Query examples per task.
        hidden: Widths of the hidden layers.
        embedding: Width of the (linear) embedding.
        outer_lr: Rate of AdamW.
        weight_decay: Of AdamW.
        input_dropout: Share of the input columns hidden from a task, the same in support and query.
        device: ``cpu`` or ``cuda``.
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
    device: str = "cpu"


@dataclass(frozen=True)
class ProtoNetAdaptation:
    """Settings of adaptation. ``prior_scale`` multiplies the learned strength of the usual prototypes."""

    prior_scale: float = 1.0


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
    adapt_grid: tuple[Settings, ...] = tuple({"prior_scale": s} for s in (1.0, 0.0, 0.3, 3.0, 10.0, 100.0))

    def supports(self, problem: Problem) -> bool:
        """Defined wherever there are meta-training tasks."""
        return bool(problem.split(MetaSplit.TRAIN))

    def meta_fit(
        self, problem: Problem, settings: Settings, seed: int, progress: ProgressCallback
    ) -> Checkpoint:
        """Learns embedding, temperatures and usual prototypes on the meta-training tasks."""
        options = read_settings(ProtoNetTraining, settings, self.name)
        inputs = NetworkInputs.fit(problem, seed)
        network = MLP(inputs.width, options.hidden, options.embedding)
        start = {**initial_parameters(network, seed), **_metric_parameters(options.embedding)}
        parameters = {name: value.to(options.device).requires_grad_() for name, value in start.items()}

        def loss_at(step: int) -> Tensor:
            drawn = training_batch(problem, seed, step, options.meta_batch, options.shots, options.query)
            hide = InputDropout(options.input_dropout, seed, step)
            losses = [
                _query_losses(network, parameters, hide(batch))
                for batch in batches(inputs, drawn, options.device)
            ]
            return torch.cat(losses).mean()

        history = optimise(
            parameters,
            loss_at,
            steps=options.steps,
            learning_rate=options.outer_lr,
            weight_decay=options.weight_decay,
            progress=progress,
        )
        arrays = {**inputs.arrays, **to_arrays(parameters, "network.")}
        return Checkpoint(self.name, arrays, {"width": inputs.width, **asdict(options)}, history)

    def adapt(self, checkpoint: Checkpoint, support: Support, settings: Settings, seed: int) -> Predictor:
        """Embeds the support; nothing is trained."""
        options = read_settings(ProtoNetAdaptation, settings, self.name)
        facts = checkpoint.facts
        network = MLP(facts["width"], facts["hidden"], facts["embedding"])
        parameters = to_tensors(checkpoint.arrays, "network.", device=facts["device"], dtype=PRECISION)
        encoded = encode_support(checkpoint, support, width=facts["width"])
        numeric = support.target_type is TargetType.REGRESSION
        scale = TargetScale.fit(support.y) if numeric else TargetScale(0.0, 1.0)
        rows = labelled(
            [(encoded.x, scale.standardise(support.y))],
            support.target_type,
            device=facts["device"],
            dtype=PRECISION,
        )

        def predict(x: FloatArray) -> FloatArray:
            query = torch.from_numpy(encoded.transform(x)).to(rows.x).unsqueeze(0)
            with torch.no_grad():
                outputs = metric_outputs(
                    network,
                    parameters,
                    rows,
                    query,
                    support.target_type,
                    support.n_classes,
                    prior_scale=options.prior_scale,
                )
            return scored(outputs[0].cpu().numpy(), support.target_type, scale)

        return predict


def metric_outputs(
    network: MLP,
    parameters: Mapping[str, Tensor],
    support: Labelled,
    query: Tensor,
    target_type: TargetType,
    n_classes: int,
    *,
    prior_scale: float = 1.0,
) -> Tensor:
    """Scores of the queries ``[t, q, f]``: ``[t, q, n_classes]``, or values ``[t, q, 1]``."""
    n_support = support.x.shape[1]
    trunk = {name: value for name, value in parameters.items() if not name.startswith("metric.")}
    rows = torch.cat([support.x, query], dim=1)
    embedded = functional_call(network, trunk, (rows.flatten(0, 1),)).unflatten(0, rows.shape[:2])
    seen, asked = embedded[:, :n_support], embedded[:, n_support:]
    if target_type is TargetType.REGRESSION:
        distances = _squared_distances(asked, seen) * parameters["metric.log_kernel_rate"].exp()
        distances = distances.masked_fill((support.weight == 0).unsqueeze(1), torch.inf)
        return (-distances).softmax(-1) @ support.y.unsqueeze(-1)
    usual = parameters["metric.usual"] if target_type is TargetType.BINARY else None
    strength = parameters["metric.log_strength"].exp() * prior_scale
    prototypes = _prototypes(support, seen, n_classes, usual, strength)
    return -_squared_distances(asked, prototypes) * parameters["metric.log_temperature"].exp()


def _prototypes(
    support: Labelled, seen: Tensor, n_classes: int, usual: Tensor | None, strength: Tensor
) -> Tensor:
    """Prototypes ``[t, n_classes, d]``: support and usual prototype, weighted by their number of examples."""
    real = (support.weight > 0).to(seen)
    members = F.one_hot(support.y, n_classes).to(seen) * real.unsqueeze(-1)
    counts = members.sum(1).unsqueeze(-1)
    centre = (seen * real.unsqueeze(-1)).sum(1, keepdim=True) / real.sum(1)[:, None, None]
    sums, total = members.transpose(1, 2) @ seen + _UNSEEN * centre, counts + _UNSEEN
    if usual is not None:
        sums, total = sums + strength * usual, total + strength
    return sums / total


def _squared_distances(left: Tensor, right: Tensor) -> Tensor:
    """``[t, q, d]`` and ``[t, n, d]`` to ``[t, q, n]``; differences first, so that near ties stay exact."""
    return (left.unsqueeze(2) - right.unsqueeze(1)).square().sum(-1)


def _metric_parameters(embedding: int) -> dict[str, Tensor]:
    """Temperatures of one over the width, usual prototypes at the origin that count as one example."""
    start = torch.tensor(1.0 / embedding).log()
    return {
        "metric.log_temperature": start.clone(),
        "metric.log_kernel_rate": start.clone(),
        "metric.log_strength": torch.tensor(0.0),
        "metric.usual": torch.zeros(2, embedding),
    }


def _query_losses(network: MLP, parameters: Mapping[str, Tensor], batch: TypedBatch) -> Tensor:
    """Loss ``[t]`` on the queries."""
    query = batch.episodes.query
    outputs = metric_outputs(
        network, parameters, batch.episodes.support, query.x, batch.target_type, batch.n_classes
    )
    return loss_of(batch.target_type)(outputs, query.y, query.weight)
