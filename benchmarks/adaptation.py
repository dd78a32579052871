"""How long does it take to adapt to one new task: 16 examples, 10 steps?

Usage: python benchmarks/adaptation.py [--quick] [--write docs/complexity.md README.md]

Median and 95th percentile of `bilevel.adapt` on one and on two threads: a perceptron with 1,000 inputs in
float32 and in float64 (which the learners use), and a Conv-4 on 28×28 pictures. Processes are warm; a round
times every case once. Takes about a minute.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from common.output import effort, options, save, table
from common.pictures import COLOURS, panels, write_picture
from common.workers import Worker
from common.workloads import Workload, problem

from med_maml_pipeline.bilevel import adapt, cross_entropy

CASES = (
    ("MLP 1,000, float32", Workload("MLP", 1000, 1, shots=8, steps=10), torch.float32, (20, 5)),
    ("MLP 1,000, float64", Workload("MLP", 1000, 1, shots=8, steps=10), torch.float64, (20, 5)),
    ("Conv-4 28×28×1", Workload("Conv-4", (1, 28, 28), 1, shots=8, steps=10), torch.float32, (60, 20)),
)
ROUNDS = {"full": 300, "quick": 40, "tiny": 2}


def latency(workload: Workload, dtype: torch.dtype) -> float:
    """Milliseconds of one adaptation."""
    given = problem(workload, (0,), dtype)
    started = time.perf_counter()
    adapt(given.network, given.leaves, given.batch.support, cross_entropy, workload.rate, workload.loop)
    return 1000 * (time.perf_counter() - started)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and draws."""
    chosen = options(__doc__, arguments)
    cases = [case for case in CASES if not chosen.only or chosen.only in case[0]]
    times: dict[tuple[str, int], list[float]] = {(case[0], n): [] for case in cases for n in (1, 2)}
    with Worker(1) as one, Worker(2) as two:
        for turn in range(ROUNDS[effort(chosen)] + 1):
            for name, workload, dtype, _ in cases:
                for threads, worker in ((1, one), (2, two)):
                    found = worker.call(latency, workload, dtype)
                    if turn:  # the first round warms up
                        times[name, threads].append(found)
    rows = [
        {
            "case": name,
            "threads": threads,
            "p50_ms": float(np.median(times[name, threads])),
            "p95_ms": float(np.quantile(times[name, threads], 0.95)),
            "most_ms": asked[0],
            "aim_ms": asked[1],
        }
        for name, _, _, asked in cases
        for threads in (1, 2)
    ]
    cells = (
        (
            r["case"],
            r["threads"],
            f"{r['p50_ms']:.1f}",
            f"{r['p95_ms']:.1f}",
            f"{r['most_ms']} / {r['aim_ms']}",
        )
        for r in rows
    )
    heads = ("network", "threads", "p50, ms", "p95, ms", "asked: at most / aim, ms")
    save("adaptation", chosen, {"rows": rows}, table(heads, cells))
    write_picture(draw(rows), "adaptation", chosen)


def draw(rows: Sequence[dict[str, Any]]) -> Any:
    """A bar per case to the median, a whisker to the 95th percentile, marks where they were asked to end."""
    figure, axes = panels(1, 1, 7.2, 0.36 * len(rows) + 1.2)
    axis = axes[0, 0]
    for y, row in enumerate(rows):
        colour = COLOURS["ours" if row["threads"] == 1 else "ours, PyTorch"]
        axis.barh(y, row["p50_ms"], color=colour, height=0.7)
        axis.plot([row["p50_ms"], row["p95_ms"]], [y, y], color="black", linewidth=1.2)
        axis.plot([row["aim_ms"]] * 2, [y - 0.4, y + 0.4], color=COLOURS["TorchOpt"], linewidth=2)
        axis.plot([row["most_ms"]] * 2, [y - 0.4, y + 0.4], color=COLOURS["higher"], linewidth=2)
    axis.plot([], [], color=COLOURS["TorchOpt"], linewidth=2, label="aim")
    axis.plot([], [], color=COLOURS["higher"], linewidth=2, label="at most")
    axis.set_yticks(
        range(len(rows)), [f"{r['case']}, {r['threads']} thread{'s' * (r['threads'] > 1)}" for r in rows]
    )
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    axis.set_xlabel("ms to adapt to one task: median, and line to the 95th percentile")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


if __name__ == "__main__":
    main()
