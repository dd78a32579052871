"""Second-order gradients through networks for pictures, and through batches that are taken apart."""

from __future__ import annotations

import pytest
import torch

from med_maml_pipeline.bilevel import InnerLoop, cross_entropy, huber
from med_maml_pipeline.learners.episode_batches import TypedBatch
from med_maml_pipeline.networks import Conv4, ResNet12
from med_maml_pipeline.tasks.types import TargetType

NETWORKS = {"conv4": Conv4((1, 16, 16), 4, 3), "resnet12": ResNet12((1, 16, 16), 8, 3)}


def _gradient(function, leaves):
    return torch.cat([g.reshape(-1) for g in torch.autograd.grad(function(leaves), tuple(leaves.values()))])


def _along(function, leaves, direction, step):
    """Central difference of fourth order."""

    def at(distance):
        moved = {n: (v.detach() + distance * direction[n]).requires_grad_() for n, v in leaves.items()}
        return function(moved).item()

    return (at(-2 * step) - 8 * at(-step) + 8 * at(step) - at(2 * step)) / (12 * step)


def _directions(leaves, number):
    generator = torch.Generator().manual_seed(2)
    for _ in range(number):
        yield {n: torch.randn(v.shape, generator=generator, dtype=torch.float64) for n, v in leaves.items()}


def test_resnet_matches_finite_differences_to_1e_5(episodes, parameters, meta_loss):
    network = NETWORKS["resnet12"]
    batch, leaves = episodes((2, 1, 16, 16)), parameters(network)

    def function(p):
        return meta_loss(network, p, batch, cross_entropy, 0.05, InnerLoop(2))

    gradient = _gradient(function, leaves)
    wanted, got = [], []
    for direction in _directions(leaves, 6):
        flat = torch.cat([direction[name].reshape(-1) for name in leaves])
        got.append((gradient @ flat).item())
        # Steps short enough that no unit or pooling switches between the four points.
        wanted.append(_along(function, leaves, direction, 1e-7))
    wanted, got = torch.tensor(wanted), torch.tensor(got)
    assert ((wanted - got).norm() / wanted.norm()).item() < 1e-5


def test_the_second_order_of_resnet_is_no_trifle(episodes, parameters, meta_loss):
    """Else the gate above would say nothing of it."""
    network = NETWORKS["resnet12"]
    batch, leaves = episodes((2, 1, 16, 16)), parameters(network)
    exact, shortcut = (
        _gradient(
            lambda p, first_order=first_order: meta_loss(
                network, p, batch, cross_entropy, 0.05, InnerLoop(2, first_order=first_order)
            ),
            leaves,
        )
        for first_order in (False, True)
    )
    assert ((exact - shortcut).norm() / exact.norm()).item() > 1e-3


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_tasks_one_at_a_time_give_the_gradient_of_the_whole_batch(name, episodes, parameters, meta_loss):
    network = NETWORKS[name]
    batch, leaves = episodes((3, 1, 16, 16)), parameters(network)
    whole = TypedBatch(TargetType.MULTICLASS, 3, batch)
    parts = list(whole.chunks(1))
    assert [len(part) for part in parts] == [1, 1, 1]
    assert all(part.n_classes == 3 and part.target_type is TargetType.MULTICLASS for part in parts)

    def of(episode_batch):
        return _gradient(
            lambda p: meta_loss(network, p, episode_batch, cross_entropy, 0.05, InnerLoop(2)), leaves
        )

    together, apart = of(whole.episodes), sum(of(part.episodes) for part in parts)
    assert ((together - apart).norm() / together.norm()).item() < 1e-12


def test_parts_of_a_batch_keep_rows_labels_and_weights(episodes):
    batch = TypedBatch(TargetType.REGRESSION, 0, episodes((2, 5), classes=0))
    for number, part in enumerate(batch.chunks(1)):
        for whole, own in (
            (batch.episodes.support, part.episodes.support),
            (batch.episodes.query, part.episodes.query),
        ):
            for field in ("x", "y", "weight"):
                assert torch.equal(getattr(whole, field)[number : number + 1], getattr(own, field))
    total = sum(
        huber(part.episodes.query.x[..., :1], part.episodes.query.y, part.episodes.query.weight).sum()
        for part in batch.chunks(1)
    )
    query = batch.episodes.query
    assert torch.allclose(total, huber(query.x[..., :1], query.y, query.weight).sum())
