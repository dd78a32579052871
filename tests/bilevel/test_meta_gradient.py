"""The meta-gradient against finite differences and against another implementation, in double precision."""

from __future__ import annotations

import pytest
import torch
import torchopt
from torch.func import functional_call

from med_maml_pipeline.bilevel import InnerLoop, cross_entropy, huber
from med_maml_pipeline.networks import MLP, Conv4


def _flat(tensors):
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def _derivative(function, leaves, direction, step):
    """Central difference of fourth order along ``direction``."""

    def at(distance):
        moved = {n: (v.detach() + distance * direction[n]).requires_grad_() for n, v in leaves.items()}
        return function(moved).item()

    return (at(-2 * step) - 8 * at(-step) + 8 * at(step) - at(2 * step)) / (12 * step)


def _relative_error(function, leaves, step, n_directions):
    """Over random directions: distance of difference quotients from the gradient's projections."""
    gradient = dict(zip(leaves, torch.autograd.grad(function(leaves), tuple(leaves.values())), strict=True))
    generator = torch.Generator().manual_seed(2)
    wanted, got = [], []
    for _ in range(n_directions):
        direction = {
            n: torch.randn(v.shape, generator=generator, dtype=torch.float64) for n, v in leaves.items()
        }
        got.append(sum((gradient[n] * direction[n]).sum().item() for n in leaves))
        wanted.append(_derivative(function, leaves, direction, step))
    wanted, got = torch.tensor(wanted), torch.tensor(got)
    return ((wanted - got).norm() / wanted.norm()).item()


@pytest.mark.parametrize(("loss", "classes"), [(cross_entropy, 3), (huber, 0)])
def test_smooth_network_matches_finite_differences_to_1e_8(episodes, parameters, meta_loss, loss, classes):
    network = MLP(6, (5, 4), classes or 1)
    batch, leaves = episodes((3, 6), classes=classes), parameters(network)

    def function(p):
        return meta_loss(network, p, batch, loss, 0.3, InnerLoop(3))

    assert _relative_error(function, leaves, step=1e-4, n_directions=20) < 1e-8


def test_first_order_gradients_fail_the_same_gate(episodes, parameters, meta_loss):
    network = MLP(6, (5, 4), 3)
    batch, leaves = episodes((3, 6)), parameters(network)
    exact, shortcut = (
        _flat(
            torch.autograd.grad(
                meta_loss(network, leaves, batch, cross_entropy, 0.3, InnerLoop(3, first_order=first_order)),
                tuple(leaves.values()),
            )
        )
        for first_order in (False, True)
    )
    assert ((exact - shortcut).norm() / exact.norm()).item() > 1e-3


def test_conv_network_matches_finite_differences_to_1e_5(episodes, parameters, meta_loss):
    network = Conv4((1, 16, 16), 4, 3)
    batch, leaves = episodes((2, 1, 16, 16)), parameters(network)

    def function(p):
        return meta_loss(network, p, batch, cross_entropy, 0.05, InnerLoop(2))

    # Steps short enough that no unit or pooling switches between the four points.
    assert _relative_error(function, leaves, step=1e-7, n_directions=8) < 1e-5


@pytest.mark.parametrize("network", [MLP(6, (5, 4), 3), Conv4((1, 16, 16), 4, 3)], ids=["mlp", "conv"])
def test_agrees_with_torchopt_to_1e_10(network, episodes, parameters, meta_loss):
    row = (6,) if isinstance(network, MLP) else (1, 16, 16)
    batch, leaves = episodes((2, *row)), parameters(network)
    ours = torch.autograd.grad(
        meta_loss(network, leaves, batch, cross_entropy, 0.1, InnerLoop(3)), tuple(leaves.values())
    )
    total = [torch.zeros_like(value) for value in leaves.values()]
    for t in range(2):
        # A structure on the meta device cannot be optimised in place: fill a copy with the same numbers.
        module = type(network)(*((6, (5, 4), 3) if isinstance(network, MLP) else ((1, 16, 16), 4, 3)))
        module = module.to_empty(device="cpu").double()
        module.load_state_dict({name: value.detach() for name, value in leaves.items()})
        start = tuple(module.parameters())
        optimiser = torchopt.MetaSGD(module, lr=0.1)
        for _ in range(3):
            outputs = module(batch.support.x[t])
            optimiser.step(cross_entropy(outputs, batch.support.y[t], batch.support.weight[t]))
        query = cross_entropy(module(batch.query.x[t]), batch.query.y[t], batch.query.weight[t])
        for at, gradient in enumerate(torch.autograd.grad(query, start)):
            total[at] += gradient
    assert ((_flat(ours) - _flat(total)).norm() / _flat(total).norm()).item() < 1e-10


def test_gradient_of_learned_rates_matches_finite_differences(episodes, parameters, meta_loss):
    network = MLP(6, (5, 4), 3)
    batch, leaves = episodes((3, 6)), parameters(network)
    layers = ("first", "tail.body.1", "tail.head")
    rates = {layer: torch.tensor(0.2, dtype=torch.float64, requires_grad=True) for layer in layers}

    def function(values):
        return meta_loss(network, leaves, batch, cross_entropy, values, InnerLoop(3))

    assert _relative_error(function, rates, step=1e-4, n_directions=5) < 1e-8


def test_losses_are_weighted_means_as_torch_computes_them():
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    labels = torch.randint(3, (2, 5), generator=generator)
    weights = torch.tensor([[0.2] * 5, [0.5, 0.5, 0.0, 0.0, 0.0]], dtype=torch.float64)
    got = cross_entropy(outputs, labels, weights)
    entropy = torch.nn.functional.cross_entropy
    assert got[0].item() == pytest.approx(entropy(outputs[0], labels[0]).item())
    assert got[1].item() == pytest.approx(entropy(outputs[1, :2], labels[1, :2]).item())
    values = huber(outputs[..., :1], outputs[..., 1], weights)
    plain = torch.nn.functional.huber_loss(outputs[1, :2, 0], outputs[1, :2, 1])
    assert values[1].item() == pytest.approx(plain.item())


def test_no_steps_give_the_start_back(episodes, parameters, meta_loss):
    network = MLP(6, (5,), 3)
    batch, leaves = episodes((2, 6)), parameters(network)
    outputs = functional_call(network, leaves, (batch.query.x,))
    expected = cross_entropy(outputs, batch.query.y, batch.query.weight).sum()
    assert torch.allclose(
        meta_loss(network, leaves, batch, cross_entropy, 0.3, InnerLoop(0)), expected, atol=1e-14
    )
