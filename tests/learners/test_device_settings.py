"""Settings ``device`` and ``precision``: what is refused, when, and what they change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_picture_learners import TINY, pictures
from test_protocol import problem

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.learners.devices import arithmetic
from med_maml_pipeline.learners.maml import Maml
from med_maml_pipeline.learners.maml_settings import MamlTraining
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.learners.settings import read_settings
from med_maml_pipeline.learners.training import Effort, meta_train
from med_maml_pipeline.tasks.types import TargetType

torch.set_num_threads(1)

NAMES = ["maml", "protonet", "linear_probe", "prior"]
ROWS = {"steps": 30, "hidden": (8,)}


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def old_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: False)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_gpu_is_said_before_anything_is_trained(name, no_gpu, monkeypatch):
    monkeypatch.setattr(Maml, "meta_fit", lambda *_: pytest.fail("trained"))
    effort = Effort(2, 1, 1, {"maml": {"steps": 1}, name: {"device": "cuda"}})
    with pytest.raises(
        ConfigurationError, match=f"'{name}': 'device: cuda'.*no CUDA device; set 'device: cpu'"
    ):
        list(meta_train([problem(TargetType.BINARY)], dict.fromkeys(["maml", name]), effort, [0]))


def test_auto_takes_what_there_is(no_gpu, monkeypatch):
    assert read_settings(MamlTraining, {"device": "auto"}, "maml").device == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert read_settings(MamlTraining, {"device": "auto"}, "maml").device == "cuda"


def test_unknown_names_are_refused(no_gpu):
    with pytest.raises(ConfigurationError, match="unknown device 'gpu'; expected one of: auto, cpu, cuda"):
        read_settings(MamlTraining, {"device": "gpu"}, "maml")
    with pytest.raises(ConfigurationError, match="unknown precision 'half'; expected one of: float32, tf32"):
        read_settings(MamlTraining, {"precision": "half"}, "maml")


def test_a_gpu_without_bfloat16_is_said(old_gpu):
    with pytest.raises(
        ConfigurationError, match="this GPU has no bfloat16; set 'precision' to tf32 or float32"
    ):
        read_settings(MamlTraining, {"device": "cuda", "precision": "bfloat16"}, "maml")
    assert read_settings(MamlTraining, {"device": "cuda", "precision": "tf32"}, "maml").precision == "tf32"


def test_tf32_is_allowed_while_asked_for_alone():
    def now():
        return torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision

    before = now()
    with arithmetic("float32"):
        assert now() == ("ieee", "ieee")
        with arithmetic("tf32"):
            assert now() == ("tf32", "tf32")
        assert now() == ("ieee", "ieee")
    assert now() == before


def _network(name, precision, data, settings):
    made = get_learner(name).meta_fit(data, {**settings, "precision": precision}, 0, Monitor())
    learned = {key: array for key, array in made.arrays.items() if key.startswith("network.")}
    return np.concatenate([array.ravel() for array in learned.values()]), made


@pytest.mark.parametrize("name", NAMES)
def test_tf32_changes_nothing_on_a_cpu_and_bfloat16_little(name):
    data = problem(TargetType.BINARY)
    whole, tf32, rounded = (
        _network(name, precision, data, ROWS) for precision in ("float32", "tf32", "bfloat16")
    )
    assert np.array_equal(whole[0], tf32[0])
    assert not np.array_equal(whole[0], rounded[0])
    assert rounded[0].dtype == np.float32
    assert np.linalg.norm(rounded[0] - whole[0]) < 0.25 * np.linalg.norm(whole[0])
    losses = [made.history[-1]["loss"] for _, made in (whole, rounded)]
    assert losses[1] == pytest.approx(losses[0], rel=0.1)


def test_bfloat16_trains_on_pictures():
    whole, rounded = (_network("maml", p, pictures(), TINY["maml"])[1] for p in ("float32", "bfloat16"))
    assert rounded.history[0]["loss"] == pytest.approx(whole.history[0]["loss"], rel=0.05)
