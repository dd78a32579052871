"""Updates on tensors that keep their place, and episodes as row numbers: training as it is without them."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from test_picture_learners import TINY, pictures
from test_protocol import problem

from med_maml_pipeline.bilevel import EpisodeBatch, InnerLoop, Labelled, query_losses
from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.learners import meta_loss, outer_loop
from med_maml_pipeline.learners.episode_batches import TypedBatch, batches, loss_of
from med_maml_pipeline.learners.graphed_step import StaticStep
from med_maml_pipeline.learners.judging import judge_of
from med_maml_pipeline.learners.meta_step import EpisodeLosses
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.network_inputs import NetworkInputs
from med_maml_pipeline.learners.outer_loop import optimise
from med_maml_pipeline.learners.protocol import Checkpoint, silent
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.learners.resident_inputs import ResidentInputs
from med_maml_pipeline.learners.schedule import Schedule
from med_maml_pipeline.learners.state_file import StateFile
from med_maml_pipeline.networks import MLP, initial_parameters
from med_maml_pipeline.tasks.sampling import training_batch
from med_maml_pipeline.tasks.types import TargetType

torch.set_num_threads(1)

ROWS = {"steps": 14, "hidden": (8,), "meta_batch": 6, "shots": 3, "query": 9}
KINDS = [kind for kind in TargetType if kind is not TargetType.MULTILABEL]  # learned as binary tasks


@pytest.fixture
def static(monkeypatch) -> list[StaticStep]:
    """Lets training run as on a GPU, but for the capture; what it made."""
    made: list[StaticStep] = []

    def step(*arguments) -> StaticStep:
        made.append(StaticStep(*arguments))
        return made[-1]

    of = ResidentInputs.of
    monkeypatch.setattr(outer_loop, "step_for", step)
    monkeypatch.setattr(ResidentInputs, "of", lambda inputs, device: of(inputs, device, resident=True))
    return made


def _fit(data, settings, *, state: StateFile | None = None, progress=silent, judge=None) -> Checkpoint:
    return get_learner("maml").meta_fit(data, settings, 0, Monitor(progress, state, judge))


def _assert_alike(one: Checkpoint, other: Checkpoint, tolerance: float) -> None:
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        if array.dtype.kind == "f":
            np.testing.assert_allclose(
                array, other.arrays[name], rtol=tolerance, atol=tolerance, err_msg=name
            )


def _drawn(step: int) -> Iterator[TypedBatch]:
    """Binary and numeric tasks, in changing order, with 3 to 10 support and 5 to 19 query rows."""
    rng = np.random.default_rng(step)
    for kind in rng.permutation([TargetType.BINARY, TargetType.REGRESSION]):
        sets = []
        for n in (int(rng.integers(3, 11)), int(rng.integers(5, 20))):
            y = rng.normal(size=(3, n))
            labels = torch.from_numpy(y if kind == TargetType.REGRESSION else (y > 0).astype(np.int64))
            weight = torch.full((3, n), 1 / n, dtype=torch.float64)
            sets.append(Labelled(torch.from_numpy(rng.normal(size=(3, n, 5))), labels, weight))
        yield TypedBatch(TargetType(kind), 2 if kind == TargetType.BINARY else 0, EpisodeBatch(*sets))


def _trained_in_double(loop: InnerLoop) -> dict[str, torch.Tensor]:
    network = MLP(5, (6, 4), 2)
    start = initial_parameters(network, 0, dtype=torch.float64)
    leaves = {name: value.requires_grad_() for name, value in start.items()}

    def of(batch: TypedBatch) -> Iterator[torch.Tensor]:
        numeric = batch.target_type is TargetType.REGRESSION
        loss = loss_of(batch.target_type)
        own = (lambda o, y, w: loss(o[..., :1], y, w)) if numeric else loss
        for part in batch.chunks(2):
            yield query_losses(network, leaves, part.episodes, own, 0.1, loop).sum() / 6

    losses = EpisodeLosses(_drawn, of, lambda: 0)
    optimise(leaves, losses, Schedule(60, 0.01, 0.01, 0.1), lambda: Checkpoint("toy"), Monitor())
    return {name: value.detach() for name, value in leaves.items()}


@pytest.mark.parametrize("loop", [InnerLoop(3), InnerLoop(2, momentum=0.5, clip=0.5)], ids=["plain", "both"])
def test_filled_up_tensors_that_keep_their_place_train_alike(loop, request):
    plain = _trained_in_double(loop)
    made = request.getfixturevalue("static")
    ours = _trained_in_double(loop)
    buckets = made[0]._buckets
    assert 1 < len(buckets) <= 2 * 2 * 3 * 3
    assert any(bucket.replay for bucket in buckets.values())  # some shapes were past their warm-up
    for name, value in plain.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-9, atol=1e-11)
    assert not torch.equal(plain["first.weight"], initial_parameters(MLP(5, (6, 4), 2), 0)["first.weight"])


def test_shapes_beyond_the_most_are_ordinary_updates(static, monkeypatch):
    from med_maml_pipeline.learners import graphed_step

    whole = _trained_in_double(InnerLoop(1))
    monkeypatch.setattr(graphed_step, "_MOST_SHAPES", 1)
    few = _trained_in_double(InnerLoop(1))
    assert len(static[1]._buckets) == 1 < len(static[0]._buckets)
    for name, value in whole.items():
        torch.testing.assert_close(few[name], value, rtol=1e-9, atol=1e-11)


@pytest.mark.skipif(torch.cuda.is_available(), reason="capturing works on a GPU")
def test_what_cannot_be_captured_runs_as_it_is_and_the_log_says_so_once(static, caplog):
    _trained_in_double(InnerLoop(1))
    step, update = static[0], torch.zeros
    step.device = torch.device("cuda")  # which is not there
    with caplog.at_level(logging.WARNING):
        assert step._captured(update) is update
        assert step._captured(update) is update
    (said,) = caplog.messages
    assert said.startswith("An update could not be captured as a CUDA graph and runs without: ")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "extra", [{}, {"input_dropout": 0.3}, {"balanced": True, "inner_momentum": 0.5}], ids=str
)
def test_maml_trains_alike_on_rows_of_numbers(kind, extra, request):
    plain = _fit(problem(kind), {**ROWS, **extra})
    made = request.getfixturevalue("static")
    _assert_alike(_fit(problem(kind), {**ROWS, **extra}), plain, 1e-4)
    assert made[0].state.step == ROWS["steps"]
    assert any(bucket.replay for bucket in made[0]._buckets.values())


@pytest.mark.parametrize("augment", [True, False])
def test_maml_trains_alike_on_pictures(augment, request):
    settings = {**TINY["maml"], "augment": augment}
    plain = _fit(pictures(), settings)
    request.getfixturevalue("static")
    _assert_alike(_fit(pictures(), settings), plain, 1e-3)


@pytest.mark.parametrize("data", [problem(TargetType.BINARY), pictures()], ids=["numbers", "pictures"])
def test_row_numbers_gather_what_the_host_would_send(data):
    inputs = NetworkInputs.fit(data, 0)
    drawn = training_batch(data, 0, 3, 4, 3, 9)
    drawn = [(task, support[: 2 + at], query[: 5 + at]) for at, (task, support, query) in enumerate(drawn)]
    resident = ResidentInputs.of(inputs, "cpu", resident=True)
    for sent, expected in zip(batches(resident, drawn, "cpu"), batches(inputs, drawn, "cpu"), strict=True):
        assert sent.episodes.support.x.dtype == torch.int64  # numbers of rows, not rows
        got = resident.rows(sent)
        for own, theirs in zip(
            (got.episodes.support, got.episodes.query),
            (expected.episodes.support, expected.episodes.query),
            strict=True,
        ):
            assert torch.equal(own.x, theirs.x)
            assert torch.equal(own.y, theirs.y)
            assert torch.equal(own.weight, theirs.weight)


class _BrokenError(Exception):
    pass


def test_a_broken_off_training_goes_on_and_stops_early_alike(static, tmp_path):
    data, learner = problem(TargetType.BINARY), get_learner("maml")
    settings = {**ROWS, "steps": 60, "validate_every": 4, "patience": 2}
    judge = judge_of(learner, data, learner.adapt_grid[0], seed=3)
    whole = _fit(data, settings, judge=judge)
    assert whole.history[-1]["step"] < settings["steps"]  # it did stop early

    def breaks(done, total, figures):
        if done == 7:
            raise _BrokenError

    with pytest.raises(_BrokenError):
        _fit(data, settings, state=StateFile(tmp_path / "s", every=0), progress=breaks, judge=judge)
    told: list[int] = []
    again = _fit(
        data, settings, state=StateFile(tmp_path / "s", every=0), judge=judge,
        progress=lambda done, total, figures: told.append(done),
    )  # fmt: skip
    assert told[0] == 7  # the state of six updates was found
    _assert_alike(again, whole, 0.0)
    assert str(again.history) == str(whole.history)


def _short_of_memory(monkeypatch, most: int) -> list[int]:
    """A loss that runs out of memory for more than ``most`` tasks; how many it was asked for."""
    asked: list[int] = []

    def losses(network, start, episodes, *others, **options):
        asked.append(len(episodes))
        if len(episodes) > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return query_losses(network, start, episodes, *others, **options)

    monkeypatch.setattr(meta_loss, "query_losses", losses)
    return asked


def test_out_of_memory_halves_the_tasks_at_once_and_repeats_the_update(monkeypatch, caplog):
    small = _fit(problem(TargetType.BINARY), {**ROWS, "memory_mib": 1e-6})  # one task at a time
    asked = _short_of_memory(monkeypatch, 2)
    with caplog.at_level(logging.WARNING):
        halved = _fit(problem(TargetType.BINARY), ROWS)
    assert asked[:3] == [6, 3, 1]
    assert set(asked[3:]) == {1}  # not tried again
    assert [text for text in caplog.messages if "memory" in text] == [
        "Out of memory: the update is repeated with 3 task(s) at a time.",
        "Out of memory: the update is repeated with 1 task(s) at a time.",
    ]
    _assert_alike(halved, small, 1e-5)


def test_memory_for_not_even_one_task_is_said_with_a_remedy(monkeypatch):
    _short_of_memory(monkeypatch, 0)
    with pytest.raises(ConfigurationError, match="ran out of memory.*lower 'meta_batch'.*more memory"):
        _fit(problem(TargetType.BINARY), ROWS)
