"""ResNet-12 and the choice of a backbone, against the architecture written out and against counts by hand."""

from __future__ import annotations

import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F

from med_maml_pipeline.networks import (
    BACKBONES,
    MLP,
    Conv4,
    Heads,
    ResNet12,
    build_network,
    initial_parameters,
)

torch.set_num_threads(1)


def drawn(network, seed=0, dtype=torch.float64):
    """Parameters away from zero everywhere, so that no part of the network can hide."""
    generator = torch.Generator().manual_seed(seed)
    start = initial_parameters(network, seed, dtype=dtype)
    return {
        name: value + 0.1 * torch.randn(value.shape, generator=generator, dtype=torch.float64).to(dtype)
        for name, value in start.items()
    }


def pictures(n, *shape, seed=0, dtype=torch.float64):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def written_out(p, x, groups=4):
    """Lee et al. (2019), figure of their appendix, with group normalisation: by functions alone."""
    for block in range(4):
        own = {name.removeprefix(f"body.{block}."): v for name, v in p.items() if f"body.{block}." in name}
        shortcut = F.group_norm(
            F.conv2d(x, own["shortcut.0.weight"]),
            groups,
            own["shortcut.1.weight"],
            own["shortcut.1.bias"],
        )
        h = x
        for at in (0, 3, 6):
            h = F.conv2d(h, own[f"path.{at}.weight"], padding=1)
            h = F.group_norm(h, groups, own[f"path.{at + 1}.weight"], own[f"path.{at + 1}.bias"])
            h = F.leaky_relu(h, 0.1) if at < 6 else h
        x = F.max_pool2d(F.leaky_relu(h + shortcut, 0.1), 2)
    return x.mean(dim=(2, 3)) @ p["head.weight"].T + p["head.bias"]


def test_it_is_the_architecture_of_the_literature():
    network = ResNet12((3, 16, 16), 8, 5)
    parameters, x = drawn(network), pictures(3, 3, 16, 16)
    got = functional_call(network, parameters, (x.flatten(1),))
    assert got.shape == (3, 5)
    assert torch.allclose(got, written_out(parameters, x), atol=1e-12)


def test_widths_and_numbers_of_parameters():
    """64 channels give the 12.4 million of the literature: 64, 160, 320, 640."""
    network = ResNet12((3, 84, 84), 64, None)
    widths, entering, expected = (64, 160, 320, 640), (3, 64, 160, 320), 0
    for a, b in zip(entering, widths, strict=True):
        expected += 9 * a * b + 2 * 9 * b * b + a * b + 4 * 2 * b  # three 3×3, one 1×1, four normalisations
    assert sum(parameter.numel() for parameter in network.parameters()) == expected == 12_424_320
    assert network.embedding == 640
    assert sum(isinstance(module, torch.nn.Conv2d) for module in network.modules()) == 16
    with_head = ResNet12((3, 84, 84), 64, 5)
    assert sum(parameter.numel() for parameter in with_head.parameters()) == expected + 641 * 5


@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_a_picture_is_seen_alone_as_in_company(backbone):
    network = build_network(3 * 16 * 16, (3, 16, 16), hidden=(4,), backbone=backbone, filters=8, outputs=4)
    parameters, x = drawn(network), pictures(6, 3 * 16 * 16)
    together = functional_call(network, parameters, (x,))
    alone = torch.cat([functional_call(network, parameters, (row[None],)) for row in x])
    assert torch.allclose(together, alone, atol=1e-12)
    other = functional_call(network, parameters, (torch.cat([x[:1], 100 * x[1:]]),))
    assert torch.allclose(other[:1], together[:1], atol=1e-12)  # whatever the company


@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_only_groups_are_normalised_and_nothing_is_kept_of_a_batch(backbone):
    network = BACKBONES[backbone]((3, 16, 16), 8, 2)
    normalisations = [m for m in network.modules() if "Norm" in type(m).__name__]
    assert {type(module) for module in normalisations} == {torch.nn.GroupNorm}
    assert len(normalisations) == {"conv4": 4, "resnet12": 16}[backbone]
    assert list(network.buffers()) == []
    assert not any(isinstance(module, torch.nn.Dropout) for module in network.modules())


@pytest.mark.parametrize(("side", "cells"), [(16, 1), (32, 4), (47, 4), (64, 16)])
def test_embeddings_of_any_size_of_picture(side, cells):
    conv, residual = Conv4((1, side, side), 8, None), ResNet12((1, side, side), 8, None)
    assert (conv.embedding, residual.embedding) == (8 * cells, 80)
    for network in (conv, residual):
        embedded = functional_call(
            network, initial_parameters(network, 0), (pictures(2, side * side, dtype=torch.float32),)
        )
        assert embedded.shape == (2, network.embedding)


def test_the_structure_holds_no_numbers():
    assert {parameter.device.type for parameter in ResNet12((3, 16, 16), 8, 2).parameters()} == {"meta"}


def test_rows_of_numbers_get_a_perceptron_and_pictures_their_backbone():
    settings = {"hidden": (8, 4), "backbone": "resnet12", "filters": 8, "outputs": 3}
    assert isinstance(build_network(10, None, **settings), MLP)
    assert isinstance(build_network(768, (3, 16, 16), **settings), ResNet12)
    conv = build_network(768, (3, 16, 16), **{**settings, "backbone": "conv4", "outputs": None})
    assert isinstance(conv, Conv4)
    assert isinstance(conv.head, torch.nn.Identity)


@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_heads_fit_where_the_backbone_says(backbone):
    network = BACKBONES[backbone]((1, 16, 16), 8, 1)
    heads = Heads(network.embedding, network.head_path)
    attached = heads.attach({**drawn(network), **heads.initial(dtype=torch.float64)}, "multiclass", 3)
    outputs = functional_call(network, attached, (pictures(4, 256),))
    assert torch.equal(outputs, torch.zeros(4, 3, dtype=torch.float64))  # every class starts alike


def test_what_cannot_be_built():
    settings = {"hidden": (4,), "filters": 8, "outputs": 2}
    with pytest.raises(ValueError, match=r"unknown backbone 'resnet50'; expected one of: conv4, resnet12"):
        build_network(256, (1, 16, 16), backbone="resnet50", **settings)
    with pytest.raises(ValueError, match="16 pixels, got 15"):
        ResNet12((1, 15, 20), 8, 2)
    with pytest.raises(ValueError, match="multiple of 8, got 12"):
        ResNet12((1, 16, 16), 12, 2)
