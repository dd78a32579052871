"""MAML++: how to train MAML."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from torch import Tensor

from med_maml_pipeline.bilevel import Path, RatesByStep, query_losses
from med_maml_pipeline.learners.episode_batches import PICTURE_EPISODES, TypedBatch
from med_maml_pipeline.learners.layer_rates import rates_from_logs
from med_maml_pipeline.learners.maml import Maml
from med_maml_pipeline.learners.maml_settings import MamlTraining
from med_maml_pipeline.learners.meta_learned import MetaLearned
from med_maml_pipeline.learners.meta_loss import MetaLoss
from med_maml_pipeline.learners.meta_step import LossesAt
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.learners.resident_inputs import ResidentInputs
from med_maml_pipeline.networks import Network

__all__ = ["MamlPp", "MamlPpTraining", "step_weights"]


@dataclass(frozen=True)
class MamlPpTraining(MamlTraining):
    """Settings of meta-training, beside those of `MamlTraining`.

    Attributes:
        multi_step_share: Share of the updates in which the queries are scored after every inner step; 0
            never scores but the last.
        first_order_share: Share of the updates, the first ones, that leave second derivatives out.
    """

    inner_steps: int = 5
    multi_step_share: float = 0.3
    first_order_share: float = 0.3


class MamlPp(Maml):
    """MAML++ (Antoniou et al. 2019): MAML with a steadier meta-training.

    Early on, the queries count after every inner step, with weights that move to the last step (multi-step
    loss), and second derivatives are left out (derivative-order annealing). Each layer has a learned rate for
    every step; an adaptation with more steps goes on with the last. The outer rate falls as a cosine, as for
    every learner here. Batch normalisation, for which the paper has statistics and weights per step, is in
    none of the networks.
    """

    name = "maml_pp"
    training = MamlPpTraining
    meta_grid: tuple[Settings, ...] = tuple(
        {"first_order_share": 0.0} if "inner_steps" in settings else settings for settings in Maml.meta_grid
    )
    picture_meta_grid: tuple[Settings, ...] = tuple(
        {**PICTURE_EPISODES, "first_order_share": 0.0} if "inner_steps" in settings else settings
        for settings in Maml.picture_meta_grid
    )
    adapt_grid: tuple[Settings, ...] = tuple(
        sorted(Maml.adapt_grid, key=lambda settings: settings["adapt_steps"] != MamlPpTraining.inner_steps)
    )

    def initial_rates(
        self, network: Network, options: MamlTraining, mean_square_norm: float
    ) -> dict[str, Tensor]:
        """Logarithms ``[inner_steps]`` by layer, alike for all steps."""
        every = super().initial_rates(network, options, mean_square_norm)
        return {layer: value.repeat(options.inner_steps) for layer, value in every.items()}

    def rates(self, learned: MetaLearned, kind: str, steps: int, scale: float = 1.0) -> RatesByStep:
        """Rates by step and layer; steps beyond those of the training take the last one's."""
        known = {layer: value.unbind() for layer, value in learned.rates.items()}
        return [
            rates_from_logs({layer: own[min(step, len(own) - 1)] for layer, own in known.items()}, scale)
            for step in range(steps)
        ]

    def meta_loss(self, learned: MetaLearned, options: MamlTraining, resident: ResidentInputs) -> MetaLoss:
        """Loss on the queries, early on after every inner step."""
        return _MultiStepLoss(learned, self.rates, options, resident)


class _MultiStepLoss(MetaLoss):
    """`MetaLoss` at every inner step, in the share that the update gives it."""

    options: MamlPpTraining
    _progress = 0.0  # share of the updates that are done

    def losses_at(self, drawn_at: Callable[[int], Iterator[TypedBatch]]) -> LossesAt:
        """A function of the update: no CUDA graph could be replayed for another."""

        def at(step: int) -> Iterator[Tensor]:
            self._progress = step / self.options.steps
            for batch in drawn_at(step):
                yield from self.parts(batch)

        return at

    def losses(self, batch: TypedBatch, path: Path) -> Iterator[Tensor]:
        """The inner steps' losses ``[t]``, weighted; each is computed from the start."""
        first_order = self._progress < self.options.first_order_share
        loop = replace(self.options.inner_loop, first_order=first_order)
        share = self.options.multi_step_share
        weights = step_weights(loop.steps, self._progress / share if share else 1.0)
        for done, weight in enumerate(weights, start=1):
            if weight:
                yield weight * query_losses(
                    self.learned.network,
                    self.start(batch),
                    batch.episodes,
                    self.loss(batch),
                    self.rates(batch),
                    replace(loop, steps=done),
                    path=path,
                )


def step_weights(inner_steps: int, progress: float) -> list[float]:
    """Weight of each inner step's query loss, adding up to 1.

    Args:
        inner_steps: Number of steps.
        progress: 0 gives all steps the same weight, 1 all weight to the last; linear in between.
    """
    early = max(1.0 - progress, 0.0) / inner_steps
    return [*[early] * (inner_steps - 1), 1.0 - early * (inner_steps - 1)]
