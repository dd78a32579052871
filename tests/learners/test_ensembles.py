"""Ensembles: what is learned over validation tasks, against independent references and known truths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from med_maml_pipeline.learners.ensembles import ENSEMBLES, Selected, Stacked
from med_maml_pipeline.learners.ensembles.held_out import held_out_parts, held_out_scores
from med_maml_pipeline.learners.ensembles.scored_episode import ScoredEpisode, common_scale, own_scale
from med_maml_pipeline.learners.ensembles.size_weights import SizeRange
from med_maml_pipeline.learners.ensembles.stacking_fit import Choice, fit_weights
from med_maml_pipeline.learners.ensembles.stacking_loss import StackingLoss
from med_maml_pipeline.learners.scores import TargetScale
from med_maml_pipeline.tasks.types import TargetType

MEMBERS = ("prior", "maml", "forest")


def episode(
    task: int,
    n_support: int = 10,
    skill: tuple[float, ...] = (1.0, 1.0, 1.0),
    *,
    n_classes: int = 2,
    q: int = 60,
    family: str = "f",
) -> ScoredEpisode:
    """Members whose logits are the truth times their skill, plus noise of their own."""
    rng = np.random.default_rng((task, n_support))
    y = np.arange(q) % max(n_classes, 2)
    if n_classes:
        truth = np.eye(n_classes)[y]
        z = [s * truth + rng.normal(size=truth.shape) for s in skill]
        target_type = TargetType.BINARY if n_classes == 2 else TargetType.MULTICLASS
        z = [common_scale(each, target_type, TargetScale(0.0, 1.0)) for each in z]
        return ScoredEpisode(f"t{task}", family, target_type, n_support // 2, n_support, np.stack(z), y * 1.0)
    values = rng.normal(size=q)
    z = [(s * values + rng.normal(size=q))[:, None] for s in skill]
    return ScoredEpisode(
        f"t{task}", family, TargetType.REGRESSION, n_support, n_support, np.stack(z), values,
        TargetScale(50.0, 10.0),
    )  # fmt: skip


def many(skill_at: dict[int, tuple[float, ...]], n_tasks: int = 8, **more: int) -> list[ScoredEpisode]:
    return [episode(t, n, s, **more) for t in range(n_tasks) for n, s in skill_at.items()]


# Scales -------------------------------------------------------------------------------------------------


def test_scores_come_back_from_the_common_scale():
    logits = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    back = own_scale(
        common_scale(logits, TargetType.MULTICLASS, TargetScale(0, 1)),
        TargetType.MULTICLASS,
        TargetScale(0, 1),
    )
    np.testing.assert_allclose(back - back[:, :1], logits - logits[:, :1], atol=1e-6)
    values, scale = logits[:, 0] * 30 + 200, TargetScale(190.0, 25.0)
    there = common_scale(values, TargetType.REGRESSION, scale)
    np.testing.assert_allclose(there[:, 0], (values - 190) / 25, rtol=1e-6)
    np.testing.assert_allclose(own_scale(there, TargetType.REGRESSION, scale), values, rtol=1e-6)


def test_a_weight_is_linear_in_the_logarithm_of_the_size_and_stays_beyond_the_ends():
    sizes = SizeRange.of([2, 64, 20])
    ends = np.array([[1.0, 0.0], [0.0, 3.0]])
    np.testing.assert_allclose(sizes.weights(ends, 2), [1.0, 0.0])
    np.testing.assert_allclose(sizes.weights(ends, 64), [0.0, 3.0])
    np.testing.assert_allclose(sizes.weights(ends, 8), [0.6, 1.2])  # log 4 of log 32
    np.testing.assert_allclose(sizes.weights(ends, 1000), sizes.weights(ends, 64))
    np.testing.assert_allclose(SizeRange.of([5]).weights(ends, 5), [0.5, 1.5])


# The loss and its minimum ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [0, 2, 4])
def test_the_gradient_is_that_of_finite_differences(n_classes):
    loss = StackingLoss(many({4: (1, 2, 0), 40: (2, 1, 0)}, 3, n_classes=n_classes), SizeRange(4, 40))
    at = np.random.default_rng(0).random((2, 3))
    numeric = approx_fprime(at.ravel(), lambda flat: loss(flat.reshape(2, 3))[0], 1e-7)
    np.testing.assert_allclose(loss(at)[1].ravel(), numeric, rtol=1e-5, atol=1e-6)


def test_without_a_pull_the_weights_are_those_of_logistic_regression():
    """scikit-learn on log-odds, with an intercept per episode: one column each."""
    episodes = many({10: (2.0, 1.5, 1.0)}, 6)
    ends, _ = fit_weights(episodes, [Choice(0.0, 1e-12)])
    x = np.concatenate([(e.z[:, :, 1] - e.z[:, :, 0]).T for e in episodes])
    own = np.repeat(np.eye(len(episodes)), len(episodes[0].y), axis=0)
    y = np.concatenate([e.y for e in episodes])
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000)
    expected = model.fit(np.hstack([x, own]), y).coef_[0][:3]
    np.testing.assert_allclose(ends.mean(axis=0), expected, rtol=2e-3)


def test_members_may_disagree_by_a_constant_on_how_common_a_class_is():
    plain = many({10: (1.5, 1.0, 0.5)}, 6)
    shift = np.array([[-1.0, 1.0]])
    moved = [
        replace(e, z=e.z + shift * np.array([3.0, -2.0, int(e.task_id[1:])])[:, None, None]) for e in plain
    ]
    sizes, at = SizeRange(10, 10), np.full((2, 3), 0.7)
    assert StackingLoss(moved, sizes)(at)[0] == pytest.approx(StackingLoss(plain, sizes)(at)[0], rel=1e-9)


def test_numbers_take_the_weights_of_least_squares_where_errors_are_small():
    episodes = many({10: (1.0, 0.5, 0.2)}, 6, n_classes=0)
    ends, _ = fit_weights(episodes, [Choice(0.0, 1e-12)])
    x = np.concatenate([e.z[:, :, 0].T for e in episodes])
    expected = np.linalg.lstsq(x, np.concatenate([e.y for e in episodes]), rcond=None)[0]
    np.testing.assert_allclose(ends.mean(axis=0), expected, rtol=0.02, atol=0.01)


def test_every_task_has_the_same_say_however_many_episodes_it_has():
    few = [episode(0, 10, (3, 0, 0)), episode(1, 10, (0, 3, 0))]
    repeated = [few[0]] * 9 + [few[1]]
    at = np.full((2, 3), 0.4)
    sizes = SizeRange(10, 10)
    assert StackingLoss(few, sizes)(at)[0] == pytest.approx(StackingLoss(repeated, sizes)(at)[0])


# What stacking learns -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [0, 2, 3])
def test_a_member_that_knows_nothing_counts_for_almost_nothing(n_classes):
    ends, _ = fit_weights(many({10: (1.5, 1.5, 0.0)}, 10, n_classes=n_classes))
    assert ends.min() >= 0
    assert ends[:, 2].max() < 0.15 * ends[:, 0].mean()


def test_adaptation_counts_more_where_it_has_more_to_learn_from():
    ends, _ = fit_weights(many({2: (1.5, 0.0, 0.0), 64: (1.5, 4.0, 0.0)}, 12))
    assert ends[0, 1] < 0.2 * ends[0, 0]
    assert ends[1, 1] > ends[1, 0]


def test_beats_its_best_member_where_members_err_apart_and_loses_nothing_where_one_knows_all():
    for skill in ((1.2, 1.2, 1.2), (3.0, 0.0, 0.0)):
        stacked = Stacked()
        fit = stacked.fit(MEMBERS, many({10: skill}, 10))
        loss = {"stacked": 0.0, **dict.fromkeys(MEMBERS, 0.0)}
        for task in range(100, 120):
            one = episode(task, 10, skill)
            scores = {"stacked": stacked.combine(fit, one), **dict(zip(MEMBERS, one.z, strict=True))}
            for name, z in scores.items():
                loss[name] += float((z.argmax(axis=1) != one.y).mean()) / 20
        best = min(loss[name] for name in MEMBERS)
        assert loss["stacked"] < best + (0.005 if skill[1] == 0 else -0.05)


def test_few_tasks_keep_what_each_member_deserves_by_itself():
    """With two tasks nothing is chosen, and the weights are the members' own, shared out by skill."""
    _, choice = fit_weights(many({10: (1.0, 1.0, 0.5)}, 2))
    assert np.isinf(choice.pull)


