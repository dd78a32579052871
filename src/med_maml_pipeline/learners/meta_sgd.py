"""Meta-SGD: a learned inner rate for every number of the network."""

from __future__ import annotations

import torch
from torch import Tensor

from med_maml_pipeline.bilevel import Path, RatesByStep, TaskChunks
from med_maml_pipeline.learners.episode_batches import TypedBatch
from med_maml_pipeline.learners.layer_rates import rates_from_logs
from med_maml_pipeline.learners.maml import Maml
from med_maml_pipeline.learners.maml_settings import MamlTraining
from med_maml_pipeline.learners.meta_learned import MetaLearned
from med_maml_pipeline.learners.meta_loss import MetaLoss
from med_maml_pipeline.learners.resident_inputs import ResidentInputs
from med_maml_pipeline.networks import MLP, Network

__all__ = ["MetaSgd"]

_OFFSET = "offset."


class MetaSgd(Maml):
    """Meta-SGD (Li et al. 2017): start, direction and length of the inner steps are learned.

    Every number of the network has an inner rate of its own, of either sign: ``α (1 + o)`` with the rate
    ``α`` of its layer, as in `Maml`, and an offset ``o`` that starts at zero. The layers' rates spare the
    offsets from having to move together; weight decay draws the offsets to zero, and so to MAML. Binary
    tasks and regression have rates for their head; the classes of a multiclass task share theirs, since
    tasks differ in their number. With ``learn_inner_lr`` off, it is MAML with fixed rates.
    """

    name = "meta_sgd"

    def initial_rates(
        self, network: Network, options: MamlTraining, mean_square_norm: float
    ) -> dict[str, Tensor]:
        """Logarithms by layer, and zero offsets by parameter (of the head: by kind of target)."""
        shapes = {name: tuple(value.shape) for name, value in network.named_parameters()}
        head = f"{network.head_path}."
        body = {name: shape for name, shape in shapes.items() if not name.startswith(head)}
        kinds = self.heads(network).initial()
        own = {name: tuple(value.shape) for name, value in kinds.items()}
        shared = {f"heads.multiclass.{part}": (1, *shapes[head + part][1:]) for part in ("weight", "bias")}
        offsets = {_OFFSET + name: torch.zeros(shape) for name, shape in {**body, **own, **shared}.items()}
        return {**super().initial_rates(network, options, mean_square_norm), **offsets}

    def rates(self, learned: MetaLearned, kind: str, steps: int, scale: float = 1.0) -> RatesByStep:
        """One rate per number of the network."""
        head, own = f"{learned.network.head_path}.", f"heads.{kind}."
        offsets, logs = {}, {}
        for name, value in learned.rates.items():
            if name.startswith(_OFFSET):
                offsets[name.removeprefix(_OFFSET)] = value
            else:
                logs[name] = value
        layers = rates_from_logs(logs, scale)
        rates = {}
        for name, _ in learned.network.named_parameters():
            offset = offsets[name.replace(head, own, 1) if name.startswith(head) else name]
            rates[name] = layers[name.rpartition(".")[0]] * (1.0 + offset)
        return rates

    def meta_loss(self, learned: MetaLearned, options: MamlTraining, resident: ResidentInputs) -> MetaLoss:
        """That of MAML, perceptrons with all tasks at once."""
        return _TogetherLoss(learned, self.rates, options, resident)


class _TogetherLoss(MetaLoss):
    def plan(self, batch: TypedBatch, chunks: TaskChunks) -> tuple[Path, int]:
        """A perceptron's fast path has one rate for its first layer; its reference goes task by task."""
        path = Path.VMAPPED if isinstance(self.learned.network, MLP) else None
        start, rates = self.start(batch.part(slice(1))), self.rates(batch)
        network, loop = self.learned.network, self.options.inner_loop
        return chunks.plan(network, start, batch.episodes, self.loss(batch), rates, loop, path=path)
