"""Time of one second-order meta-gradient: constant-input path, reference loop and TorchOpt, interleaved.

Usage: python benchmarks/meta_gradient.py [--features 1000 2248] [--tasks 16] [--repeats 9]

All three compute the same gradient: relative differences in float64 come first, then medians in float32
on one thread, and the ratio to TorchOpt within each round.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import torch
import torchopt
from torch import Tensor
from torch.func import functional_call

from med_maml_pipeline.bilevel import EpisodeBatch, Labelled, cross_entropy, inner_loop, query_outputs
from med_maml_pipeline.networks import MLP, initial_parameters

HIDDEN, CLASSES, RATE, STEPS = (128, 64), 2, 0.1, 5
SUPPORT, QUERY = 10, 30
Gradients = tuple[Tensor, ...]


def make_batch(tasks: int, features: int, dtype: torch.dtype) -> EpisodeBatch:
    """Random episodes of 5 + 5 support and 15 + 15 query rows."""
    generator = torch.Generator().manual_seed(0)

    def rows(n: int) -> Labelled:
        x = torch.randn(tasks, n, features, generator=generator, dtype=torch.float64) / features**0.5
        y = (torch.arange(n) % CLASSES).expand(tasks, n)
        return Labelled(x.to(dtype), y, torch.full((tasks, n), 1 / n, dtype=dtype))

    return EpisodeBatch(rows(SUPPORT), rows(QUERY))


def constant_input(network: MLP, leaves: Mapping[str, Tensor], batch: EpisodeBatch) -> Gradients:
    """The path that meta-training takes."""
    outputs = query_outputs(network, leaves, batch, cross_entropy, RATE, steps=STEPS)
    loss = cross_entropy(outputs, batch.query.y, batch.query.weight).sum()
    return torch.autograd.grad(loss, tuple(leaves.values()))


def reference(network: MLP, leaves: Mapping[str, Tensor], batch: EpisodeBatch) -> Gradients:
    """A plain functional loop over tasks."""
    total = torch.zeros((), dtype=batch.support.x.dtype)
    for t in range(len(batch.support.x)):

        def support_loss(parameters: Mapping[str, Tensor], t: int = t) -> Tensor:
            outputs = functional_call(network, dict(parameters), (batch.support.x[t],))
            return cross_entropy(outputs, batch.support.y[t], batch.support.weight[t])

        adapted = inner_loop(support_loss, leaves, RATE, steps=STEPS)
        outputs = functional_call(network, adapted, (batch.query.x[t],))
        total = total + cross_entropy(outputs, batch.query.y[t], batch.query.weight[t])
    return torch.autograd.grad(total, tuple(leaves.values()))


def with_torchopt(network: MLP, leaves: Mapping[str, Tensor], batch: EpisodeBatch) -> Gradients:
    """TorchOpt's differentiable optimiser on a module, one task after another."""
    module = MLP(batch.support.x.shape[-1], HIDDEN, CLASSES).to_empty(device="cpu").to(batch.support.x.dtype)
    module.load_state_dict({name: value.detach() for name, value in leaves.items()})
    start = tuple(module.parameters())
    before = torchopt.extract_state_dict(module, by="reference")
    optimiser = torchopt.MetaSGD(module, lr=RATE)
    fresh = torchopt.extract_state_dict(optimiser, by="reference")
    total = torch.zeros((), dtype=batch.support.x.dtype)
    for t in range(len(batch.support.x)):
        for _ in range(STEPS):
            outputs = module(batch.support.x[t])
            optimiser.step(cross_entropy(outputs, batch.support.y[t], batch.support.weight[t]))
        outputs = module(batch.query.x[t])
        total = total + cross_entropy(outputs, batch.query.y[t], batch.query.weight[t])
        torchopt.recover_state_dict(module, before)
        torchopt.recover_state_dict(optimiser, fresh)
    return torch.autograd.grad(total, start)


PATHS: dict[str, Callable[[MLP, Mapping[str, Tensor], EpisodeBatch], Gradients]] = {
    "constant input": constant_input,
    "reference loop": reference,
    "TorchOpt": with_torchopt,
}


def _inputs(
    network: MLP, tasks: int, features: int, dtype: torch.dtype
) -> tuple[dict[str, Tensor], EpisodeBatch]:
    start = initial_parameters(network, 0, dtype=dtype)
    return {name: value.requires_grad_() for name, value in start.items()}, make_batch(tasks, features, dtype)


def measure(features: int, tasks: int, repeats: int) -> None:
    """Prints agreement and times for one width."""
    network = MLP(features, HIDDEN, CLASSES)
    exact = _inputs(network, tasks, features, torch.float64)
    flat = {name: torch.cat([g.flatten() for g in path(network, *exact)]) for name, path in PATHS.items()}
    for path in ("constant input", "reference loop"):
        error = ((flat[path] - flat["TorchOpt"]).norm() / flat["TorchOpt"].norm()).item()
        print(f"{features} features, float64: {path} against TorchOpt, relative difference {error:.1e}")
    single = _inputs(network, tasks, features, torch.float32)
    seconds: dict[str, list[float]] = {name: [] for name in PATHS}
    for _ in range(repeats + 1):  # the first round warms up
        for name, run in PATHS.items():
            started = time.perf_counter()
            run(network, *single)
            seconds[name].append(time.perf_counter() - started)
    for path, times in seconds.items():
        ratios = [other / own for other, own in zip(seconds["TorchOpt"][1:], times[1:], strict=True)]
        print(
            f"{features} features, {tasks} tasks: {path:15} {1000 * statistics.median(times[1:]):8.1f} ms, "
            f"{statistics.median(ratios):5.2f} times as fast as TorchOpt"
        )


def main() -> None:
    """Measures every width."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=int, nargs="+", default=[1000, 2248])
    parser.add_argument("--tasks", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for features in options.features:
        measure(features, options.tasks, options.repeats)


if __name__ == "__main__":
    main()
