"""The corrected prior: better than the prior and than the support alone, and able to do nothing."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from solvable import BINARY, REGRESSION, ROWS, SUPPORT, WIDTH, labels, quality

from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.tasks.types import FeatureKind, FeatureTable, MetaSplit, Problem, TargetType, Task

torch.set_num_threads(1)

SETTINGS = {"steps": 200, "hidden": (32,), "learning_rate": 0.01}
BOTH, NO_PRIOR = ({"ridge": 0.3, "prior_scale": scale} for scale in (0.25, 0.0))
NOTHING = {"ridge": 1e9}


@cache
def leaning(target_type: TargetType) -> Problem:
    """Tasks that mean nearly alike: their directions differ from a common one by up to one radian."""
    rng = np.random.default_rng(3)
    n_train, n_test = 20, 16
    x = rng.normal(size=((n_train + n_test) * ROWS, WIDTH)).astype(np.float32)
    x[:, 2:] *= 0.7
    tasks = []
    for number in range(n_train + n_test):
        rows = np.arange(number * ROWS, (number + 1) * ROWS)
        split = MetaSplit.TRAIN if number < n_train else MetaSplit.TEST
        y = labels(rng.uniform(-1.0, 1.0), x[rows], target_type, 2)
        n_classes = 2 if target_type is BINARY else 0
        name = f"s/main/f/{number}"
        tasks.append(Task(name, "s/main", "f", "s", target_type, n_classes, split, rows, y, rows, True))
    kinds = (FeatureKind.INDICATOR,) * WIDTH  # as they are: the encoder would undo the scales
    table = FeatureTable(x, tuple(map(str, range(WIDTH))), kinds)
    return Problem("p", 0, {"s/main": table}, tuple(tasks), (), shared_inputs=True)


@cache
def trained(target_type: TargetType) -> Checkpoint:
    """The shared meta-training."""
    return get_learner("prior").meta_fit(leaning(target_type), SETTINGS, 0, Monitor())


@pytest.mark.parametrize("target_type", [BINARY, REGRESSION])
def test_prior_and_support_together_beat_either_alone(target_type):
    problem, checkpoint, learner = leaning(target_type), trained(target_type), get_learner("prior_residual")
    together, nothing, no_prior = (
        quality(learner, checkpoint, problem, settings) for settings in (BOTH, NOTHING, NO_PRIOR)
    )
    assert together > nothing + 0.03
    assert together > no_prior + 0.01


@pytest.mark.parametrize("target_type", [BINARY, REGRESSION])
def test_a_large_ridge_leaves_the_order_of_the_prior(target_type):
    problem, checkpoint = leaning(target_type), trained(target_type)
    task = problem.split(MetaSplit.TEST)[0]
    support, x = problem.support(task, np.arange(SUPPORT)), problem.query(task, np.arange(SUPPORT, ROWS)).x
    alone, corrected = (
        get_learner(name).adapt(checkpoint, support, settings, 0)(x)
        for name, settings in (("prior", {}), ("prior_residual", NOTHING))
    )
    if target_type is BINARY:
        np.testing.assert_array_equal(corrected[:, 1].argsort(), alone[:, 1].argsort())
        unsure = np.abs(alone[:, 1]) < 1.4
        np.testing.assert_allclose(corrected[unsure], alone[unsure], rtol=1e-5)
    else:  # each in units of its own: the average training task's, and the support's
        np.testing.assert_array_equal(corrected.argsort(), alone.argsort())


def test_one_meta_training_serves_both():
    prior, corrected = get_learner("prior"), get_learner("prior_residual")
    assert prior.trunk == corrected.trunk
    assert prior.meta_grid == corrected.meta_grid
    assert prior.picture_meta_grid == corrected.picture_meta_grid
