"""The passes of Conv-4's native kernel on one thread: time, arithmetic rate and share of the machine's peak.

Usage: python benchmarks/conv_kernel.py

Processor time is measured, so that other processes disturb little, and medians are shown. The peak is that of
a large matrix product. Whole meta-gradients are timed by speed.py.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from common.workloads import Workload, problem

from med_maml_pipeline.bilevel import conv4
from med_maml_pipeline.bilevel.conv4.layout import Layout
from med_maml_pipeline.bilevel.conv4.native_body import NativeBody

WORKLOADS = tuple(
    Workload(f"Conv-4 {shape[1]}×{shape[2]}×{shape[0]}, one task", shape, 1, ways=5, shots=1)
    for shape in ((1, 28, 28), (3, 84, 84))
)


def median_ms(function: Callable[[], object], repeats: int) -> float:
    """Median processor time."""
    function()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return 1e3 * statistics.median(times)


def operations(shape: tuple[int, int, int], filters: int) -> tuple[float, float]:
    """Floating-point operations of one picture's convolutions: all, and the first alone."""
    channels, height, width = shape
    counts = []
    for _ in range(4):
        counts.append(2.0 * height * width * 9 * channels * filters)
        channels, height, width = filters, height // 2, width // 2
    return sum(counts), counts[0]


def passes(work: Workload, peak: float) -> None:
    """Prints the kernel's passes over a support set."""
    given = problem(work, (0,))
    x = given.batch.support.x[0]
    theta = Layout.of(given.leaves, NativeBody.order).pack(given.leaves).detach()
    direction = torch.randn_like(theta)
    body = NativeBody(given.network, work.filters, torch.float32)  # type: ignore[arg-type]
    embedding = body.linearise(x, theta)
    every, first = operations(work.inputs, work.filters)  # type: ignore[arg-type]
    # The first block needs no gradient of its input, and its input has no derivative.
    for name, run, count in (
        ("forward", lambda: body.forward(x, theta), every),
        ("backward", lambda: body.backward(theta, embedding), 2 * every - first),
        ("tangent", lambda: body.tangent(theta, direction), 2 * every - first),
        (
            "tangent backward",
            lambda: body.tangent_backward(theta, direction, embedding, embedding),
            5 * every - 4 * first,
        ),
    ):
        elapsed = median_ms(run, 30)
        rate = len(x) * count / elapsed / 1e6
        print(f"  {name:18} {elapsed:7.3f} ms {rate:6.1f} GFLOP/s  {rate / peak:4.0%} of peak")


def main() -> None:
    """Prints the passes for two sizes of pictures, or that there is no kernel."""
    if not conv4.native_available():
        print("the native kernel was not built: install the package with a C++ compiler")
        return
    torch.set_num_threads(1)
    square = torch.randn(1024, 1024)
    peak = 2 * 1024**3 / median_ms(lambda: square @ square, 20) / 1e6
    print(f"matrix product: {peak:.0f} GFLOP/s")
    for work in WORKLOADS:
        print(work.name)
        passes(work, peak)


if __name__ == "__main__":
    main()
