"""Chance at initialisation, improves, converges: every learner that meta-trains, on families it can solve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
import torch
from solvable import BINARY, MULTICLASS, REGRESSION, quality, solvable

from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.tasks.types import TargetType

torch.set_num_threads(1)

CHANCE = {BINARY: 0.5, MULTICLASS: 0.25, REGRESSION: 0.0}
ALONE = {BINARY: 0.79, MULTICLASS: 0.33, REGRESSION: 0.43}
"""What logistic or ridge regression reaches on the support alone."""


@dataclass(frozen=True)
class Case:
    """What a learner must reach.

    Attributes:
        settings: Of meta-training, beside its number of steps.
        reaches: Quality after ``steps`` updates, by type of target.
        steps: Updates.
        start: Settings of adaptation that show what it knows before it adapts; None where it must adapt.
    """

    settings: Mapping[str, object]
    reaches: Mapping[TargetType, float]
    steps: int = 150
    start: Mapping[str, object] | None = field(default=None)


FAST = {"hidden": (32, 16), "outer_lr": 0.01}
PRETRAINED = {"hidden": (32, 16), "learning_rate": 0.01}
READING = {**FAST, "embedding": 32, "input_dropout": 0.0}
CASES: dict[str, Case] = {
    "maml": Case(FAST, {BINARY: 0.95, MULTICLASS: 0.65, REGRESSION: 0.85}, start={"adapt_steps": 0}),
    "fomaml": Case(FAST, {BINARY: 0.95, MULTICLASS: 0.6, REGRESSION: 0.78}, start={"adapt_steps": 0}),
    "anil": Case(FAST, {BINARY: 0.95, MULTICLASS: 0.65, REGRESSION: 0.85}, start={"adapt_steps": 0}),
    "boil": Case(FAST, {BINARY: 0.93, MULTICLASS: 0.62, REGRESSION: 0.8}),
    "meta_sgd": Case(
        {"hidden": (24, 12), "outer_lr": 0.02, "meta_batch": 8, "inner_steps": 2},
        {BINARY: 0.95, MULTICLASS: 0.65, REGRESSION: 0.8},
        steps=100,
        start={"adapt_steps": 0},
    ),
    "maml_pp": Case(
        {**FAST, "inner_steps": 3},
        {BINARY: 0.94, MULTICLASS: 0.72, REGRESSION: 0.88},
        steps=80,
        start={"adapt_steps": 0},
    ),
    "protomaml": Case(FAST, {BINARY: 0.95, MULTICLASS: 0.8, REGRESSION: 0.85}, steps=100),
    "reptile": Case(
        {**FAST, "meta_batch": 8}, {BINARY: 0.95, MULTICLASS: 0.55, REGRESSION: 0.8}, start={"adapt_steps": 0}
    ),
    "imaml": Case(
        {**FAST, "meta_batch": 8, "inner_steps": 5},
        {BINARY: 0.94, MULTICLASS: 0.65, REGRESSION: 0.75},
        steps=100,
        start={"adapt_steps": 0},
    ),
    "protonet": Case(FAST, {BINARY: 0.93, MULTICLASS: 0.75, REGRESSION: 0.6}),
    "protonet_cosine": Case(FAST, {BINARY: 0.94, MULTICLASS: 0.8, REGRESSION: 0.6}),
    "protonet_mahalanobis": Case(
        {**FAST, "embedding": 16}, {BINARY: 0.92, MULTICLASS: 0.75, REGRESSION: 0.6}
    ),
    "matching": Case(FAST, {BINARY: 0.94, MULTICLASS: 0.75, REGRESSION: 0.6}),
    "relation": Case(FAST, {BINARY: 0.93, MULTICLASS: 0.75, REGRESSION: 0.6}, start={}),
    "r2d2": Case(FAST, {BINARY: 0.95, MULTICLASS: 0.75, REGRESSION: 0.9}),
    "dkt": Case(FAST, {BINARY: 0.95, MULTICLASS: 0.78, REGRESSION: 0.7}),
    "adkf": Case(FAST, {BINARY: 0.93, MULTICLASS: 0.75, REGRESSION: 0.6}, steps=75),
    "in_context": Case(
        {"hidden": (16, 32), "outer_lr": 0.01, "synthetic_share": 0.0},
        {BINARY: 0.92, MULTICLASS: 0.78, REGRESSION: 0.5},
        steps=80,
    ),
    "cnp": Case(READING, {BINARY: 0.95, MULTICLASS: 0.78, REGRESSION: 0.65}, steps=200, start={}),
    "anp": Case(
        {**READING, "outer_lr": 0.005},
        {BINARY: 0.93, MULTICLASS: 0.75, REGRESSION: 0.65},
        steps=200,
        start={},
    ),
    "snail": Case(  # numbers take it 500 updates (R² .95), too long for a test
        {**READING, "embedding": 16, "channels": 8, "span": 16, "query": 16, "shots": 6},
        {BINARY: 0.88, MULTICLASS: 0.78},
        steps=130,
    ),
    "baseline_pp": Case(PRETRAINED, {BINARY: 0.93, MULTICLASS: 0.7, REGRESSION: 0.85}),
    "lda": Case(PRETRAINED, {BINARY: 0.95, MULTICLASS: 0.7, REGRESSION: 0.75}),
}
EACH = [
    pytest.param(name, target_type, id=f"{name}-{target_type}")
    for name, case in CASES.items()
    for target_type in case.reaches
]


@pytest.mark.parametrize(("name", "target_type"), EACH)
def test_improves_from_chance_and_converges(name, target_type):
    """Better than its own first update, than the support alone, and than the bar that is set for it."""
    case, learner, problem = CASES[name], get_learner(name), solvable(target_type)
    first, last = (
        learner.meta_fit(problem, {**case.settings, "steps": steps}, 0, Monitor())
        for steps in (1, case.steps)
    )
    if case.start is not None:
        assert abs(quality(learner, first, problem, case.start) - CHANCE[target_type]) < 0.12
    end = quality(learner, last, problem)
    assert end > quality(learner, first, problem) + 0.1
    assert end > ALONE[target_type]
    assert end > case.reaches[target_type]
