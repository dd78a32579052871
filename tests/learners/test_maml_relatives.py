"""What MAML's relatives promise: which parameters move, which rates are learned, that every setting acts."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from solvable import BINARY, MULTICLASS, REGRESSION, family
from torch import nn
from torch.func import functional_call

from med_maml_pipeline.bilevel import InnerLoop, cross_entropy, huber
from med_maml_pipeline.learners.maml import Maml
from med_maml_pipeline.learners.maml_pp import step_weights
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.networks import orthonormal_rows
from med_maml_pipeline.tasks.types import MetaSplit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from learner_references.meta_gradients import meta_gradient_case  # noqa: E402

torch.set_num_threads(1)

RELATIVES = ("fomaml", "anil", "boil", "meta_sgd", "maml_pp")
LOOPS = ({}, {"inner_momentum": 0.5}, {"centre": True})
KINDS = {BINARY: 2, MULTICLASS: 3, REGRESSION: 0}


@cache
def mixed():
    return family(KINDS, n_train=4)


def _fit(name, **settings):
    settings = {"steps": 3, "hidden": (8,), "meta_batch": 4, "shots": 3, "query": 8, **settings}
    return get_learner(name).meta_fit(mixed(), settings, 0, Monitor())


def _same(one, other):
    return all(np.array_equal(one.arrays[key], other.arrays[key]) for key in one.arrays)


def _adapted(name, kind):
    """Start and end of an adaptation to the first task's support."""
    case = meta_gradient_case(name, kind)
    learner, support = case.learner, case.batch.episodes.support[:1]
    start = case.learned.start(kind, case.batch.n_classes)
    loss = huber if kind is REGRESSION else cross_entropy
    rates, loop = learner.rates(case.learned, kind, 4), replace(case.options.inner_loop, steps=4)
    descent = learner.descent({}, learner.adaptation())
    return start, descent(case.learned.network, start, support, loss, rates, loop)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "head_moves", "body_moves"), [("anil", True, False), ("boil", False, True)])
def test_the_other_part_of_the_network_stays(name, head_moves, body_moves, kind):
    start, end = _adapted(name, kind)
    assert set(end) == set(start)
    for parameter, value in end.items():
        moves = head_moves if parameter.startswith("tail.head") else body_moves
        assert torch.equal(value, start[parameter].detach()) is not moves, parameter


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("settings", LOOPS, ids=str)
def test_anil_is_maml_whose_trunk_has_rate_zero(kind, settings):
    """The loop of heads alone gives the meta-gradients of the engine."""
    fast, slow = meta_gradient_case("anil", kind, **settings), meta_gradient_case("maml", kind, **settings)
    for layer in ("first", "tail.body.1"):
        slow.learned.rates[layer].data.fill_(-torch.inf)
    slow.learned.rates["tail.head"].data.copy_(fast.learned.rates["tail.head"])
    n = sum(value.numel() for value in slow.learned.parameters.values())
    wanted = slow.gradient()  # the head's rate is the last
    torch.testing.assert_close(fast.gradient(), torch.cat([wanted[:n], wanted[-1:]]), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("settings", LOOPS, ids=str)
def test_anil_adapts_as_maml_does_whose_trunk_has_rate_zero(settings):
    case = meta_gradient_case("anil", BINARY, **settings)
    start, support = case.learned.start(BINARY, 2), case.batch.episodes.support[:1]
    rates = {path: torch.zeros((), dtype=torch.float64) for path in ("first", "tail.body.1")}
    rates["tail.head"] = case.learned.rates["tail.head"].exp().detach()
    arguments = (case.learned.network, start, support, cross_entropy, rates, case.options.inner_loop)
    found, wanted = (get_learner(n).descent({}, Maml.adaptation())(*arguments) for n in ("anil", "maml"))
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-10, atol=1e-12)


def test_the_clip_of_anil_is_that_of_the_heads_gradient():
    case = meta_gradient_case("anil", BINARY)
    start, support = case.learned.start(BINARY, 2), case.batch.episodes.support[:1]
    head = nn.Linear(4, 2, dtype=torch.float64)
    head.load_state_dict({part: start[f"tail.head.{part}"] for part in ("weight", "bias")})
    body = {**start, "tail.head.weight": torch.eye(4).double(), "tail.head.bias": torch.zeros(4).double()}
    features = functional_call(case.learned.network, body, (support.x[0],)).detach()
    optimiser = torch.optim.SGD(head.parameters(), lr=0.7)
    for _ in range(3):
        optimiser.zero_grad()
        nn.functional.cross_entropy(head(features), support.y[0]).backward()
        nn.utils.clip_grad_norm_(head.parameters(), 0.1)
        optimiser.step()
    descent = case.learner.descent({}, case.learner.adaptation())
    found = descent(case.learned.network, start, support, cross_entropy, 0.7, InnerLoop(3, clip=0.1))
    # Its norm is divided by the norm plus 1e-6 there.
    torch.testing.assert_close(found["tail.head.weight"], head.weight.detach(), rtol=1e-4, atol=1e-5)


