"""Do all ways to the second-order meta-gradient agree? Relative errors in float64: path × reference.

Usage: python benchmarks/gradients.py [--write docs/complexity.md]

Smooth and ReLU perceptrons and a Conv-4, two tasks, five inner steps. Every path of the engine is held
against the plain functional loop, TorchOpt, higher, and central finite differences of fourth order along
four random directions. Takes about half a minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from common.contestants import PEERS, gradients
from common.output import options, save, table
from common.pictures import COLOURS, MARKERS, panels, write_picture
from common.workloads import Problem, Workload, problem
from torch import Tensor

from med_maml_pipeline.bilevel import Path, cross_entropy, query_outputs
from med_maml_pipeline.bilevel.conv4 import native_available

WORKLOADS = (
    Workload("MLP, SiLU", 50, 2, activation="silu"),
    Workload("MLP, ReLU", 50, 2),
    Workload("Conv-4", (1, 16, 16), 2, ways=3, shots=2, queries=2, filters=16),
)
DIFFERENCES = "finite differences"
REFERENCES = (*PEERS, DIFFERENCES)
NAMES = {
    "plain loop": "reference",
    "checkpointed": "checkpointed",
    "ours": "constant input",
    "ours, PyTorch": "convolution (PyTorch)",
    "ours, native": "convolution (native)",
}
DIRECTIONS = 4


def paths_of(workload: Workload) -> tuple[str, ...]:
    """The engine's paths for a network."""
    if not workload.convolutional:
        return ("plain loop", "checkpointed", "ours")
    return ("plain loop", "checkpointed", "ours, PyTorch", *(["ours, native"] if native_available() else []))


def meta_loss(given: Problem, direction: Tensor, distance: float) -> float:
    """Query loss of tasks that start at a distance along a direction, by the plain loop."""
    names = sorted(given.leaves)
    pieces = direction.split([given.leaves[name].numel() for name in names])
    start = {
        name: (given.leaves[name].detach() + distance * piece.view_as(given.leaves[name])).requires_grad_()
        for name, piece in zip(names, pieces, strict=True)
    }
    work, query = given.workload, given.batch.query
    outputs = query_outputs(
        given.network, start, given.batch, cross_entropy, work.rate, work.loop, path=Path.REFERENCE
    )
    return cross_entropy(outputs, query.y, query.weight).sum().item()


def differences(given: Problem, directions: Tensor) -> Tensor:
    """Derivatives of the meta-loss along directions ``[d, p]``, by central differences of fourth order."""
    # ReLU and pooling have kinks: a short way meets few of them, smooth nets bear a long one.
    smooth = given.workload.activation == "silu"
    h = 1e-3 if smooth else 1e-6 if given.workload.convolutional else 1e-5
    found = []
    for direction in directions:
        near = meta_loss(given, direction, h) - meta_loss(given, direction, -h)
        far = meta_loss(given, direction, 2 * h) - meta_loss(given, direction, -2 * h)
        found.append((8 * near - far) / (12 * h))
    return torch.tensor(found, dtype=torch.float64)


def errors(workload: Workload) -> list[dict[str, Any]]:
    """Relative error of each path against each reference."""
    given = problem(workload, tuple(range(workload.tasks)), torch.float64)
    own = {name: gradients(name, given) for name in dict.fromkeys((*paths_of(workload), *PEERS))}
    directions = torch.randn(
        DIRECTIONS, len(own["plain loop"]), generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    directions /= directions.norm(dim=1, keepdim=True)
    by_differences = differences(given, directions)
    rows = []
    for path in paths_of(workload):
        found = {name: own[path].sub(own[name]).norm() / own[name].norm() for name in PEERS if name != path}
        along = directions @ own[path]
        found[DIFFERENCES] = (along - by_differences).norm() / by_differences.norm()
        rows.append(
            {"network": workload.name, "path": path, "error": {name: float(e) for name, e in found.items()}}
        )
    return rows


def draw(rows: Sequence[dict[str, Any]]) -> Any:
    """Errors on a logarithmic axis, a line per path; exact agreement lies at the left end."""
    figure, axes = panels(1, 1, 7.2, 0.35 * len(rows) + 1.1)
    axis = axes[0, 0]
    for name in REFERENCES:
        points = [(max(r["error"][name], 1e-17), y) for y, r in enumerate(rows) if name in r["error"]]
        axis.scatter(
            *zip(*points, strict=True), s=42, c=COLOURS[name], marker=MARKERS[name], label=name, alpha=0.85
        )
    axis.set_yticks(range(len(rows)), [f"{r['network']}: {NAMES[r['path']]}" for r in rows])
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.set_xlabel("relative error of the meta-gradient, float64")
    figure.legend(loc="outside upper center", ncols=4)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and draws."""
    chosen = options(__doc__, arguments)
    workloads = [w for w in WORKLOADS if not chosen.only or chosen.only in w.name]
    rows = [row for workload in workloads for row in errors(workload)]
    cells = (
        (
            r["network"],
            NAMES[r["path"]],
            *(f"{r['error'][n]:.0e}" if n in r["error"] else "–" for n in REFERENCES),
        )
        for r in rows
    )
    save("gradients", chosen, {"rows": rows}, table(["network", "path", *REFERENCES], cells))
    write_picture(draw(rows), "gradients", chosen)


if __name__ == "__main__":
    main()
