"""Implicit gradients: the kernel's derivatives and the basis of a task's rows against plain autograd."""

from __future__ import annotations

import pytest
import torch

from med_maml_pipeline.bilevel import Proximal, conv4, cross_entropy, huber, implicit, implicit_query_losses
from med_maml_pipeline.bilevel.proximal import conjugate_gradients, proximal_descent
from med_maml_pipeline.networks import MLP, Conv4


def _both_ways(monkeypatch, plain, network, leaves, batch, loss, problem):
    """Losses and gradients as they come, and with a shortcut taken out."""
    found = []
    for without in (False, True):
        if without:
            monkeypatch.setattr(*plain)
        losses = implicit_query_losses(network, leaves, batch, loss, 0.05, problem)
        gradients = torch.autograd.grad(losses @ torch.tensor([1.0, 2.0]).double(), tuple(leaves.values()))
        found.append(torch.cat([losses.detach(), *(value.reshape(-1) for value in gradients)]))
    return float((found[0] - found[1]).norm() / found[1].norm())


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize(("loss", "classes"), [(cross_entropy, 3), (huber, 0)])
def test_pictures_by_the_kernel_as_by_autograd(monkeypatch, episodes, parameters, centred, loss, classes):
    network = Conv4((1, 16, 16), 4, classes or 1)
    batch, leaves = episodes((2, 256), classes=classes), parameters(network)
    plain = conv4, "applies", lambda *arguments: False
    problem = Proximal(3, 0.3, 4, centred=centred)
    assert _both_ways(monkeypatch, plain, network, leaves, batch, loss, problem) < 1e-10


@pytest.mark.parametrize("centred", [False, True])
def test_wide_perceptrons_in_the_span_of_their_rows_as_in_all_columns(
    monkeypatch, episodes, parameters, centred
):
    network = MLP(40, (6, 5), 3)
    batch, leaves = episodes((2, 40)), parameters(network)

    def of_each(network, shared, batch):
        return {name: value.expand(2, *value.shape) for name, value in shared.items()}, batch

    plain, problem = (implicit, "of_each_task", of_each), Proximal(3, 0.3, 4, centred=centred)
    assert _both_ways(monkeypatch, plain, network, leaves, batch, cross_entropy, problem) < 1e-10


def test_conjugate_gradients_solve_as_a_dense_solver_does():
    root = torch.randn(8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrix, wanted = root @ root.T + torch.eye(8), root[0]
    found = conjugate_gradients(lambda vector: matrix @ vector, wanted, 20)
    torch.testing.assert_close(found, torch.linalg.solve(matrix, wanted), rtol=1e-10, atol=1e-12)


def test_rates_that_are_too_large_do_not_lead_uphill():
    start, rates = torch.full((3,), 2.0, dtype=torch.float64), torch.full((3,), 50.0, dtype=torch.float64)
    end = proximal_descent(lambda phi: (phi @ phi, 2 * phi), start, rates, Proximal(40, 0.1))
    assert float(end @ end) < 1e-3 < float(start @ start)


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_a_strength_beyond_its_range_is_refused(strength):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Proximal(3, strength)