def test_first_order_differs_from_second_order():
    exact, shortcut = (meta_gradient_case(name, BINARY).gradient() for name in ("maml", "fomaml"))
    assert ((exact - shortcut).norm() / exact.norm()).item() > 1e-3


def test_directions_are_orthonormal_and_go_on_for_any_number_of_classes():
    few, many = orthonormal_rows(3, 8), orthonormal_rows(20, 8)
    assert torch.equal(few, many[:3])
    torch.testing.assert_close(few @ few.T, torch.eye(3, dtype=torch.float64))
    assert len(torch.unique(many, dim=0)) == 20


def test_meta_sgd_learns_rates_of_either_sign_and_different_within_a_layer():
    learner, learned = get_learner("meta_sgd"), meta_gradient_case("meta_sgd", BINARY).learned
    learned.rates["offset.first.weight"].data[0, :2] = torch.tensor([-3.0, 1.0])
    rates = learner.rates(learned, BINARY, 1, scale=2.0)
    assert rates["first.weight"][0, 0] < 0 < rates["first.weight"][0, 1]
    assert {name: value.shape for name, value in rates.items()} == {
        name: value.shape for name, value in learned.start(BINARY, 2).items()
    }
    trained = _fit("meta_sgd", steps=10, outer_lr=0.1)
    assert np.std(trained.arrays["log_rates.offset.first.weight"]) > 0.01


def test_meta_sgd_with_fixed_rates_is_maml_with_fixed_rates():
    own, maml = (_fit(name, learn_inner_lr=False) for name in ("meta_sgd", "maml"))
    for key, value in maml.arrays.items():
        np.testing.assert_allclose(own.arrays[key], value, rtol=1e-3, atol=1e-4, err_msg=key)


def test_weights_of_the_steps_move_to_the_last():
    assert step_weights(4, 0.0) == [0.25] * 4
    assert step_weights(4, 0.5) == [0.125, 0.125, 0.125, 0.625]
    assert step_weights(4, 1.0) == step_weights(4, 2.0) == [0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    "change",
    [
        {"inner_steps": 3},
        {"inner_lr": 0.2},
        {"inner_momentum": 0.5},
        {"inner_clip": 0.05},
        {"learn_inner_lr": False},
        {"multi_step_share": 0.0},
        {"multi_step_share": 0.9},
        {"first_order_share": 0.0},
        {"first_order_share": 1.0},
        {"warmup": 0.5},
    ],
    ids=str,
)
def test_every_setting_of_maml_pp_acts(change):
    settings = {"steps": 4, "multi_step_share": 0.5, "first_order_share": 0.5}
    usual, changed = _fit("maml_pp", **settings), _fit("maml_pp", **{**settings, **change})
    assert usual.arrays.keys() != changed.arrays.keys() or any(
        usual.arrays[key].shape != changed.arrays[key].shape
        or not np.array_equal(usual.arrays[key], changed.arrays[key])
        for key in usual.arrays
        if key.startswith("network.")
    )


def test_maml_pp_has_a_rate_for_every_step_and_goes_on_with_the_last():
    learner, learned = get_learner("maml_pp"), meta_gradient_case("maml_pp", BINARY).learned
    rates = learner.rates(learned, BINARY, 6)
    heads = [step["tail.head"].item() for step in rates]
    assert len(set(heads[:3])) == 3
    assert heads[2:] == heads[2:3] * 4
    checkpoint = _fit("maml_pp", steps=10)
    assert checkpoint.arrays["log_rates.first"].shape == (5,)
    assert len(np.unique(checkpoint.arrays["log_rates.first"])) == 5


@pytest.mark.parametrize("name", RELATIVES)
def test_settings_of_adaptation_act(name):
    problem, learner, checkpoint = mixed(), get_learner(name), _fit(name, steps=8, outer_lr=0.02)
    for task in problem.split(MetaSplit.TEST)[::8]:
        support, query = problem.support(task, np.arange(16)), problem.query(task, np.arange(16, 60))
        scores = [
            learner.adapt(checkpoint, support, settings, 0)(query.x)
            for settings in ({}, {"adapt_steps": 0}, {"adapt_steps": 9}, {"adapt_lr_scale": 2.0})
        ]
        assert all(not np.array_equal(scores[0], other) for other in scores[1:])
