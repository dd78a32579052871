"""The engine's paths on a GPU against the reference on the CPU, in double precision."""

from __future__ import annotations

import pytest
import torch

from med_maml_pipeline.bilevel import (
    EpisodeBatch,
    InnerLoop,
    Labelled,
    Path,
    cross_entropy,
    path_for,
    query_losses,
)
from med_maml_pipeline.networks import MLP, Conv4, ResNet12, initial_parameters

pytestmark = pytest.mark.gpu

NETWORKS = {
    "perceptron": (MLP(40, (16, 8), 3), 40, Path.CONSTANT_INPUT),
    "conv4": (Conv4((1, 16, 16), 4, 3), 256, Path.VMAPPED),
    "resnet12": (ResNet12((1, 16, 16), 8, 3), 256, Path.VMAPPED),
}


def _gradient(network, width, device, path):
    generator = torch.Generator().manual_seed(0)

    def rows(n):
        x = torch.randn(3, n, width, generator=generator, dtype=torch.float64)
        y = torch.randint(3, (3, n), generator=generator)
        weight = torch.full((3, n), 1 / n, dtype=torch.float64)
        return Labelled(x.to(device), y.to(device), weight.to(device))

    batch = EpisodeBatch(rows(6), rows(8))
    start = {
        name: (value + 0.1 * torch.randn(value.shape, generator=generator, dtype=torch.float64)).to(device)
        for name, value in initial_parameters(network, 0, dtype=torch.float64).items()
    }
    leaves = {name: value.requires_grad_() for name, value in start.items()}
    taken = path or path_for(network, leaves, 0.1, InnerLoop(3), batch.support.x)
    losses = query_losses(network, leaves, batch, cross_entropy, 0.1, InnerLoop(3), path=taken)
    found = torch.autograd.grad(losses.sum(), tuple(leaves.values()))
    return torch.cat([gradient.flatten() for gradient in found]).cpu(), taken


@pytest.mark.parametrize(("network", "width", "path"), NETWORKS.values(), ids=NETWORKS)
def test_the_gpus_path_gives_the_cpus_gradient(network, width, path):
    ours, taken = _gradient(network, width, "cuda", None)
    plain, _ = _gradient(network, width, "cpu", Path.REFERENCE)
    assert taken is path
    assert ((ours - plain).norm() / plain.norm()).item() < 1e-8
