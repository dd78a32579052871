"""Do the learners do on sinusoids what MAML's paper says, and how well does each of them fit a new one?

Usage: python benchmarks/sinusoid.py [--quick] [--only NAME,NAME] [--write docs/learners.md]

Amplitudes, phases and inputs of Finn et al. (2017, section 5.1), 5 and 10 points of a new sinusoid. Every
learner that is defined for the problem is meta-trained once, with one seed, the networks of the paper (40
and 40 hidden units), 1,000 updates (slow ones: a third) and no tuning but its settings of adaptation, which
validation tasks choose as anywhere. Those that descend on the support are then stopped after 0 to 10 steps,
at the rates that were chosen. Takes 6.5 minutes of CPU time, divided among the cores.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from common.output import machine, options, save, table
from common.pictures import write_picture
from common.sinusoid_picture import draw
from common.sinusoids import Family, sinusoids
from common.statistics import median_interval

from med_maml_pipeline.learners.adaptation import chosen_settings, predict_test_episodes
from med_maml_pipeline.learners.checkpoints import CheckpointKey
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.learners.registry import LANES, LEARNERS, get_learner
from med_maml_pipeline.learners.training import Effort, Trained, meta_train
from med_maml_pipeline.reports.style import lane_rank
from med_maml_pipeline.tasks.types import MetaSplit, Problem

# ProtoMAML is MAML where targets are numbers.
DESCENDING = (*(name for name in LANES["maml"] if name != "protomaml"), "fine_tune")
SLOW = ("reptile", "imaml", "snail", "in_context")
STEPS = range(11)
SHOWN = ("maml", "fine_tune")
SHOWN_STEPS = (0, 1, 10)


@dataclass(frozen=True)
class Size:
    """Number of tasks, updates of a network, and how much validation a learner gets."""

    family: Family
    steps: int
    episodes: int
    settings: int


FULL = Size(Family(), 1000, 25, 6)
QUICK = Size(Family(train=200, validation=10, test=40), 250, 10, 3)
TINY = Size(Family(train=8, validation=2, test=2, rows=16), 2, 2, 1)


def overrides(steps: int) -> dict[str, Settings]:
    """Settings of meta-training by learner: two layers of 40, and never the only input hidden."""
    both, body = {"steps": steps, "hidden": (40, 40)}, {"steps": steps, "hidden": (40,), "embedding": 40}
    found: dict[str, Settings] = dict.fromkeys(LANES["maml"], both)
    found |= dict.fromkeys((*LANES["metric"], *LANES["model"]), {**body, "input_dropout": 0.0})
    found |= dict.fromkeys(LANES["transfer"], {**both, "input_dropout": 0.0})
    # A transformer has other widths; all its updates are on sinusoids.
    found["in_context"] = {"steps": steps, "input_dropout": 0.0, "synthetic_share": 0.0}
    found |= {name: {**found[name], "steps": max(steps // 3, 1)} for name in SLOW}
    return {**found, "prior": both, "prior_residual": both, "untrained": {"hidden": (40, 40)}}


def squared_errors(
    problem: Problem, trained: Sequence[Trained], selection: pd.DataFrame, workers: int
) -> pd.DataFrame:
    """``learner, lane, shots, error``: the mean squared error of each test episode."""
    checkpoints: dict[CheckpointKey, Any] = {each.key: each.checkpoint for each in trained}
    found = predict_test_episodes([problem], checkpoints, selection, workers=workers)
    shots = {episode.episode_id: episode.support_size for episode in problem.episodes}
    found["shots"] = found["episode_id"].map(shots)
    found["error"] = [
        float(np.mean((np.asarray(s, dtype=float) - y) ** 2))
        for s, y in zip(found["scores"], found["y"], strict=True)
    ]
    return found[["learner", "lane", "shots", "error"]]


def after(selection: pd.DataFrame, steps: int) -> pd.DataFrame:
    """The selection with that number of gradient steps in place of the chosen one."""

    def changed(text: str) -> str:
        settings = json.loads(text)
        return json.dumps({**settings, "adapt": {**settings["adapt"], "adapt_steps": steps}})

    return selection.assign(settings=selection["settings"].map(changed))


def summaries(errors: pd.DataFrame, **facts: object) -> Iterator[dict[str, Any]]:
    """Median over tasks with its interval, and mean, by learner and number of points."""
    for (name, lane, shots), part in errors.groupby(["learner", "lane", "shots"], sort=False):
        median, low, high = median_interval(part["error"])
        given = {"learner": name, "lane": lane, "shots": int(shots), **facts}
        yield {**given, "median": median, "low": low, "high": high, "mean": float(part["error"].mean())}


def chance(problem: Problem) -> dict[int, float]:
    """Median error of the support's mean, by number of points."""
    found: dict[int, list[float]] = {}
    for episode in problem.episodes_of(MetaSplit.TEST):
        support, query = problem.draw(episode)
        found.setdefault(episode.support_size, []).append(float(np.mean((query.y - support.y.mean()) ** 2)))
    return {shots: float(np.median(errors)) for shots, errors in found.items()}


