"""How fast is a second-order meta-gradient, against TorchOpt, higher and a plain functional loop?

Usage: python benchmarks/speed.py [--quick] [--only NAME] [--write docs/complexity.md README.md]

First the gradients must agree in float64; then times in float32. Every contestant, ours too, gets the better
of one process with two threads and two processes with one thread that split the meta-batch (their time: from
the start of the first to the end of the last). Processes live through all rounds; a round runs every
contestant once in each arrangement, in random order. Printed are medians over rounds, and the median of the
ratio to the best peer within each round with its 95 % bootstrap interval. Takes about 10 minutes.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from common.contestants import LABELS, OURS, PEERS, contestants_of
from common.output import options, save, table
from common.pictures import COLOURS, logarithmic, panels, write_picture
from common.statistics import median_interval
from common.workers import Worker, agree, in_fresh_process, timed
from common.workloads import Workload

BOUND = 1e-10
LEAST_SECONDS = 0.1
ARRANGEMENTS = ("2 threads", "2 processes")


@dataclass(frozen=True)
class Contest:
    """A workload, its rounds, and how many times the best peer's speed is asked of us (at least, aim)."""

    workload: Workload
    rounds: int
    least: float
    aim: float


CONTESTS = (
    Contest(Workload("MLP 1,000", 1000, 32), 15, 6, 12),
    Contest(Workload("MLP 5,000", 5000, 8), 15, 4, 8),
    Contest(Workload("MLP 20,000", 20000, 8), 11, 9, 15),
    Contest(Workload("Conv-4 28×28×1, 4 tasks", (1, 28, 28), 4, ways=5, shots=1), 11, 1.5, 4),
    Contest(Workload("Conv-4 28×28×1, 32 tasks", (1, 28, 28), 32, ways=5, shots=1), 7, 1.5, 4),
    Contest(Workload("Conv-4 84×84×3, 4 tasks", (3, 84, 84), 4, ways=5, shots=1), 7, 1.2, 3),
)
TINY = (
    Contest(Workload("MLP tiny", 20, 2, queries=2, steps=1), 2, 1, 1),
    Contest(Workload("Conv-4 tiny", (1, 16, 16), 2, shots=1, queries=1, steps=1, filters=16), 2, 1, 1),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and draws."""
    chosen = options(__doc__, arguments)
    contests = [
        c for c in (TINY if chosen.tiny else CONTESTS) if not chosen.only or chosen.only in c.workload.name
    ]
    results = [compete(c, 2 if chosen.quick else c.rounds) for c in contests]
    save("speed", chosen, {"workloads": results}, markdown(results))
    write_picture(draw(results), "speed", chosen)


@dataclass(frozen=True)
class Arena:
    """One process with two threads, and two with one."""

    wide: Worker
    left: Worker
    right: Worker

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator[Arena]:
        """Processes of their own for one contestant: allocators remember who was there before."""
        with Worker(2) as wide, Worker(1) as left, Worker(1) as right:
            yield cls(wide, left, right)

    def seconds(self, arrangement: str, name: str, workload: Workload, calls: int) -> float:
        """Seconds per meta-gradient."""
        tasks = tuple(range(workload.tasks))
        if arrangement == ARRANGEMENTS[0]:
            started, ended = self.wide.call(timed, name, workload, tasks, calls)
            return (ended - started) / calls
        half = len(tasks) // 2
        self.left.ask(timed, name, workload, tasks[:half], calls)
        self.right.ask(timed, name, workload, tasks[half:], calls)
        starts, ends = zip(self.left.answer(), self.right.answer(), strict=True)
        return (max(ends) - min(starts)) / calls


def compete(contest: Contest, rounds: int) -> dict[str, Any]:
    """Agreement, times by round and ratios of one workload.

    Raises:
        SystemExit: two gradients differ.
    """
    workload = contest.workload
    names = contestants_of(workload)
    differences = in_fresh_process(2, agree, names, workload, (0, 1))
    for name, difference in differences.items():
        if not difference <= BOUND:
            raise SystemExit(
                f"{workload.name}: the gradient of {name} differs by {difference:.1e} in float64"
            )
    with ExitStack() as processes:
        arenas = {name: processes.enter_context(Arena.opened()) for name in names}
        times = race(arenas, workload, rounds)
    return {
        "workload": workload.name,
        "least": contest.least,
        "aim": contest.aim,
        "float64_differences": differences,
        "contestants": judged({name: {a: times[name, a] for a in ARRANGEMENTS} for name in names}),
    }


def race(arenas: dict[str, Arena], workload: Workload, rounds: int) -> dict[tuple[str, str], list[float]]:
    """Seconds per meta-gradient and round of every contestant in both arrangements."""
    entries = [(name, arrangement) for name in arenas for arrangement in ARRANGEMENTS]

    def seconds(entry: tuple[str, str], calls: int) -> float:
        name, arrangement = entry
        return arenas[name].seconds(arrangement, name, workload, calls)

    calls = {}
    for entry in entries:
        seconds(entry, 1)  # warms up
        calls[entry] = max(1, round(LEAST_SECONDS / seconds(entry, 1)))
    times: dict[tuple[str, str], list[float]] = {entry: [] for entry in entries}
    order = random.Random(0)
    for _ in range(rounds):
        for entry in order.sample(entries, len(entries)):
            times[entry].append(seconds(entry, calls[entry]))
    return times


def judged(times: dict[str, dict[str, list[float]]]) -> list[dict[str, Any]]:
    """The better arrangement of each contestant, and its ratio to the best peer."""
    better = {
        name: min(by_arrangement, key=lambda a: statistics.median(by_arrangement[a]))  # noqa: B023
        for name, by_arrangement in times.items()
    }
    own = {name: times[name][better[name]] for name in times}
    best = min(PEERS, key=lambda name: statistics.median(own[name]))
    rows = []
    for name, seconds in own.items():
        ratio, low, high = median_interval([p / s for p, s in zip(own[best], seconds, strict=True)])
        rows.append(
            {
                "name": name,
                "arrangement": better[name],
                "milliseconds": 1000 * statistics.median(seconds),
                "best_peer": best,
                "ratio": ratio,
                "interval": [low, high],
                "seconds_by_round": times[name],
            }
        )
    return rows


def markdown(results: Sequence[dict[str, Any]]) -> str:
    """One line per workload and path of ours."""
    lines = []
    for result in results:
        by_name = {row["name"]: row for row in result["contestants"]}
        peers = [f"{by_name[name]['milliseconds']:.4g}" for name in PEERS]
        for name in (name for name in OURS if name in by_name):
            row = by_name[name]
            ratio = f"**{row['ratio']:.1f}×** ({row['interval'][0]:.1f}–{row['interval'][1]:.1f})"
            asked = f"{result['least']:g}× / {result['aim']:g}×"
            lines.append(
                (result["workload"], LABELS[name], f"{row['milliseconds']:.4g}", *peers, ratio, asked)
            )
    heads = (
        "workload",
        "our path",
        "ours, ms",
        *(f"{name}, ms" for name in PEERS),
        "times as fast as the best peer",
    )
    return table([*heads, "asked: at least / aim"], lines)


def draw(results: Sequence[dict[str, Any]]) -> Any:
    """Times of all contestants, workload by workload."""
    figure, axes = panels(1, 1, 9.2, 3.8)
    axis, shown = axes[0, 0], set()
    for place, result in enumerate(results):
        rows = result["contestants"]
        for at, row in enumerate(rows):
            label = LABELS.get(row["name"], row["name"])
            x = place + (at - (len(rows) - 1) / 2) * 0.16
            axis.bar(
                x,
                row["milliseconds"],
                0.15,
                color=COLOURS[row["name"]],
                label=None
                if label in shown
                else label.replace("constant input", "constant input, native kernel"),
            )
            if label == "constant input":
                shown.add("native kernel")
            shown.add(label)
            if row["name"] in OURS:
                axis.annotate(
                    f"{row['ratio']:.1f}×", (x, row["milliseconds"]), ha="center", va="bottom", fontsize=8
                )
    logarithmic(axis)
    axis.set_xticks(
        range(len(results)),
        [
            r["workload"].replace(", ", "\n").replace("4 28", "4\n28").replace("4 84", "4\n84")
            for r in results
        ],
    )
    axis.set_ylabel("ms per meta-gradient")
    axis.grid(axis="x", visible=False)
    figure.legend(loc="outside upper center", ncols=6)
    return figure


if __name__ == "__main__":
    main()
