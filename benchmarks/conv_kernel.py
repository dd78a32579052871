"""Conv-4's passes on one thread: time, arithmetic rate and share of the machine's peak; whole meta-gradients.

    python benchmarks/conv_kernel.py

Processor time is measured, so that other processes disturb little; contenders take turns and medians are
shown. The peak is that of a large matrix product. "plain" is the reference inner loop.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import functional_call

from med_maml_pipeline.bilevel import conv4
from med_maml_pipeline.bilevel.batch import EpisodeBatch, Labelled
from med_maml_pipeline.bilevel.conv4.layout import Layout
from med_maml_pipeline.bilevel.conv4.native_body import NativeBody
from med_maml_pipeline.bilevel.inner import InnerLoop
from med_maml_pipeline.bilevel.losses import cross_entropy
from med_maml_pipeline.bilevel.reference import inner_loop
from med_maml_pipeline.networks import Conv4, initial_parameters

WAYS, QUERIES, STEPS, FILTERS = 5, 15, 5, 32


def median_ms(function: Callable[[], object], repeats: int) -> float:
    """Median processor time."""
    function()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return 1e3 * statistics.median(times)


def episode(shape: tuple[int, int, int]) -> EpisodeBatch:
    """One task, five ways, one shot."""
    generator = torch.Generator().manual_seed(0)

    def side(shots: int) -> Labelled:
        n = WAYS * shots
        x = torch.randn(1, n, shape[0] * shape[1] * shape[2], generator=generator)
        return Labelled(x, torch.arange(WAYS).repeat(1, shots), torch.full((1, n), 1 / n))

    return EpisodeBatch(side(1), side(QUERIES))


def operations(shape: tuple[int, int, int]) -> tuple[float, float]:
    """Floating-point operations of one picture's convolutions: all, and the first alone."""
    channels, height, width = shape
    counts = []
    for _ in range(4):
        counts.append(2.0 * height * width * 9 * channels * FILTERS)
        channels, height, width = FILTERS, height // 2, width // 2
    return sum(counts), counts[0]


def passes(shape: tuple[int, int, int], start: dict[str, Tensor], batch: EpisodeBatch, peak: float) -> None:
    """The kernel's passes over support and query set."""
    x = batch.support.x[0]
    theta = Layout.of(start, NativeBody.order).pack(start).detach()
    direction = torch.randn_like(theta)
    body = NativeBody(Conv4(shape, FILTERS, WAYS), FILTERS, torch.float32)
    embedding = body.linearise(x, theta)
    every, first = operations(shape)
    # The first block needs no gradient of its input, and its input has no derivative.
    for name, run, n, count in (
        ("forward", lambda: body.forward(x, theta), len(x), every),
        ("backward", lambda: body.backward(theta, embedding), len(x), 2 * every - first),
        ("tangent", lambda: body.tangent(theta, direction), len(x), 2 * every - first),
        (
            "tangent backward",
            lambda: body.tangent_backward(theta, direction, embedding, embedding),
            len(x),
            5 * every - 4 * first,
        ),
    ):
        elapsed = median_ms(run, 30)
        rate = n * count / elapsed / 1e6
        print(f"  {name:18} {elapsed:7.3f} ms {rate:6.1f} GFLOP/s  {rate / peak:4.0%} of peak")


def gradient(
    shape: tuple[int, int, int], start: dict[str, Tensor], batch: EpisodeBatch, way: str
) -> tuple[Tensor, ...]:
    """The meta-gradient of one task."""
    network, support, query, loop = Conv4(shape, FILTERS, WAYS), batch.support, batch.query, InnerLoop(STEPS)
    if way == "plain":

        def on_support(p: dict[str, Tensor]) -> Tensor:
            outputs = functional_call(network, p, (support.x[0],))
            return cross_entropy(outputs, support.y[0], support.weight[0])

        outputs = functional_call(network, inner_loop(on_support, start, 0.1, loop), (query.x[0],))
        losses = cross_entropy(outputs, query.y[0], query.weight[0])
    else:
        losses = conv4.query_losses(network, start, batch, cross_entropy, 0.1, loop, backend=way)
    return torch.autograd.grad(losses.sum(), tuple(start.values()))


def compare(
    shape: tuple[int, int, int], start: dict[str, Tensor], batch: EpisodeBatch, ways: list[str], rounds: int
) -> None:
    """Meta-gradients, in turns; ratios within each round."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            times[way].append(median_ms(lambda way=way: gradient(shape, start, batch, way), 1))
    for way in ways:
        ratio = statistics.median(p / t for p, t in zip(times["plain"], times[way], strict=True))
        print(f"  {way:18} {statistics.median(times[way]):7.1f} ms, plain loop / this: {ratio:.2f}")


def main() -> None:
    """Prints both tables for two sizes of pictures."""
    torch.set_num_threads(1)
    square = torch.randn(1024, 1024)
    peak = 2 * 1024**3 / median_ms(lambda: square @ square, 20) / 1e6
    print(f"matrix product: {peak:.0f} GFLOP/s")
    for shape, rounds in (((1, 28, 28), 11), ((3, 84, 84), 5)):
        start = {
            name: value.requires_grad_()
            for name, value in initial_parameters(Conv4(shape, FILTERS, WAYS), 1).items()
        }
        batch = episode(shape)
        print(f"{shape}, {WAYS} ways, 1 shot, {WAYS * QUERIES} queries, {STEPS} steps")
        ways = ["torch", "plain"]
        if conv4.native_available():
            passes(shape, start, batch, peak)
            ways.insert(0, "native")
        compare(shape, start, batch, ways, rounds)


if __name__ == "__main__":
    main()
