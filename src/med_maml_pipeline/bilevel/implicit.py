"""Implicit meta-gradients of networks: the inner problem of `proximal`, posed and solved for many tasks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import grad, grad_and_value, vjp, vmap

from med_maml_pipeline.bilevel import conv4
from med_maml_pipeline.bilevel.batch import EpisodeBatch, Labelled
from med_maml_pipeline.bilevel.centring import Rows, centre_in_bias, loss_on
from med_maml_pipeline.bilevel.given_gradients import given_gradients, of_each_task
from med_maml_pipeline.bilevel.inner import InnerLoop, Parameters, Rates, rate_of
from med_maml_pipeline.bilevel.losses import TaskLoss
from med_maml_pipeline.bilevel.proximal import LossAndGradient, Proximal, implicit_gradient, proximal_descent
from med_maml_pipeline.networks.conv import Conv4
from med_maml_pipeline.networks.mlp import MLP

__all__ = ["adapt_proximally", "implicit_query_losses"]

Found = tuple[Tensor, Parameters]
"""Loss and its gradient by name."""


def implicit_query_losses(
    network: nn.Module,
    parameters: Mapping[str, Tensor],
    batch: EpisodeBatch,
    loss: TaskLoss,
    rates: Rates,
    problem: Proximal,
) -> Tensor:
    """Losses ``[t]`` on the queries at the inner solutions; their gradients are the implicit ones.

    Args:
        network: The structure.
        parameters: Where every task starts.
        batch: Support and query sets.
        loss: Loss per task.
        rates: By layer or one for all; they get no gradient.
        problem: Steps, strength.
    """
    parameters, batch = of_each_task(network, parameters, batch)
    plain = {name: value.detach() for name, value in parameters.items()}
    first = {name: value[0] for name, value in plain.items()}
    if conv4.applies(network, first, InnerLoop(problem.steps), batch.support.x):
        on_kernel = conv4.ImplicitTasks(cast(Conv4, network), first, loss, rates, problem)
        each = [on_kernel.loss_and_gradient(batch[t : t + 1]) for t in range(len(batch))]
        values, gradients = _stacked(each)
    else:
        values, gradients = _of_all(network, plain, batch, loss, rates, problem)
    return given_gradients(values, gradients, parameters)


def adapt_proximally(
    network: nn.Module,
    parameters: Mapping[str, Tensor],
    support: Labelled,
    loss: TaskLoss,
    rates: Rates,
    problem: Proximal,
) -> Parameters:
    """Parameters of one task at the inner solution; centring goes into the head's bias.

    Arguments as for `implicit_query_losses`; ``support`` has a leading task dimension of 1.
    """
    plain = {name: value.detach() for name, value in parameters.items()}
    rows = (support.x[0], support.y[0], support.weight[0])

    def on_support(theta: Tensor) -> Tensor:
        return loss_on(network, _named(theta, plain), rows, rows, loss, problem)

    end = proximal_descent(_with_gradient(on_support), _flat(plain), _rates(rates, plain), problem)
    found = _named(end, plain)
    with torch.no_grad():
        return centre_in_bias(network, found, support) if problem.centred else found


def _of_all(
    network: nn.Module,
    parameters: Parameters,
    batch: EpisodeBatch,
    loss: TaskLoss,
    rates: Rates,
    problem: Proximal,
) -> Found:
    """By automatic differentiation.

    Perceptrons, and all on a GPU, go as one program; pictures on a CPU one by one, which is faster there.
    """

    def of_task(start: Parameters, support: Rows, query: Rows) -> Found:
        def on(theta: Tensor, rows: Rows) -> Tensor:
            return loss_on(network, _named(theta, start), rows, support, loss, problem)

        def on_support(theta: Tensor) -> Tensor:
            return on(theta, support)

        metric = _rates(rates, start)
        solution = proximal_descent(_with_gradient(on_support), _flat(start), metric, problem)
        value, v = _with_gradient(lambda theta: on(theta, query))(solution)
        back = vjp(grad(on_support), solution)[1]
        found = implicit_gradient(lambda direction: back(direction)[0], v, metric, problem)
        return value, _named(found, start)

    support, query = _rows(batch.support), _rows(batch.query)
    if isinstance(network, MLP) or batch.support.x.is_cuda:
        together: Found = vmap(of_task)(parameters, support, query)
        return together
    return _stacked(
        [
            of_task(
                {name: value[t] for name, value in parameters.items()},
                (support[0][t], support[1][t], support[2][t]),
                (query[0][t], query[1][t], query[2][t]),
            )
            for t in range(len(batch))
        ]
    )


def _with_gradient(loss: Callable[[Tensor], Tensor]) -> LossAndGradient:
    both = grad_and_value(loss)

    def of(theta: Tensor) -> tuple[Tensor, Tensor]:
        gradient, value = both(theta)
        return value, gradient

    return of


def _rows(rows: Labelled) -> Rows:
    return rows.x, rows.y, rows.weight


def _stacked(each: list[Found]) -> Found:
    values, gradients = zip(*each, strict=True)
    return torch.stack(values), {name: torch.stack([own[name] for own in gradients]) for name in gradients[0]}


def _rates(rates: Rates, like: Mapping[str, Tensor]) -> Tensor:
    own = {name: torch.as_tensor(rate_of(rates, name)).detach() for name in like}
    return _flat({name: own[name].to(value).expand(value.shape) for name, value in like.items()})


def _flat(tensors: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors.values()])


def _named(vector: Tensor, like: Mapping[str, Tensor]) -> Parameters:
    pieces = vector.split([math.prod(value.shape) for value in like.values()])
    return {name: piece.reshape(like[name].shape) for name, piece in zip(like, pieces, strict=True)}
