"""Do time and memory of a meta-gradient grow as the formulas say?

Usage: python benchmarks/complexity.py [--quick] [--only NAME] [--write docs/complexity.md]

A perceptron with 2,000 inputs and a Conv-4 on 28×28 pictures; inner steps, shots, ways, meta-batch and
features or pixels are varied one at a time, for the plain loop and for our path. Times in one process with
one thread (medians of interleaved rounds), peak memory growth each in a process of its own. The table gives
slopes per unit (least-squares line), and how many times time and operations (by the formulas) grow from the
smallest to the largest value. Needs Linux. Takes about 8 minutes.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from common.contestants import LABELS
from common.formulas import operations
from common.output import effort, options, save, table
from common.pictures import COLOURS, MARKERS, panels, write_picture
from common.statistics import line
from common.workers import Worker, in_fresh_process, peak_growth, timed
from common.workloads import Workload

PERCEPTRON = Workload("MLP", 2000, 4)
PICTURES = Workload("Conv-4", (1, 28, 28), 2, ways=3, shots=2, queries=5)
VARIABLES: dict[str, tuple[int, ...]] = {
    "steps": (1, 2, 4, 8, 16),
    "shots": (1, 2, 4, 8, 16),
    "ways": (2, 4, 8, 16),
    "tasks": (1, 2, 4, 8, 16),
    "features": (500, 1000, 2000, 4000, 8000),
    "pixels": (16, 32, 48, 64),
}
TITLES = {"steps": "inner steps", "tasks": "meta-batch", "pixels": "pixels of a picture"}
ROUNDS = {"full": 9, "quick": 2, "tiny": 1}


def varied(base: Workload, variable: str, value: int) -> Workload:
    """The workload with one variable at another value; pictures of ``value`` × ``value`` pixels."""
    if variable == "features":
        return replace(base, inputs=value)
    if variable == "pixels":
        return replace(base, inputs=(1, value, value))
    return replace(base, **{variable: value})  # type: ignore[arg-type]


def series(worker: Worker, base: Workload, variable: str, level: str) -> list[dict[str, Any]]:
    """Times, memory and operations along one variable, for the plain loop and our path."""
    values = VARIABLES[variable][: 2 if level == "tiny" else None]
    points = [varied(base, variable, value) for value in values]
    times: dict[tuple[str, int], list[float]] = {
        (n, i): [] for n in ("plain loop", "ours") for i in range(len(points))
    }
    for turn in range(ROUNDS[level] + 1):
        for name, place in times:
            started, ended = worker.call(timed, name, points[place], tuple(range(points[place].tasks)), 1)
            if turn:  # the first round warms up
                times[name, place].append(1000 * (ended - started))
    x = [value**2 for value in values] if variable == "pixels" else list(values)
    rows = []
    for name in ("plain loop", "ours"):
        milliseconds = [statistics.median(times[name, place]) for place in range(len(points))]
        mib = [in_fresh_process(1, peak_growth, name, w, tuple(range(w.tasks))) for w in points]
        counted = [operations(name, w) for w in points]
        rows.append(
            {
                "network": base.name,
                "variable": variable,
                "path": name,
                "values": x,
                "milliseconds": milliseconds,
                "mib": mib,
                "operations": counted,
                "ms_per_unit": line(x, milliseconds)[0],
                "mib_per_unit": line(x, mib)[0],
                "times_as_long": milliseconds[-1] / milliseconds[0],
                "times_as_many_operations": counted[-1] / counted[0],
            }
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and draws."""
    chosen = options(__doc__, arguments)
    pairs = [
        (base, variable)
        for base in (PERCEPTRON, PICTURES)
        for variable in VARIABLES
        if variable != ("features" if base.convolutional else "pixels")
        and (not chosen.only or chosen.only in f"{base.name} {variable}")
    ]
    with Worker(1) as worker:
        rows = [row for pair in pairs for row in series(worker, *pair, effort(chosen))]
    save("complexity", chosen, {"rows": rows}, markdown(rows))
    write_picture(draw(rows), "complexity", chosen)


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """One line per network, variable and path."""
    heads = ("network", "variable", "path", "ms per unit", "MiB per unit", "operations grow", "time grows")
    return table(heads, [_cells(row) for row in rows])


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    values = row["values"]
    return (
        row["network"],
        f"{TITLES.get(row['variable'], row['variable'])}, {values[0]:,}–{values[-1]:,}",
        _path(row),
        f"{row['ms_per_unit']:.3g}",
        f"{row['mib_per_unit']:.2g}",
        f"{row['times_as_many_operations']:.1f}×",
        f"{row['times_as_long']:.1f}×",
    )


def _path(row: dict[str, Any]) -> str:
    if row["path"] == "ours":
        return LABELS["ours"] if row["network"] == "MLP" else "adjoint sweep"
    return str(row["path"])


def draw(rows: Sequence[dict[str, Any]]) -> Any:
    """Rows: time and memory of either network; columns: the variables."""
    networks = list(dict.fromkeys(row["network"] for row in rows))
    columns = max(len({r["variable"] for r in rows if r["network"] == n}) for n in networks)
    figure, axes = panels(2 * len(networks), columns, 9.2, 3.4 * len(networks))
    for block, network in enumerate(networks):
        own = [row for row in rows if row["network"] == network]
        for column, variable in enumerate(dict.fromkeys(row["variable"] for row in own)):
            for at, (field, unit) in enumerate((("milliseconds", "ms"), ("mib", "MiB"))):
                axis = axes[2 * block + at, column]
                for row in (row for row in own if row["variable"] == variable):
                    name = row["path"]
                    axis.plot(
                        row["values"], row[field], color=COLOURS[name], marker=MARKERS[name], markersize=4
                    )
                axis.set_xlim(left=0)
                axis.set_ylim(bottom=0)
                if column == 0:
                    axis.set_ylabel(f"{network}\n{unit}")
                if at:
                    axis.set_xlabel(TITLES.get(variable, variable))
    for name in ("plain loop", "ours"):
        axes[0, 0].plot([], [], color=COLOURS[name], marker=MARKERS[name], label=name)
    figure.legend(loc="outside upper center", ncols=2)
    return figure


if __name__ == "__main__":
    main()
