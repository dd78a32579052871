"""The loss of MAML's outer loop: how well queries do after the inner loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from torch import Tensor

from med_maml_pipeline.bilevel import EpisodeBatch, TaskChunks, query_losses
from med_maml_pipeline.learners.episode_batches import TypedBatch, balance, loss_of
from med_maml_pipeline.learners.layer_rates import rates_from_logs
from med_maml_pipeline.learners.maml_settings import MamlTraining
from med_maml_pipeline.learners.resident_inputs import ResidentInputs
from med_maml_pipeline.networks import Heads, Network
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["MetaLoss"]


class MetaLoss:
    """Loss on the queries after the inner loop, as a function of the meta-learned tensors.

    Args:
        network: The structure.
        heads: What the last layer starts from.
        parameters: Trunk and heads.
        log_rates: Logarithms of the inner rates, per layer.
        options: Inner loop, memory, weighting.
        resident: Rows of the meta-training tasks.
    """

    def __init__(
        self,
        network: Network,
        heads: Heads,
        parameters: Mapping[str, Tensor],
        log_rates: Mapping[str, Tensor],
        options: MamlTraining,
        resident: ResidentInputs,
    ) -> None:
        self._network, self._heads, self._parameters = network, heads, parameters
        self._log_rates, self._options, self._resident = log_rates, options, resident
        self._chunks, self._taken = TaskChunks(options.memory_mib), 0

    def parts(self, drawn: TypedBatch) -> Iterator[Tensor]:
        """The batch's part of the loss, of as many tasks at a time as fit the memory budget."""
        batch = self._balanced(self._resident.rows(drawn))
        loss, loop = loss_of(drawn.target_type), self._options.inner_loop
        path, size = self._chunks.plan(
            self._network, self._start(batch), batch.episodes, loss, self._rates(), loop
        )
        for part in batch.chunks(size):
            self._taken = len(part)
            losses = query_losses(
                self._network, self._start(part), part.episodes, loss, self._rates(), loop, path=path
            )
            yield losses.sum() / self._options.meta_batch

    def fewer(self) -> int:
        """Takes half as many tasks at once as last time, and says how many; 0 where it was one."""
        return self._taken // 2 if self._chunks.halve(self._taken) else 0

    def _balanced(self, batch: TypedBatch) -> TypedBatch:
        if not self._options.balanced or batch.target_type is TargetType.REGRESSION:
            return batch
        query = balance(batch.episodes.query, batch.n_classes)
        return replace(batch, episodes=EpisodeBatch(batch.episodes.support, query))

    def _start(self, batch: TypedBatch) -> dict[str, Tensor]:
        return self._heads.attach(self._parameters, batch.target_type, batch.n_classes)

    def _rates(self) -> dict[str, Tensor]:
        return rates_from_logs(self._log_rates)
