"""Small episodes and networks in double precision."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from med_maml_pipeline.bilevel import EpisodeBatch, Labelled, query_outputs
from med_maml_pipeline.networks import initial_parameters

torch.set_num_threads(1)


def make_labelled(shape: tuple[int, ...], n: int, classes: int, generator: torch.Generator) -> Labelled:
    """``shape[0]`` tasks of ``n`` rows of shape ``shape[1:]``; classes 0 gives numeric targets."""
    tasks, *row = shape
    x = torch.randn(tasks, n, *row, generator=generator, dtype=torch.float64)
    numbers = torch.randn(tasks, n, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (tasks, n), generator=generator) if classes else numbers
    return Labelled(x, labels, torch.full((tasks, n), 1 / n, dtype=torch.float64))


@pytest.fixture
def episodes() -> Callable[..., EpisodeBatch]:
    """Builds a batch: ``episodes((tasks, *row), support, query, classes)``."""

    def build(shape: tuple[int, ...], support: int = 5, query: int = 4, classes: int = 3) -> EpisodeBatch:
        generator = torch.Generator().manual_seed(0)
        return EpisodeBatch(
            make_labelled(shape, support, classes, generator), make_labelled(shape, query, classes, generator)
        )

    return build


@pytest.fixture
def parameters() -> Callable[[nn.Module], dict[str, Tensor]]:
    """Leaves for a network, away from zero everywhere, so that no gradient vanishes by symmetry."""

    def draw(network: nn.Module) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(1)
        start = initial_parameters(network, 1, dtype=torch.float64)
        return {
            name: (
                value + 0.1 * torch.randn(value.shape, generator=generator, dtype=torch.float64)
            ).requires_grad_()
            for name, value in start.items()
        }

    return draw


@pytest.fixture
def meta_loss() -> Callable[..., Tensor]:
    """Sum over tasks of the query losses, by the engine."""

    def of(
        network: nn.Module, leaves: dict[str, Tensor], batch: EpisodeBatch, loss, rates, loop, **options
    ) -> Tensor:
        outputs = query_outputs(network, leaves, batch, loss, rates, loop, **options)
        return loss(outputs, batch.query.y, batch.query.weight).sum()

    return of


@pytest.fixture
def plain_meta_loss() -> Callable[..., Tensor]:
    """The same, by the reference inner loop, task by task."""
    from med_maml_pipeline.bilevel import inner_loop

    def of(network: nn.Module, leaves: dict[str, Tensor], batch: EpisodeBatch, loss, rates, loop) -> Tensor:
        total = torch.zeros((), dtype=torch.float64)
        support, query = batch.support, batch.query
        for t in range(len(query.y)):

            def on_support(p: dict[str, Tensor], t: int = t) -> Tensor:
                return loss(functional_call(network, p, (support.x[t],)), support.y[t], support.weight[t])

            adapted = inner_loop(on_support, leaves, rates, loop)
            total = total + loss(
                functional_call(network, adapted, (query.x[t],)), query.y[t], query.weight[t]
            )
        return total

    return of
