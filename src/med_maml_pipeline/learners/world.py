"""The processes that train one learner together: data parallelism over the tasks of a step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["World"]


@dataclass(frozen=True)
class World:
    """Who shares a step's tasks. The default is a process alone, for which nothing here costs anything.

    Every process draws the whole meta-batch, a pure function of seed and step, and computes its own part of
    it, so no process tells another what to sample. Only gradients travel (Goyal et al. 2017).

    Attributes:
        rank: Number of this process; only rank 0 writes.
        size: Number of processes.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def current(cls) -> World:
        """The process group that this process belongs to, or itself alone."""
        import torch.distributed as dist

        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    @property
    def leads(self) -> bool:
        """Whether this process writes state and results for all."""
        return self.rank == 0

    @property
    def own(self) -> slice:
        """Which of a step's tasks or rows this process computes."""
        return slice(self.rank, None, self.size)

    def sum_gradients(self, parameters: Iterable[Tensor], loss: Tensor) -> Tensor:
        """Adds up each parameter's gradient over all processes, in place; one message carries all.

        A parameter that no process has a gradient for keeps none, so that the optimiser passes over it as
        it would in a process alone.

        Args:
            parameters: Of one type and device, in the same order everywhere.
            loss: This process' part of the loss, a number.

        Returns:
            The loss over all processes.
        """
        if self.size == 1:
            return loss
        import torch
        import torch.distributed as dist

        everyone = list(parameters)
        touched = [float(value.grad is not None) for value in everyone]
        parts = [torch.zeros_like(value) if value.grad is None else value.grad for value in everyone]
        numbers = torch.tensor([float(loss), *touched]).to(everyone[0])
        message = torch.cat([numbers, *(part.flatten() for part in parts)]).detach()
        dist.all_reduce(message)
        numbers, *sums = message.split([len(numbers), *(value.numel() for value in everyone)])
        total, *touched = numbers.tolist()
        for value, gradient, count in zip(everyone, sums, touched, strict=True):
            value.grad = gradient.view_as(value) if count else None
        return loss.new_tensor(total)

    def agree(self, value: float) -> float:
        """The value of rank 0, for decisions that all must take alike."""
        if self.size == 1:
            return value
        import torch
        import torch.distributed as dist

        # NCCL carries tensors of GPUs only.
        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        told = torch.tensor([value], dtype=torch.float64, device=device)
        dist.broadcast(told, src=0)
        return float(told)
