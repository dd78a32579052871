"""A start that lies close to the parameters of every adapted task."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.func import functional_call

from med_maml_pipeline.bilevel import (
    EpisodeBatch,
    Parameters,
    Path,
    centre_in_bias,
    descend,
    given_gradients,
    of_each_task,
)
from med_maml_pipeline.learners.episode_batches import PICTURE_EPISODES, TypedBatch
from med_maml_pipeline.learners.maml import Maml
from med_maml_pipeline.learners.maml_settings import FixedRates, MamlTraining
from med_maml_pipeline.learners.meta_learned import MetaLearned
from med_maml_pipeline.learners.meta_loss import MetaLoss
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.learners.resident_inputs import ResidentInputs

__all__ = ["Reptile"]


class Reptile(Maml):
    """Reptile (Nichol et al. 2018): move the start towards where each task's descent ends.

    A task descends on its support and goes on from there on its queries: two minibatches, whose agreement is
    what the method rewards. The outer gradient is the way gone, ``θ − θ′``, averaged over tasks and handed to
    AdamW; no second derivative is taken and the rates stay as they are set. The loss in the history is that
    of the queries halfway, before the descent has seen them.
    """

    name = "reptile"
    training: type[FixedRates] = FixedRates
    meta_grid: tuple[Settings, ...] = (
        {},
        {"inner_lr": 1.0},
        {"inner_steps": 5},
        {"outer_lr": 1e-3},
        {"centre": True},
        {"input_dropout": 0.2},
    )
    picture_meta_grid: tuple[Settings, ...] = tuple(
        {**PICTURE_EPISODES, **settings}
        for settings in ({"centre": True}, {}, {"inner_steps": 5}, {"outer_lr": 1e-3}, {"filters": 64})
    )

    def meta_loss(self, learned: MetaLearned, options: MamlTraining, resident: ResidentInputs) -> MetaLoss:
        """The way that tasks go."""
        return _WayGone(learned, self.rates, options, resident)


class _WayGone(MetaLoss):
    """`MetaLoss` whose gradient is ``θ − θ′``."""

    def losses(self, batch: TypedBatch, path: Path) -> Iterable[Tensor]:
        """Losses ``[t]`` on the queries before the descent reaches them, with the way gone as gradient."""
        network, episodes = self.learned.network, batch.episodes
        starts, episodes = of_each_task(network, self.start(batch), episodes)
        gone = [
            self._gone({name: value[t] for name, value in starts.items()}, batch, episodes[t : t + 1], path)
            for t in range(len(episodes))
        ]
        values, ways = zip(*gone, strict=True)
        gradients = {name: torch.stack([way[name] for way in ways]) for name in starts}
        yield given_gradients(torch.stack(values), gradients, starts)

    def _gone(
        self, start: Parameters, batch: TypedBatch, task: EpisodeBatch, path: Path
    ) -> tuple[Tensor, Parameters]:
        network, loss, loop = self.learned.network, self.loss(batch), self.options.inner_loop
        rates, support, query = self.rates(batch), task.support, task.query
        halfway = descend(network, start, support, loss, rates, loop, path=path)
        end = descend(network, halfway, query, loss, rates, loop, path=path)
        with torch.no_grad():
            read = centre_in_bias(network, halfway, support) if loop.centred else halfway
            value = loss(functional_call(network, read, (query.x[0],)), query.y[0], query.weight[0])
            return value, {name: start[name] - end[name] for name in start}
