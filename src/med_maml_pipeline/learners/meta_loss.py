"""The loss of MAML's outer loop: how well queries do after the inner loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from torch import Tensor

from med_maml_pipeline.bilevel import (
    EpisodeBatch,
    Parameters,
    Path,
    RatesByStep,
    TaskChunks,
    TaskLoss,
    query_losses,
)
from med_maml_pipeline.learners.episode_batches import TypedBatch, balance, loss_of
from med_maml_pipeline.learners.maml_settings import MamlTraining
from med_maml_pipeline.learners.meta_learned import MetaLearned
from med_maml_pipeline.learners.meta_step import EpisodeLosses, LossesAt
from med_maml_pipeline.learners.resident_inputs import ResidentInputs
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["MetaLoss", "RatesFor"]

RatesFor = Callable[[MetaLearned, str, int], RatesByStep]
"""Inner rates from what is learned, the kind of target and the number of steps."""


class MetaLoss:
    """Loss on the queries after the inner loop, as a function of the meta-learned tensors.

    Relatives that measure something else override `losses` and `plan`; those whose loss changes with the
    update override `losses_at`.

    Args:
        learned: Where tasks start and how they descend, as leaves.
        rates_for: Inner rates.
        options: Inner loop, memory, weighting.
        resident: Rows of the meta-training tasks.
    """

    def __init__(
        self, learned: MetaLearned, rates_for: RatesFor, options: MamlTraining, resident: ResidentInputs
    ) -> None:
        self.learned, self.rates_for, self.options = learned, rates_for, options
        self._resident = resident
        self._chunks, self._taken = TaskChunks(options.memory_mib), 0

    def losses_at(self, drawn_at: Callable[[int], Iterator[TypedBatch]]) -> LossesAt:
        """Parts of the loss of an update, whose episodes are ``drawn_at`` it."""
        return EpisodeLosses(drawn_at, self.parts, self.fewer)

    def parts(self, drawn: TypedBatch) -> Iterator[Tensor]:
        """The batch's part of the loss, of as many tasks at a time as fit the memory budget."""
        batch = self._balanced(self._resident.rows(drawn))
        path, size = self.plan(batch, self._chunks)
        for part in batch.chunks(size):
            self._taken = len(part)
            for losses in self.losses(part, path):
                yield losses.sum() / self.options.meta_batch

    def plan(self, batch: TypedBatch, chunks: TaskChunks) -> tuple[Path, int]:
        """How to compute the inner loop, and of how many tasks at once."""
        return chunks.plan(
            self.learned.network,
            self.start(batch.part(slice(1))),
            batch.episodes,
            self.loss(batch),
            self.rates(batch),
            self.options.inner_loop,
        )

    def losses(self, batch: TypedBatch, path: Path) -> Iterable[Tensor]:
        """Losses ``[t]`` of the tasks on their queries, in terms that add up; each is differentiated alone.

        Args:
            batch: Tasks that fit the memory together.
            path: How to compute the inner loop.
        """
        yield query_losses(
            self.learned.network,
            self.start(batch),
            batch.episodes,
            self.loss(batch),
            self.rates(batch),
            self.options.inner_loop,
            path=path,
        )

    def fewer(self) -> int:
        """Takes half as many tasks at once as last time, and says how many; 0 where it was one."""
        return self._taken // 2 if self._chunks.halve(self._taken) else 0

    def start(self, batch: TypedBatch) -> Parameters:
        """Where the batch's tasks start."""
        return self.learned.start(batch.target_type, batch.n_classes)

    def rates(self, batch: TypedBatch) -> RatesByStep:
        """The batch's inner rates."""
        return self.rates_for(self.learned, batch.target_type, self.options.inner_steps)

    def loss(self, batch: TypedBatch) -> TaskLoss:
        """Loss per task."""
        return loss_of(batch.target_type)

    def _balanced(self, batch: TypedBatch) -> TypedBatch:
        if not self.options.balanced or batch.target_type is TargetType.REGRESSION:
            return batch
        query = balance(batch.episodes.query, batch.n_classes)
        return replace(batch, episodes=EpisodeBatch(batch.episodes.support, query))
