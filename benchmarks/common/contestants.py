"""Everybody who computes the meta-gradient: the engine's paths, the plain loop, TorchOpt and higher.

All but the engine's whole-batch paths differentiate one task after another and add up, which takes the least
memory and no more time: each peer is called as its best user would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import cast

import higher
import torch
import torchopt
from torch import Tensor, nn

from common.workloads import Problem, Workload
from med_maml_pipeline.bilevel import EpisodeBatch, Labelled, Path, conv4, cross_entropy, query_losses
from med_maml_pipeline.networks import Conv4

__all__ = ["CONTESTANTS", "LABELS", "OURS", "PEERS", "TorchOptLoop", "contestants_of", "gradients"]

Contestant = Callable[[Problem], Mapping[str, Tensor]]
"""Computes the summed meta-gradient, by the parameters' names."""


def _engine(problem: Problem, *, path: Path | None = None, chunk: int | None = None) -> Mapping[str, Tensor]:
    """The engine, a chunk of tasks after the other (None: all at once)."""
    work = problem.workload
    for part in problem.batch.chunks(chunk or len(problem.batch)):
        losses = query_losses(
            problem.network, problem.leaves, part, cross_entropy, work.rate, work.loop, path=path
        )
        losses.sum().backward()
    return _taken(problem.leaves)


def _convolution(problem: Problem, *, backend: conv4.Backend) -> Mapping[str, Tensor]:
    """The engine's path for Conv-4 by a named backend."""
    work, network = problem.workload, cast(Conv4, problem.network)
    conv4.query_losses(
        network, problem.leaves, problem.batch, cross_entropy, work.rate, work.loop, backend=backend
    ).sum().backward()
    return _taken(problem.leaves)


class TorchOptLoop:
    """TorchOpt's differentiable optimiser (Ren et al. 2023), one task after another.

    Args:
        module: Where every task starts.
        rate: Of the inner loop.
    """

    def __init__(self, module: nn.Module, rate: float) -> None:
        self._module, self._inner = module, torchopt.MetaSGD(module, lr=rate)
        self._start, self._fresh = (
            torchopt.extract_state_dict(one, by="reference") for one in (module, self._inner)
        )

    def backward(self, batch: EpisodeBatch, steps: int, scale: float = 1.0) -> Tensor:
        """Adds the gradients of the query losses times ``scale`` to the module's; their sum."""
        total = torch.zeros((), device=batch.support.x.device)
        for task in batch.chunks(1):
            for _ in range(steps):
                self._inner.step(self._loss(task.support))
            loss = self._loss(task.query) * scale
            loss.backward()
            total += loss.detach()
            torchopt.recover_state_dict(self._module, self._start)
            torchopt.recover_state_dict(self._inner, self._fresh)
        return total

    def _loss(self, rows: Labelled) -> Tensor:
        return cross_entropy(self._module(rows.x[0]), rows.y[0], rows.weight[0])


def _torchopt(problem: Problem) -> Mapping[str, Tensor]:
    work, leaves = problem.workload, dict(problem.module.named_parameters())
    TorchOptLoop(problem.module, work.rate).backward(problem.batch, work.steps)
    return _taken(leaves)


def _higher(problem: Problem) -> Mapping[str, Tensor]:
    """higher's monkey-patched module and optimiser (Grefenstette et al. 2019)."""
    module, work = problem.module, problem.workload
    for task in problem.batch.chunks(1):
        optimiser = torch.optim.SGD(module.parameters(), lr=work.rate)
        with higher.innerloop_ctx(module, optimiser, copy_initial_weights=False, track_higher_grads=True) as (
            patched,
            differentiable,
        ):
            for _ in range(work.steps):
                outputs = patched(task.support.x[0])
                differentiable.step(cross_entropy(outputs, task.support.y[0], task.support.weight[0]))
            cross_entropy(patched(task.query.x[0]), task.query.y[0], task.query.weight[0]).backward()
    return _taken(dict(module.named_parameters()))


CONTESTANTS: dict[str, Contestant] = {
    "ours": _engine,
    "ours, chunks of 4": partial(_engine, chunk=4),
    "ours, PyTorch": partial(_convolution, backend="torch"),
    "ours, native": partial(_convolution, backend="native"),
    "checkpointed": partial(_engine, path=Path.CHECKPOINTED, chunk=1),
    "plain loop": partial(_engine, path=Path.REFERENCE, chunk=1),
    "TorchOpt": _torchopt,
    "higher": _higher,
}

PEERS = ("plain loop", "TorchOpt", "higher")
OURS = ("ours", "ours, native", "ours, PyTorch")

LABELS = {"ours": "constant input", "ours, native": "native kernel", "ours, PyTorch": "sweep in PyTorch"}
"""What the engine's contestants are called in tables: by the path they take."""


def contestants_of(workload: Workload) -> tuple[str, ...]:
    """Whose times are compared on a workload; the native kernel only where it was built."""
    if not workload.convolutional:
        return ("ours", *PEERS)
    native = ("ours, native",) if conv4.native_available() and workload.filters % 16 == 0 else ()
    return (*native, "ours, PyTorch", *PEERS)


def gradients(name: str, problem: Problem) -> Tensor:
    """The meta-gradient of a contestant as one vector in float64, in the order of the parameters' names."""
    found = CONTESTANTS[name](problem)
    return torch.cat([found[parameter].flatten().double() for parameter in sorted(found)])


def _taken(leaves: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Gradients of the leaves, which are left without."""
    found: dict[str, Tensor] = {}
    for name, leaf in leaves.items():
        assert leaf.grad is not None
        found[name], leaf.grad = leaf.grad, None
    return found