def fits(problem: Problem, trained: Mapping[str, Trained], shots: int) -> dict[str, dict[str, Any]]:
    """What learners predict over all of x after some steps, on the test task of median spread."""
    episodes = [e for e in problem.episodes_of(MetaSplit.TEST) if e.support_size == shots]
    episodes.sort(key=lambda e: float(problem.task(e.task_id).y.std()))
    episode = episodes[len(episodes) // 2]
    task = problem.task(episode.task_id)
    support = problem.support(task, episode.support)
    pool = problem.query(task, np.arange(len(task)))
    order = np.argsort(pool.x[:, 0])
    x, truth = pool.x[order], pool.y[order]
    found = {}
    for name in SHOWN:
        if name in trained:
            chosen = trained[name].selection.query("chosen")
            settings = chosen_settings(chosen, name, task.family, task.target_type, shots)
            predictions = {
                steps: get_learner(name).adapt(
                    trained[name].checkpoint, support, {**settings, "adapt_steps": steps}, 0
                )(x)
                for steps in SHOWN_STEPS
            }
            seen = (support.x[:, 0], support.y)
            found[name] = {"x": x[:, 0], "truth": truth, "support": seen, "predictions": predictions}
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, measures, prints and draws."""
    chosen = options(__doc__, arguments)
    size = TINY if chosen.tiny else QUICK if chosen.quick else FULL
    wanted = (chosen.only or "").split(",")
    problem, workers = sinusoids(size.family), 1 if chosen.tiny else machine()["cores"]
    names = [name for name in LEARNERS if any(part in name for part in wanted)]
    effort = Effort(size.episodes, 1, size.settings, overrides(size.steps))
    trained = {each.learner: each for each in meta_train([problem], names, effort, [0], workers=workers)}
    selection = pd.concat([each.selection for each in trained.values()])
    errors = list(summaries(squared_errors(problem, list(trained.values()), selection, workers)))
    descending = [trained[name] for name in DESCENDING if name in trained]
    curves = [
        row
        for steps in (STEPS if descending else ())
        for row in summaries(
            squared_errors(problem, descending, after(selection, steps), workers), steps=steps
        )
    ]
    by_chance = chance(problem)
    content = {"chance": by_chance, "errors": errors, "curves": curves}
    save("sinusoid", chosen, content, markdown(errors, by_chance))
    write_picture(draw(curves, errors, by_chance, fits(problem, trained, max(by_chance))), "sinusoid", chosen)


def markdown(errors: Sequence[dict[str, Any]], by_chance: Mapping[int, float]) -> str:
    """A row per learner, by lane and then from the best: median with its interval, and mean."""
    heads = ["learner", "lane"] + [f"{what}, K = {k}" for k in by_chance for what in ("median MSE", "mean")]
    found = {(row["learner"], row["shots"]): row for row in errors}
    most = max(by_chance)
    order = sorted(
        (row for row in errors if row["shots"] == most), key=lambda r: (lane_rank(r["lane"]), r["median"])
    )
    rows = []
    for row in order:
        cells = (found[row["learner"], shots] for shots in by_chance)
        pairs = ((f"{c['median']:.2f} [{c['low']:.2f}, {c['high']:.2f}]", f"{c['mean']:.2f}") for c in cells)
        rows.append([f"`{row['learner']}`", row["lane"], *(text for pair in pairs for text in pair)])
    mean = ["mean of the support", "–", *(text for v in by_chance.values() for text in (f"{v:.2f}", "–"))]
    return table(heads, [*rows, mean])


if __name__ == "__main__":
    main()
