"""One meta-step on a GPU: ours, replayed as a CUDA graph, and TorchOpt's loop over tasks, interleaved.

Usage: python benchmarks/gpu.py [--repeats 15] [--curve 60]

A meta-step is the gradient of all tasks, its clipping and a step of AdamW, in float32 without TF32. Printed
per workload: medians, kernels and launches per step, the fraction of the measured peak of matrix products
that is achieved, and how far the two loss curves are apart (gradients of nets with ReLU and max-pooling are
ill-conditioned in float32, so curves are compared).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import torch
from common.contestants import TorchOptLoop
from common.workloads import Problem, Workload, problem
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from med_maml_pipeline.bilevel import EpisodeBatch, Labelled, Path, cross_entropy, query_losses
from med_maml_pipeline.learners.devices import arithmetic
from med_maml_pipeline.learners.episode_batches import TypedBatch
from med_maml_pipeline.learners.graphed_step import StaticStep
from med_maml_pipeline.learners.meta_step import EpisodeLosses
from med_maml_pipeline.learners.training_state import TrainingState
from med_maml_pipeline.learners.world import World
from med_maml_pipeline.tasks.types import TargetType

WORKLOADS = (
    Workload("MLP, 1,000 features", 1000, 32),
    Workload("Conv-4, 28x28, 5-way 1-shot", (1, 28, 28), 32, ways=5, shots=1),
)
RATE, MEGA = 1e-3, 1e6
Step = Callable[[], Tensor]
"""Does a meta-step and gives its mean loss, without waiting for it."""


def _leaves(made: Problem, device: str) -> dict[str, Tensor]:
    return {name: leaf.detach().to(device, copy=True).requires_grad_() for name, leaf in made.leaves.items()}


def ours(made: Problem, device: str) -> Step:
    """Rows resident on the device, episodes sent as row numbers, the whole step replayed."""
    leaves, work, n = _leaves(made, device), made.workload, len(made.batch)
    parts = (made.batch.support, made.batch.query)
    matrix = torch.cat([rows.x.flatten(0, 1) for rows in parts]).to(device)
    starts = (0, parts[0].y.numel())
    numbers = [
        torch.arange(rows.y.numel()).view_as(rows.y) + at for rows, at in zip(parts, starts, strict=True)
    ]
    sent = [Labelled(own, rows.y, rows.weight) for own, rows in zip(numbers, parts, strict=True)]
    drawn = TypedBatch(TargetType.MULTICLASS, work.ways, EpisodeBatch(*sent))

    def of(batch: TypedBatch) -> Iterator[Tensor]:
        pair = (batch.episodes.support, batch.episodes.query)
        rows = EpisodeBatch(*(Labelled(matrix[own.x], own.y, own.weight) for own in pair))
        yield query_losses(made.network, leaves, rows, cross_entropy, work.rate, work.loop).sum() / n

    losses = EpisodeLosses(lambda step: [drawn], of, lambda: 0)
    step = StaticStep(TrainingState.started(leaves, 0.01), losses, World(), "float32")
    return lambda: step(RATE)


def with_torchopt(made: Problem, device: str) -> Step:
    """TorchOpt's differentiable optimiser, one task after another, on data that lies on the device."""
    module, work, n = made.module.to(device), made.workload, len(made.batch)
    state = TrainingState.started(dict(module.named_parameters()), 0.01)
    pair = (made.batch.support, made.batch.query)
    here = EpisodeBatch(
        *(Labelled(rows.x.to(device), rows.y.to(device), rows.weight.to(device)) for rows in pair)
    )
    loop = TorchOptLoop(module, work.rate)
    for group in state.optimiser.param_groups:
        group["lr"] = torch.tensor(RATE, device=device) if isinstance(group["lr"], Tensor) else RATE

    def step() -> Tensor:
        state.optimiser.zero_grad(set_to_none=True)
        total = loop.backward(here, work.steps, 1 / n)
        torch.nn.utils.clip_grad_norm_(list(state.parameters.values()), 10.0)
        state.optimiser.step()
        return total

    return step


def _seconds(step: Callable[[], object], device: str) -> float:
    """Of one call, until the device has finished."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    started = time.perf_counter()
    step()
    wait()
    return time.perf_counter() - started


def kernels(step: Step) -> tuple[int, int]:
    """Kernels that one step runs on the device, and what the host launches for it (a graph counts once)."""
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as watched:
        step()
        torch.cuda.synchronize()
    events = watched.events()
    run = [event for event in events if event.device_type == torch.autograd.DeviceType.CUDA]
    launched = [
        event for event in events if event.name.startswith(("cudaLaunch", "cudaGraphLaunch", "cuLaunch"))
    ]
    return len(run), len(launched)


def matmul_peak(device: str, size: int = 8192) -> float:
    """Floating-point operations per second of a large float32 product."""
    a, b = (torch.randn(size, size, device=device) for _ in range(2))
    return 2 * size**3 / min(_seconds(lambda: a @ b, device) for _ in range(10))


def needed_flops(made: Problem) -> int:
    """Operations that the products and convolutions of a step need: those of one task, times the tasks."""
    work = made.workload
    path = Path.REFERENCE if work.convolutional else Path.CONSTANT_INPUT
    with FlopCounterMode(display=False) as counter:
        losses = query_losses(
            made.network, made.leaves, made.batch[:1], cross_entropy, work.rate, work.loop, path=path
        )
        losses.sum().backward()
    return len(made.batch) * int(counter.get_total_flops())


def measure(workload: Workload, device: str, repeats: int, curve: int, peak: float) -> None:
    """Prints everything of one workload."""
    made = problem(workload, tuple(range(workload.tasks)))
    steps: dict[str, Step] = {"ours": ours(made, device), "TorchOpt": with_torchopt(made, device)}
    curves = {name: [float(step()) for _ in range(curve)] for name, step in steps.items()}
    apart = max(abs(a - b) / b for a, b in zip(curves["ours"], curves["TorchOpt"], strict=True))
    ends = {name: values[-1] for name, values in curves.items()}
    print(f"{workload.name}: loss {curves['ours'][0]:.4f}, after {curve} steps {ends}: {apart:.1%} apart")
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            times[name].append(_seconds(step, device))
    for name, values in times.items():
        ratio = statistics.median(t / v for t, v in zip(times["TorchOpt"], values, strict=True))
        counts = "{} kernels, {} launches".format(*kernels(steps[name])) if device == "cuda" else "no kernels"
        middle = statistics.median(values)
        print(f"  {name:9} {1000 * middle:9.3f} ms, {ratio:6.2f} times as fast as TorchOpt, {counts}")
    flops = needed_flops(made)
    rate = flops / statistics.median(times["ours"])
    print(f"  ours: {flops / MEGA:.0f} Mflop per step, {rate / peak:.1%} of the measured matmul peak")


def main() -> None:
    """Measures both workloads, or says that there is nothing to measure on."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--curve", type=int, default=60)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device: not measured")
        return
    with arithmetic("float32"):
        peak = matmul_peak("cuda")
        name = torch.cuda.get_device_name()
        print(f"{name}, PyTorch {torch.__version__}: {peak / 1e12:.1f} Tflop/s in float32")
        for workload in WORKLOADS:
            measure(workload, "cuda", options.repeats, options.curve, peak)


if __name__ == "__main__":
    main()
