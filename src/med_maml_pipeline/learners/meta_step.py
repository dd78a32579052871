"""One update of a meta-training: gradients of a loss that comes in parts, clipped, and a step of AdamW."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.learners.devices import forward_in
from med_maml_pipeline.learners.episode_batches import TypedBatch
from med_maml_pipeline.learners.training_state import TrainingState
from med_maml_pipeline.learners.world import World

__all__ = ["EpisodeLosses", "LossesAt", "MetaStep"]

_LOGGER = logging.getLogger(__name__)
_CLIP = 10.0  # norm of the whole gradient; reached by single meta-batches early on only

LossesAt = Callable[[int], Iterable[Tensor]]
"""The parts of a step's loss."""


@dataclass(frozen=True)
class EpisodeLosses:
    """The loss of a step in three parts, so that it can be repeated, divided, and captured as a CUDA graph.

    Attributes:
        drawn: The episodes of a step, on the host or the device.
        of: Parts of the loss of some episodes; reads nothing but their tensors.
        fewer: Takes half as many tasks at once from now on, and says how many; 0 where it was one already.
    """

    drawn: Callable[[int], Iterable[TypedBatch]]
    of: Callable[[TypedBatch], Iterable[Tensor]]
    fewer: Callable[[], int]

    def __call__(self, step: int) -> Iterator[Tensor]:
        """Draws and computes."""
        for batch in self.drawn(step):
            yield from self.of(batch)


class MetaStep:
    """Updates the parameters of a state, one call at a time.

    Args:
        state: Parameters and optimiser.
        losses_at: Parts of a step's loss.
        world: The processes that train together.
        precision: Of the way forward, see `forward_in`.
    """

    def __init__(self, state: TrainingState, losses_at: LossesAt, world: World, precision: str) -> None:
        self.state, self.losses_at, self.world, self.precision = state, losses_at, world, precision
        self.parameters = list(state.parameters.values())
        self.device = self.parameters[0].device

    def __call__(self, rate: float) -> Tensor:
        """Does the update of ``state.step`` with a learning rate; its loss, on the device."""
        self.set_rate(rate)
        return self.eager(lambda: self.losses_at(self.state.step))

    def set_rate(self, rate: float) -> None:
        """Sets the learning rate; one that a CUDA graph reads is a tensor, filled in place."""
        for group in self.state.optimiser.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def eager(self, losses: Callable[[], Iterable[Tensor]]) -> Tensor:
        """Differentiates, clips and steps; waits for no number, so that it can be captured.

        Raises:
            ConfigurationError: one task at a time does not fit the memory.
        """
        loss = self.world.sum_gradients(self.parameters, self._differentiated(losses))
        torch.nn.utils.clip_grad_norm_(self.parameters, _CLIP)
        self.state.optimiser.step()
        return loss

    def _differentiated(self, losses: Callable[[], Iterable[Tensor]]) -> Tensor:
        while True:
            self.state.optimiser.zero_grad(set_to_none=True)
            try:
                return self._summed(losses())
            except torch.OutOfMemoryError as error:
                fewer = self.losses_at.fewer() if isinstance(self.losses_at, EpisodeLosses) else 0
                if not fewer:
                    raise ConfigurationError(
                        "meta-training ran out of memory with the least work at once; lower 'meta_batch' or "
                        "'batch', 'shots', 'query', 'filters' or 'hidden', or use a device with more memory."
                    ) from error
            # The failed attempt's graph is gone with its traceback.
            _LOGGER.warning("Out of memory: the update is repeated with %d task(s) at a time.", fewer)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _summed(self, losses: Iterable[Tensor]) -> Tensor:
        """Differentiates each part as it comes, so that one graph is in memory at a time."""
        total, parts = torch.zeros((), device=self.device), iter(losses)
        while True:
            with forward_in(self.precision, self.device):
                part = next(parts, None)
            if part is None:
                return total
            part.backward()
            total += part.detach()
