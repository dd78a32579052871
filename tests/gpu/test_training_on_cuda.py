"""Meta-training on a GPU: graphs replay ordinary updates, states go on, memory that runs out is met."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from test_picture_learners import TINY, pictures
from test_protocol import problem

from med_maml_pipeline.learners import graphed_step, outer_loop
from med_maml_pipeline.learners.meta_step import MetaStep
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.protocol import silent
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.learners.state_file import StateFile
from med_maml_pipeline.tasks.types import TargetType

pytestmark = pytest.mark.gpu

ROWS = {"steps": 40, "hidden": (8,), "meta_batch": 6, "shots": 3, "query": 9, "device": "cuda"}
PICTURES = {**TINY["maml"], "steps": 12, "device": "cuda"}
DATA = {"numbers": (problem(TargetType.BINARY), ROWS), "pictures": (pictures(), PICTURES)}


def _fit(data, settings, *, state=None, progress=silent):
    return get_learner("maml").meta_fit(data, settings, 0, Monitor(progress, state))


def _losses(made):
    return [record["loss"] for record in made.history]


@pytest.mark.parametrize(("data", "settings"), DATA.values(), ids=DATA)
def test_loss_curves_are_those_of_the_cpu(data, settings):
    on_gpu, on_cpu = (_fit(data, {**settings, "device": device}) for device in ("cuda", "cpu"))
    np.testing.assert_allclose(_losses(on_gpu), _losses(on_cpu), rtol=0.05)
    assert _losses(on_gpu)[0] == pytest.approx(_losses(on_cpu)[0], rel=1e-3)


@pytest.mark.parametrize(("data", "settings"), DATA.values(), ids=DATA)
def test_replayed_graphs_train_as_ordinary_updates(data, settings, monkeypatch, caplog):
    made = []
    of = graphed_step.step_for
    monkeypatch.setattr(outer_loop, "step_for", lambda *given: made.append(of(*given)) or made[-1])
    with caplog.at_level(logging.WARNING):
        graphed = _fit(data, settings)
    assert "captured" not in caplog.text  # nothing fell back
    assert any(bucket.replay for bucket in made[0]._buckets.values())
    monkeypatch.setattr(outer_loop, "step_for", MetaStep)
    ordinary = _fit(data, settings)
    np.testing.assert_allclose(_losses(graphed), _losses(ordinary), rtol=0.02)


class _BrokenError(Exception):
    pass


def test_a_broken_off_training_goes_on(tmp_path):
    data, whole = problem(TargetType.BINARY), _fit(problem(TargetType.BINARY), ROWS)

    def breaks(done, total, figures):
        if done == 25:
            raise _BrokenError

    with pytest.raises(_BrokenError):
        _fit(data, ROWS, state=StateFile(tmp_path / "s", every=0), progress=breaks)
    told = []
    again = _fit(
        data,
        ROWS,
        state=StateFile(tmp_path / "s", every=0),
        progress=lambda done, total, figures: told.append(done),
    )
    assert told[0] == 25
    np.testing.assert_allclose(_losses(again), _losses(whole), rtol=0.02)


def test_memory_that_runs_out_halves_the_tasks_at_once(caplog):
    """Half of what an update takes is left to the process: the update is divided and ends alike."""
    settings = {**PICTURES, "steps": 3, "meta_batch": 32, "query": 20, "augment": False, "memory_mib": 1e6}
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    resting = torch.cuda.memory_allocated()
    whole = _fit(pictures(), settings)
    taken = torch.cuda.max_memory_allocated() - resting
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + taken / 2) / total)
    try:
        with caplog.at_level(logging.WARNING):
            divided = _fit(pictures(), settings)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "Out of memory: the update is repeated with 16 task(s) at a time." in caplog.messages
    np.testing.assert_allclose(_losses(divided), _losses(whole), rtol=0.02)


def test_bfloat16_and_tf32_train():
    for precision in ("tf32", "bfloat16"):
        made = _fit(problem(TargetType.BINARY), {**ROWS, "precision": precision})
        assert np.isfinite(_losses(made)).all()
