"""Second-order gradients of `Conv4` on the CPU: an adjoint sweep in place of a differentiated descent.

Automatic differentiation of the inner loop keeps the activations of every step and differentiates
convolutions twice. Here the descent runs without a graph, only the parameters before each step are kept, and
Hessian-vector products written out by hand lead the gradient back. The blocks are computed by the native
kernel where it was built at installation, and by PyTorch elsewhere; both give the reference's gradients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from med_maml_pipeline.bilevel.batch import EpisodeBatch, Labelled
from med_maml_pipeline.bilevel.conv4.layout import Layout
from med_maml_pipeline.bilevel.conv4.rates import RatePlan
from med_maml_pipeline.bilevel.conv4.sweep import Rows, descend
from med_maml_pipeline.bilevel.conv4.tasks import Backend, Work, backend_for
from med_maml_pipeline.bilevel.inner import InnerLoop, Parameters, RatesByStep
from med_maml_pipeline.bilevel.losses import TaskLoss
from med_maml_pipeline.networks.conv import Conv4

__all__ = ["adapt", "applies", "query_losses"]


def applies(network: nn.Module, parameters: Mapping[str, Tensor], loop: InnerLoop, x: Tensor) -> bool:
    """Whether this path gives the reference's result: `Conv4` on the CPU, plain descent, any rates."""
    tensors = [x, *parameters.values()]
    return (
        type(network) is Conv4
        and loop.momentum == 0.0
        and loop.clip is None
        and x.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")  # bfloat16 is for the paths of PyTorch
        and all(tensor.device.type == "cpu" and tensor.dtype == x.dtype for tensor in tensors)
    )


def query_losses(
    network: Conv4,
    parameters: Mapping[str, Tensor],
    batch: EpisodeBatch,
    loss: TaskLoss,
    rates: RatesByStep,
    loop: InnerLoop,
    *,
    backend: Backend = "best",
) -> Tensor:
    """Losses ``[t]`` on the queries after the inner loop, differentiable once.

    Their gradients are computed along with them, so that the queries pass the network once.

    Args:
        network: The structure; the width of the head is that of ``parameters``.
        parameters: Where every task starts.
        batch: Support and query sets, pictures as rows ``[t, n, channels · height · width]``.
        loss: Loss per task: a sum over its rows.
        rates: Learning rates.
        loop: Steps and order; no momentum, no clip.
        backend: ``best`` takes the native kernel where it fits, ``torch`` and ``native`` force one.

    Raises:
        RuntimeError: ``native`` was asked for and was not built or does not fit.
    """
    plan = RatePlan.of(rates, loop.steps)
    make_body, order = backend_for(network, parameters, backend)
    layout = Layout.of(parameters, order)
    tasks = list(zip(_rows(batch.support), _rows(batch.query), strict=True))
    work = Work(layout, make_body, tasks, loss, plan, loop.first_order, loop.centred)
    values = [parameters[name] for name in layout.shapes]
    losses: Tensor = _QueryLosses.apply(work, *values, *plan.tensors)
    return losses


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
        backend: As for `query_losses`.
    """
    make_body, order = backend_for(network, parameters, backend)
    layout = Layout.of(parameters, order)
    (rows,) = _rows(support)
    with torch.no_grad():
        start = layout.pack(parameters)
        by_step = RatePlan.of(rates, loop.steps).vectors(layout, start)
        descent = descend(make_body(), layout, start, rows, loss, by_step, centred=loop.centred)
        found = layout.unpack(descent.points[-1])
        return {
            name: found[name].clone() if name in found else parameters[name].detach().clone()
            for name in parameters
        }


class _QueryLosses(torch.autograd.Function):
    """Connects the sweeps to autograd: inputs are parameters and rates, in the order of ``work``."""

    @staticmethod
    def forward(ctx: Any, work: Work, *tensors: Tensor) -> Tensor:
        n = len(work.layout.shapes)
        start = work.layout.pack(dict(zip(work.layout.shapes, tensors[:n], strict=True)))
        if not any(ctx.needs_input_grad):
            return work.losses(start)
        found = work.losses_and_gradients(start, learn_rates=any(ctx.needs_input_grad[1 + n :]))
        ctx.layout, ctx.n_rates = work.layout, len(work.plan.tensors)
        ctx.save_for_backward(found.start, *found.rates)
        return found.losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_losses: Tensor) -> tuple[Tensor | None, ...]:
        start, *rates = ctx.saved_tensors
        d_start = ctx.layout.unpack(d_losses @ start)
        d_rates = [torch.tensordot(d_losses.to(each.dtype), each, 1) for each in rates]
        return None, *d_start.values(), *(d_rates or [None] * ctx.n_rates)


def _rows(labelled: Labelled) -> list[Rows]:
    return [Rows(*parts) for parts in zip(labelled.x.flatten(2), labelled.y, labelled.weight, strict=True)]
