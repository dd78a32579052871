"""The picture of the sinusoids: errors step by step, every learner's errors, and two fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from common.pictures import logarithmic, mosaic
from med_maml_pipeline.reports.style import LANE_COLOURS, NEUTRAL, lane_colour
from med_maml_pipeline.reports.wording import learner_label

__all__ = ["draw"]

_LINES = {
    "maml": ("#0072B2", "o"),
    "fomaml": ("#56B4E9", "s"),
    "anil": ("#CC79A7", "D"),
    "boil": ("#8C564B", "v"),
    "meta_sgd": ("#009E73", "P"),
    "maml_pp": ("#1B3A57", "^"),
    "reptile": ("#7570B3", "<"),
    "imaml": ("#D55E00", ">"),
    "fine_tune": ("#E69F00", "*"),
}
"""Colour and marker of a learner's curve: most are of one lane, whose colour would not tell them apart."""
_BROAD = ("maml", "fine_tune")  # drawn with their intervals


def draw(
    curves: Sequence[dict[str, Any]],
    errors: Sequence[dict[str, Any]],
    chance: dict[int, float],
    fits: dict[str, dict[str, Any]],
) -> Any:
    """Errors against gradient steps, fits of one task, errors of every learner.

    Args:
        curves: ``learner, shots, steps, median, low, high``.
        errors: ``learner, lane, shots, median, low, high``.
        chance: Error of the support's mean by ``shots``.
        fits: Learner to ``x``, ``truth``, ``support`` and ``predictions`` by number of steps.
    """
    above = [f"curve {shots}" for shots in chance]
    below = [*(f"fit {name}" for name in fits), *["."] * (len(above) - len(fits))]
    figure, axes = mosaic([[*above, "all"], [*below, "all"]], 14, 8.2, (1, 1, 1.15))
    for shots, value in chance.items():
        _curves(axes[f"curve {shots}"], [c for c in curves if c["shots"] == shots], shots, value)
    for name, fit in fits.items():
        _fit(axes[f"fit {name}"], name, fit)
    _every_learner(axes["all"], errors, chance)
    first = axes[f"curve {min(chance)}"]
    figure.legend(*first.get_legend_handles_labels(), loc="outside upper left", ncols=6)
    return figure


def _curves(axis: Any, rows: Sequence[dict[str, Any]], shots: int, chance: float) -> None:
    for name in dict.fromkeys(row["learner"] for row in rows):
        own = [row for row in rows if row["learner"] == name]
        steps, median = [row["steps"] for row in own], [row["median"] for row in own]
        colour, marker = _LINES.get(name, (NEUTRAL, "."))
        wide = name in _BROAD
        axis.plot(
            steps,
            median,
            color=colour,
            marker=marker,
            ms=8 if marker == "*" else 5,
            lw=2.4 if wide else 1.1,
            label=learner_label(name),
            zorder=3 if wide else 2,
        )
        if wide:
            low, high = ([row[end] for row in own] for end in ("low", "high"))
            axis.fill_between(steps, low, high, color=colour, alpha=0.18, lw=0)
    axis.axhline(chance, color=NEUTRAL, ls="--", lw=1.2, label="Mean of the support")
    logarithmic(axis)
    axis.set_title(f"K = {shots} points per task", loc="left")
    axis.set_xlabel("gradient steps on the support")
    axis.set_ylabel("mean squared error (median of tasks)")


def _fit(axis: Any, name: str, fit: dict[str, Any]) -> None:
    colour = _LINES[name][0]
    axis.plot(fit["x"], fit["truth"], color="#24292f", lw=1.2, label="truth")
    looks = zip(fit["predictions"].items(), (":", "--", "-"), (1.3, 1.5, 2.2), strict=True)
    for (steps, values), dashes, width in looks:
        label = f"{steps} step{'' if steps == 1 else 's'}"
        axis.plot(fit["x"], values, color=colour, ls=dashes, lw=width, label=label)
    axis.plot(*fit["support"], ls="", marker="o", ms=6, mfc="white", mec="#24292f", label="support", zorder=4)
    axis.set_title(f"{learner_label(name)}, one test task", loc="left")
    low, high = min(fit["truth"]), max(fit["truth"])
    axis.set_ylim(low - 0.35 * (high - low), high + 0.75 * (high - low))
    axis.set_xlabel("x")
    axis.legend(loc="upper right", ncols=2, handlelength=2.6)


def _every_learner(axis: Any, errors: Sequence[dict[str, Any]], chance: dict[int, float]) -> None:
    fewest, most = min(chance), max(chance)
    order = sorted((row for row in errors if row["shots"] == most), key=lambda row: row["median"])
    place = {row["learner"]: number for number, row in enumerate(order)}
    for row in errors:
        colour, many = lane_colour(row["lane"]), row["shots"] == most
        y = place[row["learner"]] + (-0.17 if many else 0.17)
        axis.plot([row["low"], row["high"]], [y, y], color=colour, lw=1.4, alpha=0.6)
        axis.plot(row["median"], y, "o", ms=6, mec=colour, mfc=colour if many else "white")
    for shots, dashes in ((fewest, ":"), (most, "--")):
        axis.axvline(chance[shots], color=NEUTRAL, ls=dashes, lw=1.2)
    axis.set_yticks(range(len(order)), [learner_label(row["learner"]) for row in order])
    for label, row in zip(axis.get_yticklabels(), order, strict=True):
        label.set_color(lane_colour(row["lane"]))
    axis.set_ylim(len(order) - 0.4, -0.6)
    logarithmic(axis, "x")
    axis.set_xlabel("mean squared error (median of tasks, 95 % interval)\ngrey lines: mean of the support")
    axis.set_title("Every learner as validation tasks chose", loc="left")
    _legend(axis, [lane for lane in LANE_COLOURS if lane in {row["lane"] for row in errors}], fewest, most)


def _legend(axis: Any, lanes: Sequence[str], fewest: int, most: int) -> None:
    from matplotlib.lines import Line2D

    dot = {"ls": "", "marker": "o", "ms": 6}
    handles = [Line2D([], [], color=lane_colour(lane), label=lane, **dot) for lane in lanes]
    handles += [
        Line2D([], [], color=NEUTRAL, label=f"K = {most}", **dot),
        Line2D([], [], color=NEUTRAL, mfc="white", label=f"K = {fewest}", **dot),
    ]
    axis.legend(handles=handles, loc="lower left", frameon=True, facecolor="white", framealpha=0.9)
