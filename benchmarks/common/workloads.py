"""The meta-learning problems that are timed: random rows with the shapes of the issue's table."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor, nn

from med_maml_pipeline.bilevel import EpisodeBatch, InnerLoop, Labelled
from med_maml_pipeline.networks import MLP, Conv4, initial_parameters

__all__ = ["HIDDEN", "Problem", "Workload", "problem"]

HIDDEN = (128, 64)


@dataclass(frozen=True)
class Workload:
    """One second-order meta-gradient.

    Attributes:
        name: As in the tables.
        inputs: Features of a perceptron, or channels, height and width of pictures for a Conv-4.
        tasks: Meta-batch.
        ways: Classes of a task.
        shots: Support examples of a class.
        queries: Query examples of a class.
        steps: Inner steps of gradient descent with rate 0.1.
        filters: Of each block of the Conv-4.
        activation: Of the perceptron; ReLU is the one that the peers differentiate fastest.
    """

    name: str
    inputs: int | tuple[int, int, int]
    tasks: int
    ways: int = 2
    shots: int = 5
    queries: int = 15
    steps: int = 5
    filters: int = 32
    activation: str = "relu"

    rate = 0.1

    @property
    def convolutional(self) -> bool:
        """Whether the network is a Conv-4."""
        return isinstance(self.inputs, tuple)

    @property
    def loop(self) -> InnerLoop:
        """Settings of the inner loop."""
        return InnerLoop(steps=self.steps)

    def network(self) -> nn.Module:
        """The structure, without numbers."""
        if isinstance(self.inputs, tuple):
            return Conv4(self.inputs, self.filters, self.ways)
        return MLP(self.inputs, HIDDEN, self.ways, self.activation)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Problem:
    """A workload with numbers.

    Attributes:
        workload: Its shapes.
        network: The structure.
        leaves: Parameters where every task starts.
        batch: The episodes.
    """

    workload: Workload
    network: nn.Module
    leaves: dict[str, Tensor]
    batch: EpisodeBatch

    @cached_property
    def module(self) -> nn.Module:
        """An ordinary module with the same numbers, for the peers."""
        made = copy.deepcopy(self.network).to_empty(device="cpu").to(self.batch.support.x.dtype)
        made.load_state_dict({name: leaf.detach() for name, leaf in self.leaves.items()})
        return made


@lru_cache(maxsize=4)
def problem(workload: Workload, tasks: Sequence[int], dtype: torch.dtype = torch.float32) -> Problem:
    """The tasks of these numbers; a task's rows depend on its number alone."""
    network = workload.network()
    start = initial_parameters(network, 0, dtype=dtype)
    leaves = {name: value.requires_grad_() for name, value in start.items()}
    support = _rows(workload, workload.shots, tasks, 0, dtype)
    return Problem(
        workload, network, leaves, EpisodeBatch(support, _rows(workload, workload.queries, tasks, 1, dtype))
    )


def _rows(
    workload: Workload, per_class: int, tasks: Sequence[int], side: int, dtype: torch.dtype
) -> Labelled:
    inputs = workload.inputs
    width = math.prod(inputs) if isinstance(inputs, tuple) else inputs
    scale = 1.0 if isinstance(inputs, tuple) else width**-0.5
    n = per_class * workload.ways
    x = torch.empty(len(tasks), n, width, dtype=dtype)
    for place, task in enumerate(tasks):
        generator = torch.Generator().manual_seed(2 * task + side)
        x[place] = torch.randn(n, width, generator=generator).mul_(scale)
    y = (torch.arange(n) % workload.ways).expand(len(tasks), n)
    return Labelled(x, y, torch.full((len(tasks), n), 1 / n, dtype=dtype))
