"""How much memory does a second-order meta-gradient take beyond its inputs?

Usage: python benchmarks/memory.py [--quick] [--only NAME] [--write docs/complexity.md README.md]

Peak resident memory minus resident memory before the first gradient; every figure comes from a process of
its own with two threads (median of three processes, with --quick of one). Peers and the plain loop
differentiate one task after another, which is their leanest use. Three parts: all contestants on the
workloads of `speed.py`; the meta-batch growing from 4 to 32, whole and in chunks of 4; inner steps growing
from 1 to 16, with the slope of each path. Needs Linux. Takes about 12 minutes.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from common.contestants import LABELS, OURS, PEERS, contestants_of
from common.output import effort, options, save, table
from common.pictures import COLOURS, MARKERS, logarithmic, panels, write_picture
from common.statistics import line
from common.workers import in_fresh_process, peak_growth
from common.workloads import Workload
from speed import CONTESTS, TINY

STEPS = (1, 2, 4, 8, 16)
TASKS = (4, 8, 16, 32)
PROCESSES = {"full": 3, "quick": 1, "tiny": 1}
PERCEPTRON, PICTURES = CONTESTS[1].workload, CONTESTS[3].workload
SMALL = tuple(contest.workload for contest in TINY)


def growth(name: str, workload: Workload, processes: int) -> float:
    """MiB of one contestant."""
    tasks = tuple(range(workload.tasks))
    return statistics.median(
        in_fresh_process(2, peak_growth, name, workload, tasks) for _ in range(processes)
    )


def by_contestant(workloads: Iterable[Workload], processes: int) -> list[dict[str, Any]]:
    """All contestants on all workloads."""
    return [
        {
            "workload": workload.name,
            "mib": {name: growth(name, workload, processes) for name in contestants_of(workload)},
        }
        for workload in workloads
    ]


def by_tasks(bases: Iterable[Workload], tasks: Sequence[int], processes: int) -> list[dict[str, Any]]:
    """Our own path on growing meta-batches, whole and in chunks."""
    return [
        {
            "workload": base.name.partition(",")[0] if base.convolutional else base.name,
            "tasks": list(tasks),
            "mib": {
                name: [growth(name, replace(base, tasks=n), processes) for n in tasks]
                for name in ("ours", "ours, chunks of 4")
            },
        }
        for base in bases
    ]


def by_steps(bases: Iterable[Workload], steps: Sequence[int], processes: int) -> list[dict[str, Any]]:
    """Every path on one task with growing numbers of inner steps, and its slope in MiB per step."""
    found = []
    for base in bases:
        mib = {
            name: [growth(name, replace(base, tasks=1, steps=n), processes) for n in steps]
            for name in ("plain loop", "checkpointed", *(n for n in OURS if n in contestants_of(base)))
        }
        found.append(
            {
                "workload": base.name.partition(",")[0] if base.convolutional else base.name,
                "steps": list(steps),
                "mib": mib,
                "mib_per_step": {name: line(steps, values)[0] for name, values in mib.items()},
            }
        )
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and draws."""
    chosen = options(__doc__, arguments)
    n = PROCESSES[effort(chosen)]
    given = SMALL if chosen.tiny else tuple(contest.workload for contest in CONTESTS)
    workloads = [workload for workload in given if not chosen.only or chosen.only in workload.name]
    bases = [w for w in (SMALL if chosen.tiny else (PERCEPTRON, PICTURES)) if w in workloads]
    content = {
        "contestants": by_contestant(workloads, n),
        "tasks": by_tasks(bases, (2, 4) if chosen.tiny else TASKS, n),
        "steps": by_steps(bases, (1, 2) if chosen.tiny else STEPS, n),
    }
    save("memory", chosen, content, markdown(content))
    write_picture(draw(content), "memory", chosen)


def markdown(content: dict[str, Any]) -> str:
    """Three tables."""
    heads = ("MiB", "our path", "ours", *PEERS, "of the leanest peer", "asked: at most")
    first = []
    for row in content["contestants"]:
        mib, leanest = row["mib"], min(row["mib"][name] for name in PEERS)
        for name in (name for name in OURS if name in mib):
            peers = (f"{mib[peer]:.0f}" for peer in PEERS)
            share = f"**{100 * mib[name] / leanest:.0f} %**"
            asked = f"{1.5 * leanest + 32:.0f} MiB"
            first.append((row["workload"], LABELS[name], f"{mib[name]:.0f}", *peers, share, asked))
    tables = [table(heads, first)]
    for row in content["tasks"]:
        lines = ((name, *(f"{value:.0f}" for value in values)) for name, values in row["mib"].items())
        tables.append(table((f"{row['workload']}: MiB by tasks", *map(str, row["tasks"])), lines))
    for row in content["steps"]:
        slopes = row["mib_per_step"]
        lines = (
            (
                LABELS.get(name, name),
                *(f"{value:.0f}" for value in values),
                f"{slopes[name]:.2f}",
                f"{100 * slopes[name] / slopes['plain loop']:.0f} %",
            )
            for name, values in row["mib"].items()
        )
        tables.append(
            table(
                (
                    f"{row['workload']}, 1 task: MiB by steps",
                    *map(str, row["steps"]),
                    "per step",
                    "of the plain loop's",
                ),
                lines,
            )
        )
    return "\n\n".join(tables)


def draw(content: dict[str, Any]) -> Any:
    """Above: contestants. Below: growth with the meta-batch and with inner steps."""
    from matplotlib.gridspec import GridSpec
    from matplotlib.lines import Line2D

    figure, axes = panels(1, 1, 9.2, 6.4)
    axes[0, 0].remove()
    lower = [("tasks", row) for row in content["tasks"]] + [("steps", row) for row in content["steps"]]
    grid = GridSpec(2, max(1, len(lower)), figure=figure)
    axis = figure.add_subplot(grid[0, :])
    names: dict[str, None] = {}
    for place, row in enumerate(content["contestants"]):
        for at, (name, mib) in enumerate(row["mib"].items()):
            x = place + (at - (len(row["mib"]) - 1) / 2) * 0.16
            axis.bar(x, mib, 0.15, color=COLOURS[name])
            names[name] = None
    axis.set_xticks(
        range(len(content["contestants"])),
        [r["workload"].replace(", ", "\n") for r in content["contestants"]],
    )
    logarithmic(axis)
    axis.set_ylabel("peak growth, MiB")
    axis.grid(axis="x", visible=False)
    for column, (variable, row) in enumerate(lower):
        axis = figure.add_subplot(grid[1, column])
        for name, mib in row["mib"].items():
            axis.plot(row[variable], mib, color=COLOURS[name], marker=MARKERS[name], markersize=5)
            names[name] = None
        axis.set_title(row["workload"], fontsize=9)
        axis.set_xlabel({"tasks": "meta-batch", "steps": "inner steps, 1 task"}[variable])
        axis.set_ylim(bottom=0)
    shown = {LABELS.get(name, name) if name != "ours" else "ours": name for name in names}
    handles = [Line2D([], [], color=COLOURS[n], marker=MARKERS[n], label=label) for label, n in shown.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure


if __name__ == "__main__":
    main()