def test_the_labels_of_what_is_asked_change_nothing():
    for ensemble in ENSEMBLES.values():
        fit = ensemble.fit(MEMBERS, many({10: (1.0, 2.0, 0.5)}))
        one = episode(50)
        blind = replace(one, y=np.zeros(0))
        np.testing.assert_array_equal(ensemble.combine(fit, one), ensemble.combine(fit, blind))


def test_a_query_scores_alone_as_in_company():
    for ensemble in ENSEMBLES.values():
        fit = ensemble.fit(MEMBERS, many({10: (1.0, 2.0, 0.5)}))
        one = episode(50)
        alone = np.concatenate([ensemble.combine(fit, replace(one, z=one.z[:, [i]])) for i in range(60)])
        np.testing.assert_allclose(alone, ensemble.combine(fit, one), rtol=1e-12)


def test_without_any_validation_task_all_count_alike_and_the_first_is_selected():
    one = episode(0)
    np.testing.assert_allclose(Stacked().combine(Stacked().fit(MEMBERS, []), one), one.z.mean(axis=0))
    assert Selected().used(Selected().fit(MEMBERS, []), one) == ("prior",)


# Calibration ----------------------------------------------------------------------------------------------


def rare(task: int, n_support: int, *, shared: bool) -> ScoredEpisode:
    """Members that take one case in two to be positive, where it is one in ten, and are thrice too sure."""
    one = episode(task, n_support, (1.5, 1.5, 1.5), q=200)
    kept = np.flatnonzero((one.y == 0) | (np.cumsum(one.y) % 9 == 0))
    return replace(one, z=3 * one.z[:, kept], y=one.y[kept], shared_meaning=shared)


