"""Centred features and heads of each task's own: every path against centring by hand, in double precision."""

from __future__ import annotations

import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F

from med_maml_pipeline.bilevel import (
    EpisodeBatch,
    InnerLoop,
    Labelled,
    Path,
    adapt,
    cross_entropy,
    huber,
    query_losses,
)
from med_maml_pipeline.networks import MLP, Conv4

TOLERANCE = 1e-10
PERCEPTRON, PICTURES = lambda outputs: MLP(6, (5, 4), outputs), lambda outputs: Conv4((1, 16, 16), 4, outputs)
PATHS = [
    pytest.param(PERCEPTRON, Path.CONSTANT_INPUT, id="mlp-constant_input"),
    pytest.param(PERCEPTRON, Path.REFERENCE, id="mlp-reference"),
    pytest.param(PERCEPTRON, Path.CHECKPOINTED, id="mlp-checkpointed"),
    pytest.param(PICTURES, Path.CONVOLUTION, id="conv4-convolution"),
    pytest.param(PICTURES, Path.REFERENCE, id="conv4-reference"),
    pytest.param(PICTURES, Path.VMAPPED, id="conv4-vmapped"),
]


def _weighted(rows: Labelled, padded: int) -> Labelled:
    """The last row of the last task is padding."""
    weight = rows.weight.clone()
    weight[-1, rows.y.shape[1] - padded :] = 0
    return Labelled(rows.x, rows.y, weight / weight.sum(1, keepdim=True))


def _by_hand(make, parameters, batch, loss, rate, loop):
    """Losses with features taken out of the network, centred, and put before the head by hand."""
    network, losses = make(None), []
    head = network.head_path

    def outputs(values, x, support):
        trunk = {name: value for name, value in values.items() if not name.startswith(head)}
        seen, asked = (functional_call(network, trunk, (rows,)) for rows in (support.x, x))
        if loop.centred:
            asked = asked - (support.weight.unsqueeze(1) * seen).sum(0)
        return F.linear(asked, values[f"{head}.weight"], values[f"{head}.bias"])

    for t in range(len(batch)):
        support = Labelled(*(part[t] for part in vars(batch.support).values()))
        query = Labelled(*(part[t] for part in vars(batch.query).values()))
        now = {
            n: v[t] if n.startswith(head) and v.dim() > (n.endswith("weight") + 1) else v
            for n, v in parameters.items()
        }
        for _ in range(loop.steps):
            value = loss(outputs(now, support.x, support), support.y, support.weight)
            found = torch.autograd.grad(value, tuple(now.values()), create_graph=not loop.first_order)
            now = {name: v - rate * g for (name, v), g in zip(now.items(), found, strict=True)}
        losses.append(loss(outputs(now, query.x, support), query.y, query.weight))
    return torch.stack(losses)


def _own_heads(network, leaves):
    """A head for each of two tasks in place of the shared one."""
    generator = torch.Generator().manual_seed(4)
    for part in ("weight", "bias"):
        name = f"{network.head_path}.{part}"
        drawn = torch.randn((2, *leaves[name].shape), generator=generator, dtype=torch.float64)
        leaves[name] = drawn.requires_grad_()
    return leaves


@pytest.mark.parametrize(("make", "path"), PATHS)
@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize(("centred", "own"), [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize(("loss", "classes"), [(cross_entropy, 3), (huber, 0)])
def test_losses_and_meta_gradient_equal_those_by_hand(
    episodes, parameters, make, path, first_order, centred, own, loss, classes
):
    network = make(classes or 1)
    batch = episodes((2, 6) if make is PERCEPTRON else (2, 256), classes=classes)
    batch = EpisodeBatch(_weighted(batch.support, 1), _weighted(batch.query, 2))
    leaves = parameters(network)
    leaves = _own_heads(network, leaves) if own else leaves
    loop = InnerLoop(3, first_order=first_order, centred=centred)
    ours = query_losses(network, leaves, batch, loss, 0.05, loop, path=path)
    plain = _by_hand(make, leaves, batch, loss, 0.05, loop)
    assert torch.allclose(ours, plain, rtol=0, atol=TOLERANCE)
    unequal = torch.tensor([1.0, 2.0], dtype=torch.float64)
    got, wanted = (
        torch.cat([g.reshape(-1) for g in torch.autograd.grad(values @ unequal, tuple(leaves.values()))])
        for values in (ours, plain)
    )
    assert ((got - wanted).norm() / wanted.norm()).item() < TOLERANCE


@pytest.mark.parametrize(("make", "path"), [PATHS[0].values, PATHS[1].values, PATHS[3].values])
def test_an_adapted_network_scores_as_it_did_with_centred_features(episodes, parameters, make, path):
    network = make(3)
    batch, leaves = episodes((1, 6) if make is PERCEPTRON else (1, 256)), parameters(network)
    for steps in (0, 2):
        loop = InnerLoop(steps, centred=True)
        adapted = adapt(network, leaves, batch.support, cross_entropy, 0.05, loop, path=path)
        outputs = functional_call(network, adapted, (batch.query.x[0],))
        found = cross_entropy(outputs, batch.query.y[0], batch.query.weight[0])
        expected = _by_hand(make, leaves, batch, cross_entropy, 0.05, loop)[0]
        assert abs(float((found - expected).detach())) < TOLERANCE
