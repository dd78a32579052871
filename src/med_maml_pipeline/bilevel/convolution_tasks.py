"""The tasks of a batch, one after another or in threads, with the same result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from typing import Literal, TypeVar

import torch
from torch import Tensor

from med_maml_pipeline.bilevel.convolution_body import Body
from med_maml_pipeline.bilevel.convolution_layout import Layout, names_of_block
from med_maml_pipeline.bilevel.convolution_native import NativeBody, native_available
from med_maml_pipeline.bilevel.convolution_rates import RatePlan
from med_maml_pipeline.bilevel.convolution_sweep import Descent, Task, descend, query_outputs, sweep_back
from med_maml_pipeline.bilevel.convolution_torch import TorchBody
from med_maml_pipeline.bilevel.inner import Parameters
from med_maml_pipeline.bilevel.losses import TaskLoss
from med_maml_pipeline.networks.conv import Conv4

__all__ = ["Backend", "TaskGradients", "backend_for"]

Backend = Literal["best", "native", "torch"]
"""Who computes the blocks: the native kernel where it was built and fits, or the one that is named."""

_T = TypeVar("_T")


def backend_for(
    network: Conv4, parameters: Mapping[str, Tensor], rows: int, backend: Backend
) -> tuple[Callable[[], Body], tuple[int, ...]]:
    """A maker of bodies for support sets of ``rows`` pictures, and the order in which they hold weights."""
    bias = parameters[names_of_block(0)[1]]
    width, dtype = len(bias), bias.dtype
    if backend == "native" or (backend == "best" and native_available() and NativeBody.fits(width, dtype)):
        return partial(NativeBody, network, width, dtype, rows), NativeBody.order
    return partial(TorchBody, network, width), TorchBody.order


class TaskGradients:
    """Query outputs of a batch of tasks, then the gradients of their starting point and rates.

    Args:
        layout: Of the parameters.
        make_body: Makes the blocks, one body per thread.
        tasks: The tasks.
        loss: Inner loss.
        plan: Learning rates.
        first_order: Leave the second derivatives out.
    """

    def __init__(
        self,
        layout: Layout,
        make_body: Callable[[], Body],
        tasks: list[Task],
        loss: TaskLoss,
        plan: RatePlan,
        first_order: bool,
    ) -> None:
        self.layout = layout
        self._make_body, self._tasks, self._loss = make_body, tasks, loss
        self._plan, self._first_order = plan, first_order
        self._rates: list[float | Tensor] = []
        self._descents: list[Descent] = []

    def outputs(self, start: Tensor, *, keep_gradients: bool) -> Tensor:
        """Query outputs ``[t, q, c]`` of tasks that all start at ``start``."""
        self._rates = self._plan.vectors(self.layout, start)

        def of(body: Body, task: Task) -> tuple[Descent, Tensor]:
            descent = descend(
                body, self.layout, start, task, self._loss, self._rates, keep_gradients=keep_gradients
            )
            return descent, query_outputs(body, self.layout, descent, task)

        self._descents, outputs = zip(*self._map(of, self._tasks), strict=True)  # type: ignore[assignment]
        return torch.stack(outputs)

    def gradients(self, d_outputs: Tensor) -> tuple[Parameters, list[Tensor | None]]:
        """Gradients of the start by name, and of the tensors among the rates."""

        def of(body: Body, at: int) -> tuple[Tensor, list[Tensor]]:
            return sweep_back(
                body,
                self.layout,
                self._descents[at],
                self._tasks[at],
                self._loss,
                self._rates,
                d_outputs[at],
                first_order=self._first_order,
            )

        starts, by_step = zip(*self._map(of, range(len(self._tasks))), strict=True)
        d_start = self.layout.unpack(_total(starts))
        if not by_step[0]:
            return d_start, [None] * len(self._plan.tensors)
        return d_start, list(
            self._plan.gradients(self.layout, [_total(step) for step in zip(*by_step, strict=True)])
        )

    def _map(self, function: Callable[..., _T], items: Iterable[object]) -> list[_T]:
        """``function(body, item)`` for every item, in order."""
        threads = torch.get_num_threads()
        workers = min(threads, len(self._tasks))
        if workers == 1:
            with torch.no_grad():
                body = self._make_body()
                return [function(body, item) for item in items]
        bodies: SimpleQueue[Body] = SimpleQueue()
        for _ in range(workers):
            bodies.put(self._make_body())

        def with_a_body(item: object) -> _T:
            body = bodies.get()
            try:
                with torch.no_grad():
                    return function(body, item)
            finally:
                bodies.put(body)

        try:
            # One task per thread; PyTorch's own threads within each would only stand in each other's way.
            with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                return list(pool.map(with_a_body, items))
        finally:
            torch.set_num_threads(threads)  # the number for threads to come, which the workers changed


def _total(values: Iterable[Tensor]) -> Tensor:
    """Sum in the order of the tasks, so that it does not depend on the number of threads."""
    first, *rest = values
    total = first.clone()
    for value in rest:
        total += value
    return total
