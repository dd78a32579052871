"""Learners that read a support: padding, classes, orders of the support, pictures."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from solvable import BINARY, MULTICLASS, REGRESSION, family
from test_picture_learners import pictures

from med_maml_pipeline.bilevel import Labelled
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.network_inputs import NetworkInputs
from med_maml_pipeline.learners.one_against_rest import one_value_supports, task_outputs
from med_maml_pipeline.learners.own_episodes import own_episodes
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.learners.registry import LANES, get_learner
from med_maml_pipeline.learners.resident_inputs import ResidentInputs
from med_maml_pipeline.learners.settings import read_settings
from med_maml_pipeline.learners.world import World
from med_maml_pipeline.networks import Attention
from med_maml_pipeline.tasks.types import MetaSplit, Support, TargetType

torch.set_num_threads(1)

NAMES = ("cnp", "anp", "snail")
KINDS = {BINARY: 2, MULTICLASS: 3, REGRESSION: 0}
TINY = {"steps": 4, "hidden": (8,), "embedding": 8, "meta_batch": 4, "shots": 4, "query": 8}


@cache
def mixed():
    """All target types, missing cells, classes that differ in number."""
    return family(KINDS, n_train=4, missing=0.1)


@cache
def fitted(name: str) -> Checkpoint:
    return get_learner(name).meta_fit(mixed(), TINY, 0, Monitor())


def _drawn(kind: TargetType, n: int = 14) -> tuple[Support, np.ndarray]:
    task = next(t for t in mixed().split(MetaSplit.TEST) if t.target_type is kind)
    return mixed().support(task, np.arange(n)), mixed().query(task, np.arange(n, n + 12)).x


def _scores(name: str, support: Support, x: np.ndarray, **settings: object) -> np.ndarray:
    return get_learner(name).adapt(fitted(name), support, settings, 0)(x)


def _learned(name: str) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
    arrays, facts = fitted(name).arrays, fitted(name).facts
    prefix = "network.metric."
    return {
        key.removeprefix("network."): torch.tensor(array, dtype=torch.float64)
        for key, array in arrays.items()
        if key.startswith(prefix)
    }, dict(facts)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_a_padded_support_gives_the_same_as_alone_wherever_its_padding_stands(name, kind):
    learned, facts = _learned(name)
    rng, learner = np.random.default_rng(0), get_learner(name)
    sizes, longest = (3, 9, 14), 14
    x, asked = (
        torch.from_numpy(rng.normal(size=(3, longest, 8))),
        torch.from_numpy(rng.normal(size=(3, 5, 8))),
    )
    y = torch.from_numpy(
        rng.normal(size=(3, longest)) if kind is REGRESSION else rng.integers(0, KINDS[kind], (3, longest))
    )
    weight = torch.tensor([[1.0 / n] * n + [0.0] * (longest - n) for n in sizes], dtype=torch.float64)
    padded = Labelled(x, y, weight)
    together = learner.outputs(learned, padded, asked, kind, KINDS[kind], facts)
    last = Labelled(*(part.roll(2, 1) for part in (x, y, weight)))  # two of the padding rows in front
    rolled = learner.outputs(learned, last[:2], asked[:2], kind, KINDS[kind], facts)
    torch.testing.assert_close(rolled, together[:2], rtol=1e-12, atol=1e-12)
    for at, n in enumerate(sizes):
        alone = Labelled(x[at : at + 1, :n], y[at : at + 1, :n], weight[at : at + 1, :n])
        own = learner.outputs(learned, alone, asked[at : at + 1], kind, KINDS[kind], facts)
        torch.testing.assert_close(own[0], together[at], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_support_row_counts_and_so_does_its_label(name):
    for kind in KINDS:
        support, x = _drawn(kind)
        plain = _scores(name, support, x)
        moved = support.x.copy()
        moved[0, :2] += 3
        other = np.roll(support.y, 1) if kind is REGRESSION else (support.y + 1) % KINDS[kind]
        for changed in (replace(support, x=moved), replace(support, y=other)):
            assert np.abs(_scores(name, changed, x) - plain).max() > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_classes_change_places_with_their_scores(name):
    support, x = _drawn(MULTICLASS)
    order = np.array([2, 0, 1])
    renamed = replace(support, y=order[support.y.astype(int)].astype(np.float32))
    # SNAIL sorts by inputs first, so that names of classes do not change the order.
    np.testing.assert_allclose(_scores(name, renamed, x)[:, order], _scores(name, support, x), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_class_that_no_row_shows_scores_like_another_such_class(name):
    support, x = _drawn(MULTICLASS)
    wider = replace(support, n_classes=5)
    scores = _scores(name, wider, x)
    assert scores.shape == (len(x), 5)
    np.testing.assert_allclose(scores[:, 3], scores[:, 4], atol=1e-6)
    np.testing.assert_allclose(scores[:, :3], _scores(name, support, x), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_a_file_does_not_matter(name, kind):
    support, x = _drawn(kind)
    order = np.random.default_rng(3).permutation(len(support.y))
    turned = replace(support, x=support.x[order], y=support.y[order])
    plain = _scores(name, support, x)
    np.testing.assert_allclose(_scores(name, turned, x), plain, rtol=1e-6, atol=1e-6)


def test_snail_depends_on_the_order_it_reads_in_and_averages_over_orders():
    support, x = _drawn(BINARY)
    one, four, sixteen = (_scores("snail", support, x, orders=n) for n in (1, 4, 16))
    assert np.abs(one - four).max() > 1e-5
    assert np.abs(four - sixteen).max() < np.abs(one - sixteen).max()


def test_snail_trains_on_supports_in_random_order_and_of_many_sizes():
    options = read_settings(get_learner("snail").training, {"shots": 6, "meta_batch": 1}, "snail")
    problem = family({BINARY: 2}, n_train=3)
    resident = ResidentInputs.of(NetworkInputs.fit(problem, 0), "cpu")
    sizes, mixed_up = set(), 0
    for step in range(30):
        (batch,) = get_learner("snail").episodes(problem, resident, options, 0, step, World())
        y = batch.episodes.support.y[0].numpy()
        sizes.add(len(y))
        mixed_up += bool((np.diff(y) < 0).any())
        (again,) = get_learner("snail").episodes(problem, resident, options, 0, step, World())
        assert torch.equal(again.episodes.support.x, batch.episodes.support.x)
        for rows in (batch.episodes.support, batch.episodes.query):  # rows and labels stay together
            assert len({(*x.tolist(), float(v)) for x, v in zip(rows.x[0], rows.y[0], strict=True)}) == len(
                rows.y[0]
            )
    (drawn,) = own_episodes(problem, resident, options, 0, 0, World())
    assert (np.diff(drawn.episodes.support.y[0].numpy()) >= 0).all()  # class by class, before
    assert mixed_up > 25
    assert {min(sizes), max(sizes)} == {6, 24}


def test_a_task_of_many_classes_is_one_support_per_class_with_even_sides():
    y = torch.tensor([[0, 1, 1, 2, 0], [2, 2, 0, 0, 0]])
    weight = torch.tensor([[0.2] * 5, [0.5, 0.5, 0, 0, 0]], dtype=torch.float64)
    supports = one_value_supports(Labelled(torch.zeros(2, 5, 1).double(), y, weight), MULTICLASS, 3)
    expected = [[1, -1, -1, -1, 1], [-1, 1, 1, -1, -1], [-1, -1, -1, 1, -1]]
    assert supports.y[:3].tolist() == expected
    torch.testing.assert_close(supports.weight.sum(1), torch.ones(6).double())
    assert supports.weight[0].tolist() == pytest.approx([1 / 4, 1 / 6, 1 / 6, 1 / 6, 1 / 4])
    assert supports.weight[5].tolist() == pytest.approx([1 / 2, 1 / 2, 0, 0, 0])  # one side only
    outputs = task_outputs(torch.arange(6.0)[:, None].expand(6, 4), MULTICLASS, 3)
    assert outputs[:, 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    binary = task_outputs(torch.tensor([[3.0]]), BINARY, 2)
    assert float(binary[0, 0, 1] - binary[0, 0, 0]) == 3.0


def test_the_width_of_attention_must_fit_its_heads():
    with pytest.raises(ValueError, match="width 10 is no multiple of the 4 heads"):
        Attention(10, 4)


def test_the_lane_holds_them():
    assert set(NAMES) <= set(LANES["model"])
    assert {get_learner(name).lane for name in NAMES} == {"model"}


@pytest.mark.parametrize("name", NAMES)
def test_pictures_of_unseen_classes_are_told_apart(name):
    problem, learner = pictures(), get_learner(name)
    settings = {"steps": 40, "meta_batch": 2, "shots": 3, "query": 16, "filters": 16, "augment": False}
    checkpoint = learner.meta_fit(problem, settings, 0, Monitor())
    task = problem.task("test")
    at = np.concatenate([np.flatnonzero(task.y == label)[:5] for label in range(task.n_classes)])
    query = problem.query(task, np.setdiff1d(np.arange(len(task)), at))
    predict = learner.adapt(checkpoint, problem.support(task, at), {"views": 1}, 0)
    scores = predict(query.x)
    np.testing.assert_allclose(predict(query.x[7:8]), scores[7:8], rtol=1e-6, atol=1e-6)
    assert (scores.argmax(1) == query.y).mean() > 0.5
