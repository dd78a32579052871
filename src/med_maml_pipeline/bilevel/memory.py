"""How many tasks fit a memory budget at once, from the graph that one of them would leave behind.

The graph is built on torch's meta device, where tensors have shapes and no numbers: the count costs
milliseconds and no memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from weakref import WeakSet

from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from med_maml_pipeline.bilevel.batch import EpisodeBatch, Labelled
from med_maml_pipeline.bilevel.engine import Path, path_for, query_outputs
from med_maml_pipeline.bilevel.inner import InnerLoop, Rates, RatesByStep, rates_at
from med_maml_pipeline.bilevel.losses import TaskLoss

__all__ = ["TaskChunks", "graph_bytes"]

_MIB = 1 << 20


def graph_bytes(
    network: nn.Module,
    parameters: Mapping[str, Tensor],
    batch: EpisodeBatch,
    loss: TaskLoss,
    rates: RatesByStep,
    loop: InnerLoop,
    path: Path,
) -> int:
    """Bytes that one task of ``batch`` keeps between the way forward and the way back.

    Args:
        network: The structure.
        parameters: Where every task starts.
        batch: Its shapes and types count, not its numbers.
        loss: Loss per task.
        rates: Learning rates.
        loop: Steps, momentum, clipping, order.
        path: How the inner loop is computed.
    """
    state = sum(value.numel() * value.element_size() for value in parameters.values())
    if path is Path.CONVOLUTION:  # keeps the parameters of every step
        return state * (loop.steps + 1)
    if path is Path.VMAPPED:  # a task's graph is that of the plain loop
        path = Path.REFERENCE
    if path is Path.CHECKPOINTED:  # keeps them too, and builds one step's graph at a time
        one = graph_bytes(
            network, parameters, batch, loss, rates, replace(loop, steps=min(loop.steps, 1)), Path.REFERENCE
        )
        return one + state * loop.steps * (2 if loop.momentum else 1)
    start = {name: value.to("meta").requires_grad_() for name, value in parameters.items()}
    own = [_on_meta(rates_at(rates, step)) for step in range(loop.steps)]
    kept: WeakSet[_Kept] = WeakSet()

    def keep(tensor: Tensor) -> _Kept:
        one = _Kept(tensor)
        kept.add(one)
        return one

    with saved_tensors_hooks(keep, lambda one: one.tensor):
        episode = EpisodeBatch(_one(batch.support), _one(batch.query))
        outputs = query_outputs(network, start, episode, loss, own, loop, path=path)
        losses = loss(outputs, episode.query.y, episode.query.weight)
    given = {_storage(tensor) for tensor in (*start.values(), episode.support.x, episode.query.x)}
    sizes = {_storage(one.tensor): one.tensor.untyped_storage().nbytes() for one in kept}
    del losses  # until here, it held the graph
    return sum(size for storage, size in sizes.items() if storage not in given)


class _Kept:
    """A tensor in a graph; gone with it."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


@dataclass
class TaskChunks:
    """Divides a meta-batch so that the graphs of its parts fit a budget.

    Attributes:
        budget_mib: Memory for graphs at one time, in MiB. One task is always taken, budget or not; where it
            does not fit, its inner steps are checkpointed.
    """

    budget_mib: float
    _limit: int | None = field(default=None, init=False)
    _known: dict[tuple[object, ...], tuple[Path, int]] = field(default_factory=dict, init=False)

    def plan(
        self,
        network: nn.Module,
        parameters: Mapping[str, Tensor],
        batch: EpisodeBatch,
        loss: TaskLoss,
        rates: RatesByStep,
        loop: InnerLoop,
        *,
        path: Path | None = None,
    ) -> tuple[Path, int]:
        """The path to take, and how many tasks at once (at least one).

        Args:
            network: The structure.
            parameters: Where every task starts.
            batch: The meta-batch, or a part of it.
            loss: Loss per task.
            rates: Learning rates.
            loop: Steps, momentum, clipping, order.
            path: How the inner loop is computed if it fits; None takes the fastest path that is exact.
        """
        head = tuple((name, tuple(value.shape)) for name, value in parameters.items())
        key = (head, batch.support.x.shape[1:], batch.query.x.shape[1:], batch.support.x.dtype, loss, loop)
        if key not in self._known:
            path = path or path_for(network, parameters, rates, loop, batch.support.x)
            size = graph_bytes(network, parameters, batch, loss, rates, loop, path)
            if size > self.budget_mib * _MIB and path in (Path.REFERENCE, Path.VMAPPED):
                path = Path.CHECKPOINTED
                size = graph_bytes(network, parameters, batch, loss, rates, loop, path)
            self._known[key] = path, max(int(self.budget_mib * _MIB / max(size, 1)), 1)
        path, fitting = self._known[key]
        return path, min(fitting, self._limit or fitting)

    def halve(self, tasks: int) -> bool:
        """From now on takes half of ``tasks`` at once; False where that is one already."""
        if tasks <= 1:
            return False
        self._limit = tasks // 2
        return True


def _one(rows: Labelled) -> Labelled:
    first = rows[:1]
    return Labelled(*(part.to("meta") for part in (first.x, first.y, first.weight)))


def _on_meta(rates: Rates) -> Rates:
    if not isinstance(rates, Mapping):
        return rates
    return {name: value.detach().to("meta").requires_grad_() for name, value in rates.items()}
