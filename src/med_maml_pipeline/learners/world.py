"""The processes that train one learner together: data parallelism over the tasks of a step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["World"]

Item = TypeVar("Item")


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

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items that this process computes; none where there are fewer items than processes."""
        return items[self.own]

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Adds up each parameter's gradient over all processes, in place and in one message.

        A parameter that no process has a gradient for keeps none, so that the optimiser passes over it as
        it would in a process alone.

        Args:
            parameters: Of one type and device, in the same order everywhere.
        """
        if self.size == 1:
            return
        import torch
        import torch.distributed as dist

        everyone = list(parameters)
        touched = torch.tensor([float(value.grad is not None) for value in everyone]).to(everyone[0])
        parts = [value.grad if value.grad is not None else torch.zeros_like(value) for value in everyone]
        message = torch.cat([touched, *(part.flatten() for part in parts)]).detach()
        dist.all_reduce(message)
        touched, *sums = message.split([len(everyone), *(value.numel() for value in everyone)])
        for value, total, count in zip(everyone, sums, touched.tolist(), strict=True):
            value.grad = total.view_as(value) if count else None

    def sum(self, value: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        if self.size == 1:
            return value
        import torch.distributed as dist

        total = value.detach().to(_device(), copy=True)
        dist.all_reduce(total)
        return total.to(value.device)

    def agree(self, value: float) -> float:
        """The value of rank 0, for decisions that all must take alike."""
        if self.size == 1:
            return value
        import torch
        import torch.distributed as dist

        told = torch.tensor([value], dtype=torch.float64, device=_device())
        dist.broadcast(told, src=0)
        return float(told)


def _device() -> str:
    """Where messages lie: NCCL carries tensors of GPUs only."""
    import torch.distributed as dist

    return "cuda" if dist.get_backend() == "nccl" else "cpu"
