"""Floating-point operations of one meta-gradient, by the formulas of docs/complexity.md."""

from __future__ import annotations

from common.workloads import HIDDEN, Workload

__all__ = ["operations"]


def operations(name: str, workload: Workload) -> float:
    """Multiplications and additions in matrix products and convolutions.

    Args:
        name: Contestant: ``plain loop``, ``ours`` (constant input) or one of the sweeps.
        workload: Shapes.
    """
    support, query = workload.shots * workload.ways, workload.queries * workload.ways
    first, rest = _forward(workload)
    if name == "plain loop":
        step, last = support * (4 * first + 9 * rest), query * (2 * first + 3 * rest)
        return float(workload.tasks * (workload.steps * step + last))
    if workload.convolutional:
        step, last = support * (5 * first + 11 * rest), query * (2 * first + 3 * rest)
        return float(workload.tasks * (workload.steps * step + last))
    assert isinstance(workload.inputs, int)
    once = 2 * (support + query) * first + 2 * (support + query) * support * workload.inputs
    step = 4 * support**2 * HIDDEN[0] + 9 * support * rest
    last = query * (4 * support * HIDDEN[0] + 3 * rest)
    return float(workload.tasks * (once + workload.steps * step + last))


def _forward(workload: Workload) -> tuple[int, int]:
    """Operations of one row's way forward: through the first layer, and through all others."""
    if not isinstance(workload.inputs, tuple):
        return 2 * workload.inputs * HIDDEN[0], 2 * (HIDDEN[0] * HIDDEN[1] + HIDDEN[1] * workload.ways)
    channels, height, width = workload.inputs
    filters = workload.filters
    pixels = [(height >> block) * (width >> block) for block in range(4)]
    head = filters * (height // 16) * (width // 16) * workload.ways
    return 18 * channels * filters * pixels[0], 18 * filters**2 * sum(pixels[1:]) + 2 * head
