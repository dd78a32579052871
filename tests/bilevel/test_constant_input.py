"""The fast path against the reference: exact in double precision, whatever the network and the padding."""

from __future__ import annotations

import pytest
import torch
from torch.func import functional_call

from med_maml_pipeline.bilevel import (
    EpisodeBatch,
    InnerLoop,
    Labelled,
    adapt,
    cross_entropy,
    huber,
    inner_loop,
    query_outputs,
)
from med_maml_pipeline.networks import MLP

TOLERANCE = 1e-10


def _error(ours, theirs):
    ours, theirs = (torch.cat([value.reshape(-1) for value in values]) for values in (ours, theirs))
    return ((ours - theirs).norm() / theirs.norm()).item()


@pytest.mark.parametrize("activation", ["silu", "relu"])
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("steps", [1, 4])
def test_meta_gradient_equals_the_reference(
    episodes, parameters, meta_loss, plain_meta_loss, activation, layer_norm, first_order, steps
):
    network = MLP(40, (6, 5), 3, activation=activation, layer_norm=layer_norm)
    batch, leaves = episodes((3, 40)), parameters(network)
    fast, plain = (
        torch.autograd.grad(
            of(network, leaves, batch, cross_entropy, 0.1, InnerLoop(steps, first_order=first_order)),
            tuple(leaves.values()),
        )
        for of in (meta_loss, plain_meta_loss)
    )
    assert _error(fast, plain) < TOLERANCE


def test_rates_per_layer_and_regression_equal_the_reference(episodes, parameters, meta_loss, plain_meta_loss):
    network = MLP(40, (6, 5), 1)
    batch, leaves = episodes((3, 40), classes=0), parameters(network)
    layers = {"first": 0.01, "tail.body.1": 0.1, "tail.head": 0.3}
    rates = {k: torch.tensor(v, dtype=torch.float64, requires_grad=True) for k, v in layers.items()}
    wanted = (*leaves.values(), *rates.values())
    fast, plain = (
        torch.autograd.grad(of(network, leaves, batch, huber, rates, InnerLoop(3)), wanted)
        for of in (meta_loss, plain_meta_loss)
    )
    assert _error(fast, plain) < TOLERANCE


def test_padding_has_no_effect(episodes, parameters):
    network = MLP(40, (6, 5), 3)
    batch, leaves = episodes((2, 40)), parameters(network)

    def padded(rows: Labelled, by: int) -> Labelled:
        widen = torch.nn.functional.pad
        return Labelled(widen(rows.x, (0, 0, 0, by)), widen(rows.y, (0, by)), widen(rows.weight, (0, by)))

    wide = EpisodeBatch(padded(batch.support, 3), padded(batch.query, 2))
    plain, full = (query_outputs(network, leaves, b, cross_entropy, 0.1, InnerLoop(3)) for b in (batch, wide))
    assert torch.allclose(plain, full[:, : plain.shape[1]], atol=1e-12)


def test_tasks_of_a_batch_do_not_touch_each_other(episodes, parameters):
    network = MLP(40, (6, 5), 3)
    batch, leaves = episodes((3, 40)), parameters(network)
    together = query_outputs(network, leaves, batch, cross_entropy, 0.1, InnerLoop(3))
    for t in range(3):
        alone = EpisodeBatch(
            *(
                Labelled(rows.x[t : t + 1], rows.y[t : t + 1], rows.weight[t : t + 1])
                for rows in (batch.support, batch.query)
            )
        )
        got = query_outputs(network, leaves, alone, cross_entropy, 0.1, InnerLoop(3))
        assert torch.allclose(got[0], together[t], atol=1e-12)


def test_adapted_parameters_equal_the_reference_and_leave_the_start_alone(episodes, parameters):
    network = MLP(40, (6, 5), 3)
    batch, leaves = episodes((1, 40)), parameters(network)
    kept = {name: value.detach().clone() for name, value in leaves.items()}

    def loss(p):
        outputs = functional_call(network, p, (batch.support.x[0],))
        return cross_entropy(outputs, batch.support.y[0], batch.support.weight[0])

    reference = inner_loop(loss, leaves, 0.1, InnerLoop(7))
    adapted = adapt(network, leaves, batch.support, cross_entropy, 0.1, InnerLoop(7))
    assert set(adapted) == set(reference)
    for name, value in adapted.items():
        assert torch.allclose(value, reference[name], atol=1e-12), name
        assert not value.requires_grad
    for name, value in leaves.items():
        assert torch.equal(value, kept[name])
        assert value.grad is None


def test_adapting_lowers_the_support_loss_monotonically(episodes, parameters):
    network = MLP(40, (6, 5), 3)
    batch, leaves = episodes((1, 40)), parameters(network)
    losses = []
    for steps in (0, 5, 20, 80):
        adapted = adapt(network, leaves, batch.support, cross_entropy, 0.02, InnerLoop(steps))
        outputs = functional_call(network, adapted, (batch.support.x[0],))
        losses.append(cross_entropy(outputs, batch.support.y[0], batch.support.weight[0]).item())
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.5 * losses[0]


def test_a_rate_of_its_own_for_the_first_layer_moves_only_that_layer(episodes, parameters):
    network = MLP(40, (6, 5), 3)
    batch, leaves = episodes((1, 40)), parameters(network)
    rates = {
        name: torch.tensor(rate) for name, rate in (("first", 0.1), ("tail.body.1", 0.0), ("tail.head", 0.0))
    }
    adapted = adapt(network, leaves, batch.support, cross_entropy, rates, InnerLoop(2))
    moved = {name for name, value in adapted.items() if not torch.equal(value, leaves[name])}
    assert moved == {"first.weight", "first.bias"}
