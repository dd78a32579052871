"""Rates, validation and early stopping of the outer loop, on a line whose best point is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_protocol import problem

from med_maml_pipeline.learners.episodes import run_episode
from med_maml_pipeline.learners.judging import judge_of
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.outer_loop import optimise
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.learners.schedule import Schedule
from med_maml_pipeline.tasks.types import MetaSplit, TargetType

NAN = float("nan")


def _walked(schedule: Schedule, judge: Callable[[float], float] | None) -> tuple[Checkpoint, list[int]]:
    """Walks from 0 towards 10; ``judge`` sees where it is. The checkpoint, and the steps that were told."""
    place, told = torch.zeros((), requires_grad=True), []

    def losses_at(step: int) -> Iterator[torch.Tensor]:
        yield (place - 10) ** 2

    def checkpoint() -> Checkpoint:
        return Checkpoint("walk", {"place": place.detach().numpy().copy()})

    seen = None if judge is None else lambda made: judge(float(made.arrays["place"]))
    monitor = Monitor(lambda done, total, figures: told.append(done), judge=seen)
    return optimise({"place": place}, losses_at, schedule, checkpoint, monitor), told


def test_the_rate_rises_in_a_line_and_falls_as_a_cosine() -> None:
    schedule = Schedule(steps=100, learning_rate=2.0, warmup=0.2)
    rates = [schedule.rate(step) for step in range(100)]
    np.testing.assert_allclose(np.diff(rates[:21]), 2 / 21)
    assert max(rates) == rates[20] == 2.0
    np.testing.assert_allclose(rates[20:], [1 + math.cos(math.pi * k / 80) for k in range(80)])
    assert Schedule(steps=4, learning_rate=1.0).rate(0) == 1.0
    assert [Schedule(3, 1.0, warmup=1.0).rate(step) for step in range(3)] == [0.25, 0.5, 0.75]


def test_without_warmup_the_rates_are_those_of_torch() -> None:
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 50)
    ours = Schedule(steps=50, learning_rate=0.3)
    for step in range(50):
        assert ours.rate(step) == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
        optimiser.step()
        theirs.step()


def test_the_best_look_is_returned_and_patience_ends_the_walk() -> None:
    schedule = Schedule(steps=200, learning_rate=0.1, validate_every=10, patience=3)
    made, told = _walked(schedule, lambda place: -abs(place - 4))
    looks = {record["step"]: record["validation"] for record in made.history}
    best = max((step for step in looks if not math.isnan(looks[step])), key=looks.__getitem__)
    assert float(made.arrays["place"]) == pytest.approx(4, abs=0.6)
    assert -abs(float(made.arrays["place"]) - 4) == pytest.approx(looks[best])
    assert [record["step"] for record in made.history if record["kept"]] == [best]
    assert max(looks) == best + 3 * 10 < 200  # three looks without a better one
    assert told[-2:] == [best + 30, 200]  # whoever shows a bar learns that it is over


def test_patience_0_goes_to_the_end_and_still_keeps_the_best() -> None:
    schedule = Schedule(steps=200, learning_rate=0.1, validate_every=10)
    made, told = _walked(schedule, lambda place: -abs(place - 4))
    assert told == [*range(1, 201)]
    assert float(made.arrays["place"]) == pytest.approx(4, abs=0.6)


def test_looks_without_a_number_choose_nothing() -> None:
    made, _ = _walked(Schedule(steps=50, learning_rate=0.1, validate_every=10), lambda place: NAN)
    alone, _ = _walked(Schedule(steps=50, learning_rate=0.1), None)
    assert made.arrays["place"] == alone.arrays["place"]
    assert [record["step"] for record in made.history if record["kept"]] == [50]


def test_without_a_judge_nothing_is_looked_at() -> None:
    made, _ = _walked(Schedule(steps=50, learning_rate=0.1, validate_every=7, patience=1), None)
    assert [record["step"] for record in made.history] == [*range(1, 51)]
    assert all(math.isnan(record["validation"]) for record in made.history)


def test_the_judge_reads_validation_episodes_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    data, learner = problem(TargetType.BINARY), get_learner("knn")
    seen = []

    def noted(learner, checkpoint, data, episode, settings, seed):
        seen.append(data.task(episode.task_id).meta_split)
        return run_episode(learner, checkpoint, data, episode, settings, seed)

    monkeypatch.setattr("med_maml_pipeline.learners.judging.run_episode", noted)
    judge = judge_of(learner, data, learner.adapt_grid[0], 0)
    assert judge is not None
    assert 0 <= judge(learner.meta_fit(data, {}, 0, Monitor())) <= 1
    assert set(seen) == {MetaSplit.VALIDATION}
    blind = replace(data, episodes=data.episodes_of(MetaSplit.TEST))
    assert judge_of(learner, blind, learner.adapt_grid[0], 0) is None
