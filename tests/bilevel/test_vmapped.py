"""All tasks as one program: the same gradients as the reference, and nothing that waits for a number."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from med_maml_pipeline.bilevel import (
    EpisodeBatch,
    InnerLoop,
    Labelled,
    Path,
    cross_entropy,
    huber,
    query_losses,
)
from med_maml_pipeline.networks import MLP, Conv4, ResNet12

CONV4, RESNET, PERCEPTRON = (
    Conv4((1, 16, 16), 4, 3),
    ResNet12((1, 16, 16), 8, 3),
    MLP(7, (6, 5), 3, layer_norm=True),
)
LOOPS = {
    "plain": InnerLoop(2),
    "no step": InnerLoop(0),
    "momentum": InnerLoop(3, momentum=0.8),
    "clipped": InnerLoop(2, clip=0.2),
    "first order": InnerLoop(3, momentum=0.5, clip=0.3, first_order=True),
}


def _rates(kind, network):
    generator = torch.Generator().manual_seed(3)
    layers = sorted({name.rpartition(".")[0] for name, _ in network.named_parameters()})

    def draw(shape=()):
        return (0.02 + 0.1 * torch.rand(shape, generator=generator, dtype=torch.float64)).requires_grad_()

    if kind == "one":
        return 0.05
    if kind == "layer":
        return {layer: draw() for layer in layers}
    if kind == "step":
        return [{layer: draw() for layer in layers} for _ in range(3)]
    return {name: draw(value.shape) for name, value in network.named_parameters()}


def _tensors(rates, steps):
    own = rates[:steps] if isinstance(rates, list) else [rates]
    return [value for one in own if isinstance(one, dict) for value in one.values()]


def _gradient(path, network, leaves, batch, loss, rates, loop):
    losses = query_losses(network, leaves, batch, loss, rates, loop, path=path)
    scale = torch.arange(1.0, len(losses) + 1, dtype=torch.float64)  # tasks must not be mixed up
    wanted = (*leaves.values(), *_tensors(rates, loop.steps))
    found = torch.autograd.grad((scale * losses).sum(), wanted, allow_unused=True)
    flat = [torch.zeros_like(w) if g is None else g for w, g in zip(wanted, found, strict=True)]
    return torch.cat([losses.detach(), *(gradient.flatten() for gradient in flat)])


def _difference(network, leaves, batch, loss, rates, loop):
    ours, plain = (
        _gradient(path, network, leaves, batch, loss, rates, loop) for path in (Path.VMAPPED, Path.REFERENCE)
    )
    return ((ours - plain).norm() / plain.norm()).item()


@pytest.mark.parametrize("kind", ["one", "layer", "step", "parameter"])
@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_convolutions_agree_with_the_reference(loop, kind, episodes, parameters):
    batch, leaves = episodes((3, 256)), parameters(CONV4)
    assert _difference(CONV4, leaves, batch, cross_entropy, _rates(kind, CONV4), loop) < 1e-10


@pytest.mark.parametrize("network", [RESNET, PERCEPTRON], ids=["resnet12", "perceptron"])
def test_other_networks_agree_with_the_reference(network, episodes, parameters):
    batch = episodes((3, 7 if network is PERCEPTRON else 256))
    rates = _rates("layer", network)
    assert _difference(network, parameters(network), batch, cross_entropy, rates, InnerLoop(2)) < 1e-10


def test_numeric_targets_agree_with_the_reference(episodes, parameters):
    network = Conv4((1, 16, 16), 4, 1)
    batch, leaves = episodes((2, 256), classes=0), parameters(network)
    assert _difference(network, leaves, batch, huber, 0.05, InnerLoop(2)) < 1e-10


def test_a_lost_second_order_term_would_be_noticed(episodes, parameters):
    batch, leaves = episodes((3, 256)), parameters(CONV4)
    whole, first = (
        _gradient(path, CONV4, leaves, batch, cross_entropy, 0.1, InnerLoop(2, first_order=own))
        for path, own in ((Path.REFERENCE, False), (Path.VMAPPED, True))
    )
    assert ((whole - first).norm() / whole.norm()).item() > 1e-3


def _padded(rows: Labelled, extra: int) -> Labelled:
    x = torch.cat([rows.x, torch.full_like(rows.x[:, :1], 7.0).expand(-1, extra, -1)], 1)
    fill = rows.y.new_zeros(len(rows), extra)
    return Labelled(
        x, torch.cat([rows.y, fill], 1), torch.cat([rows.weight, rows.weight.new_zeros(fill.shape)], 1)
    )


def test_padding_has_no_effect(episodes, parameters):
    batch, leaves, loop = episodes((3, 256)), parameters(CONV4), InnerLoop(2, momentum=0.5, clip=0.3)
    padded = EpisodeBatch(_padded(batch.support, 3), _padded(batch.query, 2))
    plain, wider = (
        _gradient(Path.VMAPPED, CONV4, leaves, own, cross_entropy, 0.05, loop) for own in (batch, padded)
    )
    assert ((plain - wider).norm() / plain.norm()).item() < 1e-12


@pytest.mark.parametrize(("network", "path"), [(PERCEPTRON, Path.CONSTANT_INPUT), (CONV4, Path.VMAPPED)])
def test_no_number_is_waited_for(network, path, episodes, parameters):
    """Tensors of the meta device have no numbers: whatever read or branched on one would raise.

    What never reads a number can be captured as a CUDA graph.
    """
    batch = episodes((3, 7 if network is PERCEPTRON else 256))
    leaves = {name: value.detach().to("meta").requires_grad_() for name, value in parameters(network).items()}
    rates = {
        name: value.detach().to("meta").requires_grad_() for name, value in _rates("layer", network).items()
    }
    there = EpisodeBatch(
        *(
            Labelled(*(part.to("meta") for part in (rows.x, rows.y, rows.weight)))
            for rows in (batch.support, batch.query)
        )
    )
    for loop in (InnerLoop(2), replace(LOOPS["first order"], steps=2)):
        query_losses(network, leaves, there, cross_entropy, rates, loop, path=path).sum().backward()
    assert all(value.grad is not None for value in leaves.values())
