"""Which meta-trainings get processes of their own, and what is said where that cannot be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ranked_training import small_problem

from med_maml_pipeline.config import parse_parameters
from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.learners import launched_fit
from med_maml_pipeline.learners.distributed import DistributedSettings, LaunchError
from med_maml_pipeline.learners.fitting import ALONE, Job, fit_and_score
from med_maml_pipeline.learners.launched_fit import fit_on_ranks, is_launched

torch.set_num_threads(1)

TWO = DistributedSettings(launcher="elastic", ranks=2, max_restarts=0)


def _job(learner: str, distributed: DistributedSettings, state: Path | None = None) -> Job:
    settings = {} if learner == "forest" else {"steps": 3, "hidden": (4,), "meta_batch": 3}
    around = replace(ALONE, distributed=distributed, state=state)
    return Job(small_problem(), (learner,), settings, {learner: ({},)}, 0, around)


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ({"launcher": "elastik"}, "'distributed.launcher': Input should be 'none', 'elastic' or 'ray'"),
        ({"ranks": 0}, "'distributed.ranks': Input should be greater than or equal to 1"),
        ({"max_restarts": -1}, "'distributed.max_restarts': Input should be greater than or equal to 0"),
        ({"rank": 2}, "unknown key 'distributed.rank'; did you mean 'ranks'?"),
        ({"launcher": "elastic", "address": "auto"}, "'address' is that of a Ray cluster"),
    ],
)
def test_bad_settings_are_named(block, told):
    with pytest.raises(ConfigurationError) as caught:
        parse_parameters({"distributed": block})
    assert told in str(caught.value)


def test_processes_are_for_what_is_trained_in_steps():
    assert is_launched(_job("maml", TWO))
    assert not is_launched(_job("forest", TWO))
    assert not is_launched(_job("maml", DistributedSettings()))


def test_without_a_state_folder_the_result_comes_back_too():
    alone, together = fit_and_score(_job("maml", DistributedSettings())), fit_on_ranks(_job("maml", TWO))
    assert together.checkpoint.arrays.keys() == alone.checkpoint.arrays.keys()
    facts = [json.dumps(dict(fit.checkpoint.facts)) for fit in (alone, together)]
    assert facts[1] == facts[0]
    losses = [[point["loss"] for point in fit.checkpoint.history] for fit in (alone, together)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_a_missing_result_tells_what_storage_it_takes(tmp_path, monkeypatch):
    monkeypatch.setattr(launched_fit, "run_on_ranks", lambda *arguments, **options: None)
    with pytest.raises(LaunchError, match="storage that all machines share"):
        fit_on_ranks(_job("maml", TWO, tmp_path))
