"""Momentum, clipping and kinds of rates: against PyTorch's and TorchOpt's optimisers, and on every path."""

from __future__ import annotations

import pytest
import torch
import torchopt
from torch.func import functional_call

from med_maml_pipeline.bilevel import (
    InnerLoop,
    Path,
    adapt,
    cross_entropy,
    inner_loop,
    path_for,
    query_outputs,
)
from med_maml_pipeline.networks import MLP, Conv4

NETWORK = MLP(40, (6, 5), 3, layer_norm=True)
LOOPS = {
    "plain": InnerLoop(3),
    "momentum": InnerLoop(4, momentum=0.8),
    "clipped": InnerLoop(3, clip=0.2),
    "clipped momentum": InnerLoop(4, momentum=0.5, clip=0.3),
    "first order": InnerLoop(4, momentum=0.5, clip=0.3, first_order=True),
}


def _draw(shape, generator):
    return (0.02 + 0.2 * torch.rand(shape, generator=generator, dtype=torch.float64)).requires_grad_()


def _rates(kind, leaves):
    generator = torch.Generator().manual_seed(3)
    layers = {name.rpartition(".")[0] for name in leaves}
    per_layer = {layer: _draw((), generator) for layer in sorted(layers)}
    if kind == "one":
        return 0.1
    if kind == "layer":
        return per_layer
    if kind == "step":
        return [{layer: _draw((), generator) for layer in sorted(layers)} for _ in range(4)]
    # One rate for the first layer, a rate for each number of the others.
    own = {name: _draw(value.shape, generator) for name, value in leaves.items() if name.startswith("tail.")}
    return {"first": per_layer["first"], **own}


def _tensors(rates):
    if isinstance(rates, float):
        return []
    if isinstance(rates, list):
        return [value for step in rates for value in step.values()]
    return list(rates.values())


def _gradient(function, wanted):
    found = torch.autograd.grad(function, wanted, allow_unused=True)
    return torch.cat([g.reshape(-1) for g in found if g is not None])


@pytest.mark.parametrize("kind", ["one", "layer", "step", "parameter"])
@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
@pytest.mark.parametrize("path", [Path.CONSTANT_INPUT, Path.CHECKPOINTED])
def test_paths_agree_with_the_reference(path, loop, kind, episodes, parameters, meta_loss):
    batch, leaves = episodes((3, 40)), parameters(NETWORK)
    rates = _rates(kind, leaves)
    wanted = (*leaves.values(), *_tensors(rates)[: None if kind != "step" else 5 * loop.steps])
    fast, plain = (
        _gradient(meta_loss(NETWORK, leaves, batch, cross_entropy, rates, loop, path=own), wanted)
        for own in (path, Path.REFERENCE)
    )
    assert ((fast - plain).norm() / plain.norm()).item() < 1e-10


@pytest.mark.parametrize("loop", [InnerLoop(3), InnerLoop(3, momentum=0.7, clip=0.5)], ids=["plain", "both"])
def test_checkpointed_convolutions_agree_with_the_reference(loop, episodes, parameters, meta_loss):
    network = Conv4((1, 16, 16), 4, 3)
    batch, leaves = episodes((2, 1, 16, 16)), parameters(network)
    lean, plain = (
        _gradient(
            meta_loss(network, leaves, batch, cross_entropy, 0.05, loop, path=path), tuple(leaves.values())
        )
        for path in (Path.CHECKPOINTED, Path.REFERENCE)
    )
    assert ((lean - plain).norm() / plain.norm()).item() < 1e-12


def test_momentum_and_clipping_are_those_of_torch(episodes, parameters):
    batch, leaves = episodes((1, 40)), parameters(NETWORK)
    theirs = {name: value.detach().clone().requires_grad_() for name, value in leaves.items()}
    optimiser = torch.optim.SGD(theirs.values(), lr=0.1, momentum=0.9)

    def loss(p):
        outputs = functional_call(NETWORK, p, (batch.support.x[0],))
        return cross_entropy(outputs, batch.support.y[0], batch.support.weight[0])

    shortened = 0
    for _ in range(6):
        optimiser.zero_grad()
        loss(theirs).backward()
        shortened += int(torch.nn.utils.clip_grad_norm_(theirs.values(), 0.3) > 0.3)
        optimiser.step()
    assert shortened, "a clip that never acts proves nothing"
    loop = InnerLoop(6, momentum=0.9, clip=0.3)
    for path in (Path.REFERENCE, Path.CONSTANT_INPUT):
        ours = adapt(NETWORK, leaves, batch.support, cross_entropy, 0.1, loop, path=path)
        for name, value in ours.items():
            assert torch.allclose(value, theirs[name], atol=1e-6), (path, name)  # torch adds 1e-6 to the norm


