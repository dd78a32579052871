"""MAML with implicit gradients: the outer gradient comes from where adaptation ends, not from its path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from med_maml_pipeline.bilevel import (
    InnerLoop,
    Labelled,
    Parameters,
    Path,
    Proximal,
    RatesByStep,
    TaskChunks,
    TaskLoss,
    adapt_proximally,
    implicit_query_losses,
    rates_at,
)
from med_maml_pipeline.learners.episode_batches import PICTURE_EPISODES, TypedBatch
from med_maml_pipeline.learners.gradient_adaptation import Descent
from med_maml_pipeline.learners.maml import Maml
from med_maml_pipeline.learners.maml_settings import FixedRates, MamlAdaptation, MamlTraining
from med_maml_pipeline.learners.meta_learned import MetaLearned
from med_maml_pipeline.learners.meta_loss import MetaLoss
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.learners.resident_inputs import ResidentInputs
from med_maml_pipeline.networks import Network

__all__ = ["ImplicitMaml", "ImplicitTraining"]


@dataclass(frozen=True)
class ImplicitTraining(FixedRates):
    """Settings of meta-training, beside those of `MamlTraining`.

    Attributes:
        proximity: Share of the way back to the start that each inner step goes, see `Proximal`.
        solver_steps: Steps of conjugate gradients.
    """

    inner_steps: int = 10
    proximity: float = 0.2
    solver_steps: int = 5

    @property
    def proximal(self) -> Proximal:
        """The inner problem of meta-training."""
        return Proximal(self.inner_steps, self.proximity, self.solver_steps, centred=self.centre)


class ImplicitMaml(Maml):
    """iMAML (Rajeswaran et al. 2019): adaptation that is drawn back to the meta-learned start.

    A task solves its support loss plus ``λ/2 ‖φ − θ‖²``, here with distances in units of each layer's rate.
    The outer gradient is that of the solution, from conjugate gradients on Hessian-vector products: it needs
    no graph of the inner loop, so steps cost time and no memory. Rates stay as they are set, and the inner
    loop knows no momentum and no clipping.
    """

    name = "imaml"
    training: type[ImplicitTraining] = ImplicitTraining
    meta_grid: tuple[Settings, ...] = (
        {},
        {"proximity": 0.05},
        {"centre": True},
        {"inner_lr": 1.0},
        {"outer_lr": 1e-3},
        {"input_dropout": 0.2},
    )
    picture_meta_grid: tuple[Settings, ...] = tuple(
        {**PICTURE_EPISODES, **settings}
        for settings in ({"centre": True}, {}, {"proximity": 0.05}, {"outer_lr": 1e-3}, {"filters": 64})
    )
    picture_grid: tuple[Settings, ...] = tuple(
        {"adapt_steps": steps, "adapt_lr_scale": scale, "views": views}
        for steps, scale, views in ((10, 1.0, 8), (10, 3.0, 8), (30, 1.0, 8), (10, 1.0, 1), (0, 1.0, 1))
    )
    adapt_grid: tuple[Settings, ...] = tuple(
        {"adapt_steps": steps, "adapt_lr_scale": scale}
        for steps, scale in ((10, 1.0), (0, 1.0), (3, 1.0), (30, 1.0), (10, 0.3), (10, 2.0))
    )

    def meta_loss(self, learned: MetaLearned, options: MamlTraining, resident: ResidentInputs) -> MetaLoss:
        """Loss at the inner solutions."""
        return _ImplicitLoss(learned, self.rates, options, resident)

    def descent(self, facts: Mapping[str, Any], options: MamlAdaptation) -> Descent:
        """Solves the inner problem of a new task."""

        def solve(
            network: Network,
            start: Mapping[str, Tensor],
            support: Labelled,
            loss: TaskLoss,
            rates: RatesByStep,
            loop: InnerLoop,
        ) -> Parameters:
            problem = Proximal(loop.steps, facts["proximity"], centred=loop.centred)
            return adapt_proximally(network, start, support, loss, rates_at(rates, 0), problem)

        return solve


class _ImplicitLoss(MetaLoss):
    """`MetaLoss` at the solutions of proximal problems."""

    options: ImplicitTraining

    def plan(self, batch: TypedBatch, chunks: TaskChunks) -> tuple[Path, int]:
        """All tasks at once: no graph of their inner loops is kept."""
        return Path.REFERENCE, len(batch)

    def losses(self, batch: TypedBatch, path: Path) -> Iterable[Tensor]:
        """Losses ``[t]`` whose gradients are the implicit ones."""
        yield implicit_query_losses(
            self.learned.network,
            self.start(batch),
            batch.episodes,
            self.loss(batch),
            rates_at(self.rates(batch), 0),
            self.options.proximal,
        )
