"""Second-order gradients of `Conv4` on the CPU: an adjoint sweep in place of a differentiated descent.

Automatic differentiation of the inner loop keeps the activations of every step and differentiates
convolutions twice. Here the descent runs without a graph, only the parameters before each step are kept, and
Hessian-vector products written out by hand lead the gradient back. The blocks are computed by the native
kernel where it was built at installation, and by PyTorch elsewhere; both give the reference's gradients.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from med_maml_pipeline.bilevel.batch import EpisodeBatch, Labelled
from med_maml_pipeline.bilevel.convolution_layout import Layout
from med_maml_pipeline.bilevel.convolution_rates import RatePlan
from med_maml_pipeline.bilevel.convolution_sweep import Task, descend
from med_maml_pipeline.bilevel.convolution_tasks import Backend, TaskGradients, backend_for
from med_maml_pipeline.bilevel.inner import InnerLoop, Parameters, RatesByStep
from med_maml_pipeline.bilevel.losses import TaskLoss
from med_maml_pipeline.networks.conv import Conv4

__all__ = ["Backend", "adapt", "applies", "query_outputs"]


def applies(network: nn.Module, parameters: Mapping[str, Tensor], loop: InnerLoop, x: Tensor) -> bool:
    """Whether this path gives the reference's result: `Conv4` on the CPU, plain descent, any rates."""
    tensors = [x, *parameters.values()]
    return (
        type(network) is Conv4
        and loop.momentum == 0.0
        and loop.clip is None
        and x.dtype in (torch.float32, torch.float64)
        and all(tensor.device.type == "cpu" and tensor.dtype == x.dtype for tensor in tensors)
    )


def query_outputs(
    network: Conv4,
    parameters: Mapping[str, Tensor],
    batch: EpisodeBatch,
    loss: TaskLoss,
    rates: RatesByStep,
    loop: InnerLoop,
    *,
    backend: Backend = "best",
) -> Tensor:
    """Outputs ``[t, q, c]`` on the queries after the inner loop, differentiable once.

    Args:
        network: The structure; the width of the head is that of ``parameters``.
        parameters: Where every task starts.
        batch: Support and query sets, pictures as rows ``[t, n, channels · height · width]``.
        loss: Inner loss per task.
        rates: Learning rates.
        loop: Steps and order; no momentum, no clip.
        backend: ``best`` takes the native kernel where it fits, ``torch`` and ``native`` force one.

    Raises:
        RuntimeError: ``native`` was asked for and was not built or does not fit.
    """
    plan = RatePlan.of(rates, loop.steps)
    make_body, order = backend_for(network, parameters, batch.support.x.shape[1], backend)
    layout = Layout.of(parameters, order)
    work = TaskGradients(layout, make_body, _tasks(batch), loss, plan, loop.first_order)
    values = [parameters[name] for name in layout.shapes]
    outputs: Tensor = _QueryOutputs.apply(work, *values, *plan.tensors)
    return outputs


def adapt(
    network: Conv4,
    parameters: Mapping[str, Tensor],
    support: Labelled,
    loss: TaskLoss,
    rates: RatesByStep,
    loop: InnerLoop,
    *,
    backend: Backend = "best",
) -> Parameters:
    """Adapts to the support set of one task; the result is detached and shares no memory to write to.

    Args:
        network: The structure.
        parameters: Where the task starts; left as they are.
        support: The support set, with a leading task dimension of 1.
        loss: Loss per task.
        rates: Learning rates.
        loop: Steps; no momentum, no clip.
        backend: As for `query_outputs`.
    """
    make_body, order = backend_for(network, parameters, support.x.shape[1], backend)
    layout = Layout.of(parameters, order)
    task = Task(support.x[0].flatten(1), support.y[0], support.weight[0], support.x[0, :0].flatten(1))
    with torch.no_grad():
        start = layout.pack(parameters)
        by_step = RatePlan.of(rates, loop.steps).vectors(layout, start)
        descent = descend(make_body(), layout, start, task, loss, by_step)
        found = layout.unpack(descent.points[-1])
        return {
            name: found[name].clone() if name in found else parameters[name].detach().clone()
            for name in parameters
        }


class _QueryOutputs(torch.autograd.Function):
    """Connects the sweeps to autograd: inputs are parameters and rates, in the order of ``work``."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, work: TaskGradients, *tensors: Tensor) -> Tensor:
        n = len(work.layout.shapes)
        ctx.work = work  # type: ignore[attr-defined]
        needs = any(ctx.needs_input_grad[1 + n :])  # type: ignore[attr-defined]
        start = work.layout.pack(dict(zip(work.layout.shapes, tensors[:n], strict=True)))
        return work.outputs(start, keep_gradients=needs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: torch.autograd.function.FunctionCtx, d_outputs: Tensor) -> tuple[Tensor | None, ...]:
        d_start, d_rates = ctx.work.gradients(d_outputs)  # type: ignore[attr-defined]
        return None, *d_start.values(), *d_rates


def _tasks(batch: EpisodeBatch) -> list[Task]:
    support = batch.support
    rows = (support.x.flatten(2), support.y, support.weight, batch.query.x.flatten(2))
    return [Task(*parts) for parts in zip(*rows, strict=True)]