def test_the_meta_gradient_through_momentum_is_that_of_torchopt(episodes, parameters, meta_loss):
    batch, leaves = episodes((1, 40)), parameters(NETWORK)
    ours = _gradient(
        meta_loss(NETWORK, leaves, batch, cross_entropy, 0.1, InnerLoop(4, momentum=0.8)),
        tuple(leaves.values()),
    )
    module = MLP(40, (6, 5), 3, layer_norm=True).to_empty(device="cpu").double()
    module.load_state_dict({name: value.detach() for name, value in leaves.items()})
    start = tuple(module.parameters())
    optimiser = torchopt.MetaSGD(module, lr=0.1, momentum=0.8)
    for _ in range(4):
        outputs = module(batch.support.x[0])
        optimiser.step(cross_entropy(outputs, batch.support.y[0], batch.support.weight[0]))
    query = cross_entropy(module(batch.query.x[0]), batch.query.y[0], batch.query.weight[0])
    theirs = _gradient(query, start)
    assert ((ours - theirs).norm() / theirs.norm()).item() < 1e-10


def test_a_clip_that_never_acts_changes_nothing(episodes, parameters):
    batch, leaves = episodes((2, 40)), parameters(NETWORK)
    plain, clipped = (
        query_outputs(NETWORK, leaves, batch, cross_entropy, 0.1, InnerLoop(3, clip=own))
        for own in (None, 1e6)
    )
    assert torch.allclose(plain, clipped, atol=1e-14)


def test_padding_has_no_effect_with_momentum_and_clipping(episodes, parameters):
    batch, leaves = episodes((2, 40)), parameters(NETWORK)
    widen = torch.nn.functional.pad
    wide = type(batch)(
        *(
            type(rows)(widen(rows.x, (0, 0, 0, 3)), widen(rows.y, (0, 3)), widen(rows.weight, (0, 3)))
            for rows in (batch.support, batch.query)
        )
    )
    loop = InnerLoop(4, momentum=0.5, clip=0.3)
    plain, full = (query_outputs(NETWORK, leaves, b, cross_entropy, 0.1, loop) for b in (batch, wide))
    assert torch.allclose(plain, full[:, : plain.shape[1]], atol=1e-12)


def test_the_fast_path_is_taken_where_it_is_exact_only(parameters):
    leaves, loop = parameters(NETWORK), InnerLoop(2)
    x = torch.zeros(1, 5, 40, dtype=torch.float64)

    def path(rates):
        return path_for(NETWORK, leaves, rates, loop, x)

    one = torch.tensor(0.1)
    layers = {name.rpartition(".")[0]: one for name in leaves}
    assert path(0.1) is Path.CONSTANT_INPUT
    assert path(layers) is Path.CONSTANT_INPUT
    assert path({**layers, "tail.head.weight": torch.ones(3, 5)}) is Path.CONSTANT_INPUT
    assert path({**layers, "first": torch.ones(6, 1)}) is Path.REFERENCE
    assert path({**layers, "first.weight": torch.ones(6, 40)}) is Path.REFERENCE
    assert path([0.1, {**layers, "first.bias": one}]) is Path.REFERENCE
    pictures = Conv4((1, 16, 16), 4, 3)
    own = parameters(pictures)
    assert path_for(pictures, own, 0.1, loop, torch.zeros(1, 5, 256, dtype=torch.float64)) is Path.CONVOLUTION
    with_momentum = InnerLoop(2, momentum=0.9)
    assert path_for(pictures, own, 0.1, with_momentum, x) is Path.REFERENCE


def test_rates_by_parameter_in_the_first_layer_take_the_reference_and_work(episodes, parameters):
    batch, leaves = episodes((1, 40)), parameters(NETWORK)
    still = {name: torch.zeros(()) for name in {n.rpartition(".")[0] for n in leaves}}
    rates = {**still, "first.weight": torch.full((6, 40), 0.1, dtype=torch.float64)}
    adapted = adapt(NETWORK, leaves, batch.support, cross_entropy, rates, InnerLoop(2))
    assert {n for n, v in adapted.items() if not torch.equal(v, leaves[n])} == {"first.weight"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": -1}, "inner steps must not be negative, got -1"),
        ({"steps": 1, "momentum": 1.0}, r"momentum must lie in \[0, 1\), got 1.0"),
        ({"steps": 1, "clip": 0.0}, "clip must be positive, got 0.0"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        InnerLoop(**settings)


def test_rates_that_end_too_early_are_refused(episodes, parameters):
    batch, leaves = episodes((1, 40)), parameters(NETWORK)
    with pytest.raises(ValueError, match="rates for 1 inner steps, step 2 has none"):
        query_outputs(NETWORK, leaves, batch, cross_entropy, [0.1], InnerLoop(2))


def test_the_reference_keeps_parameters_that_take_no_step(episodes, parameters):
    leaves = parameters(NETWORK)
    same = inner_loop(lambda p: p["first.bias"].sum(), leaves, 0.1, InnerLoop(0))
    assert all(same[name] is value for name, value in leaves.items())