def test_probabilities_take_the_prevalence_of_tasks_that_mean_alike():
    stacked = Stacked()
    fit = stacked.fit(MEMBERS, [rare(t, n, shared=True) for t in range(12) for n in (4, 64)])
    asked = [rare(t, 16, shared=True) for t in range(100, 130)]
    odds = np.concatenate([np.diff(stacked.combine(fit, e), axis=1)[:, 0] for e in asked])
    y = np.concatenate([e.y for e in asked])
    assert abs(expit(odds).mean() - y.mean()) < 0.015
    slope = LogisticRegression(C=np.inf).fit(odds[:, None], y).coef_[0, 0]
    assert 0.85 < slope < 1.15


def test_where_positive_means_something_else_in_every_task_there_is_no_threshold():
    fit = Stacked().fit(MEMBERS, [rare(t, n, shared=False) for t in range(12) for n in (4, 64)])
    assert (fit.arrays["classes.threshold"] == 0).all()


# Selection ------------------------------------------------------------------------------------------------


def test_selects_per_family_and_size_and_borrows_from_what_is_nearest():
    lessons = [
        *many({4: (3, 1, 0), 64: (0, 3, 1)}),
        *[replace(e, family="g") for e in many({4: (0, 0, 3)})],
    ]
    selected = Selected()
    fit = selected.fit(MEMBERS, lessons)
    asked = {("f", 4): "prior", ("f", 64): "maml", ("f", 50): "maml", ("g", 64): "forest"}
    for (family, n), name in asked.items():
        one = episode(99, n, family=family)
        assert selected.used(fit, one) == (name,)
        np.testing.assert_array_equal(selected.combine(fit, one), one.z[MEMBERS.index(name)])
    assert selected.used(fit, episode(99, 64, family="unseen")) == ("maml",)


def test_each_task_is_held_out_once_and_scored_by_a_fit_that_never_saw_it():
    lessons = many({4: (3, 1, 0), 64: (0, 3, 1)}, 7)
    held = [e.task_id for _, part in held_out_parts(lessons) for e in part]
    assert sorted(held) == sorted(e.task_id for e in lessons)
    for kept, part in held_out_parts(lessons):
        assert not {e.task_id for e in kept} & {e.task_id for e in part}
    fit = Stacked().fit(MEMBERS, lessons)
    cells = held_out_scores(Stacked(), fit, MEMBERS, lessons)
    assert {(cell[2], n) for cell, (_, n) in cells.items()} == {(2, 7), (32, 7)}
    assert all(value > 0.7 for value, _ in cells.values())
    assert held_out_scores(Stacked(), fit, MEMBERS, lessons[:1]) == {}
