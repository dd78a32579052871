"""The tasks of a batch, one after another or in threads, with the same result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Literal, TypeVar

import torch
from torch import Tensor

from med_maml_pipeline.bilevel.conv4.body import Body
from med_maml_pipeline.bilevel.conv4.layout import Layout, names_of_block
from med_maml_pipeline.bilevel.conv4.native_body import NativeBody, native_available
from med_maml_pipeline.bilevel.conv4.rates import RatePlan
from med_maml_pipeline.bilevel.conv4.sweep import Rows, descend, loss_and_gradient, sweep_back
from med_maml_pipeline.bilevel.conv4.torch_body import TorchBody
from med_maml_pipeline.bilevel.losses import TaskLoss
from med_maml_pipeline.networks.conv import Conv4

__all__ = ["Backend", "Found", "Work", "backend_for"]

Backend = Literal["best", "native", "torch"]
"""Who computes the blocks: the native kernel where it was built and fits, or the one that is named."""

_T = TypeVar("_T")


def backend_for(
    network: Conv4, parameters: Mapping[str, Tensor], backend: Backend
) -> tuple[Callable[[], Body], tuple[int, ...]]:
    """A maker of bodies, and the order in which they hold weights."""
    bias = parameters[names_of_block(0)[1]]
    width, dtype = len(bias), bias.dtype
    if backend == "native" or (backend == "best" and native_available() and NativeBody.fits(width, dtype)):
        return partial(NativeBody, network, width, dtype), NativeBody.order
    return partial(TorchBody, network, width), TorchBody.order


@dataclass(frozen=True)
class Found:
    """What the tasks of a batch give.

    Attributes:
        losses: ``[t]`` losses on the queries after the descent.
        start: ``[t, p]`` their gradients at the starting point, in the parameters' layout.
        rates: Gradients ``[t, ...]`` of the tensors among the rates.
    """

    losses: Tensor
    start: Tensor
    rates: list[Tensor]


@dataclass(frozen=True)
class Work:
    """Losses of tasks that start alike, and their gradients.

    Attributes:
        layout: Of the parameters.
        make_body: Makes the blocks, one body per thread.
        tasks: Support and query set of every task.
        loss: Loss, inner and outer.
        plan: Learning rates.
        first_order: Leave the second derivatives out.
        centred: Take the support's mean from the embeddings.
    """

    layout: Layout
    make_body: Callable[[], Body]
    tasks: list[tuple[Rows, Rows]]
    loss: TaskLoss
    plan: RatePlan
    first_order: bool
    centred: bool

    def losses(self, start: Tensor) -> Tensor:
        """Losses alone."""
        rates = self.plan.vectors(self.layout, start)

        def of(body: Body, task: tuple[Rows, Rows]) -> Tensor:
            support, query = task
            end = descend(body, self.layout, start, support, self.loss, rates, centred=self.centred).points[
                -1
            ]
            around = support if self.centred else None
            return loss_and_gradient(
                body, self.layout, end, query, self.loss, around=around, differentiate=False
            )[0]

        return torch.stack(self._map(of))

    def losses_and_gradients(self, start: Tensor, *, learn_rates: bool) -> Found:
        """Losses and their gradients, by one pass over the queries.

        Args:
            start: Where every task starts.
            learn_rates: Whether the rates' gradients are wanted too.
        """
        rates = self.plan.vectors(self.layout, start)

        def of(body: Body, task: tuple[Rows, Rows]) -> tuple[Tensor, Tensor, list[Tensor]]:
            support, query = task
            shared, around = (body, self.layout), support if self.centred else None
            descent = descend(
                *shared, start, support, self.loss, rates, centred=self.centred, keep_gradients=learn_rates
            )
            value, gradient = loss_and_gradient(*shared, descent.points[-1], query, self.loss, around=around)
            d_start, by_step = sweep_back(
                *shared,
                descent,
                support,
                self.loss,
                rates,
                gradient,
                first_order=self.first_order,
                centred=self.centred,
            )
            return value, d_start, self.plan.gradients(self.layout, by_step) if learn_rates else []

        losses, starts, by_rate = zip(*self._map(of), strict=True)
        return Found(
            torch.stack(losses),
            torch.stack(starts),
            [torch.stack(each) for each in zip(*by_rate, strict=True)],
        )

    def _map(self, function: Callable[[Body, tuple[Rows, Rows]], _T]) -> list[_T]:
        """``function(body, task)`` for every task, in order."""
        threads = torch.get_num_threads()
        workers = min(threads, len(self.tasks))
        if workers == 1:
            with torch.no_grad():
                body = self.make_body()
                return [function(body, task) for task in self.tasks]
        bodies: SimpleQueue[Body] = SimpleQueue()
        for _ in range(workers):
            bodies.put(self.make_body())

        def with_a_body(task: tuple[Rows, Rows]) -> _T:
            body = bodies.get()
            try:
                with torch.no_grad():
                    return function(body, task)
            finally:
                bodies.put(body)

        try:
            # One task per thread; PyTorch's own threads within each would only stand in each other's way.
            with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                return list(pool.map(with_a_body, self.tasks))
        finally:
            torch.set_num_threads(threads)  # the number for threads to come, which the workers changed
