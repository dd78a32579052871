"""Every learner of the registry agrees with a reference that shares no code with it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from med_maml_pipeline.learners.registry import LEARNERS

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from learner_references import CHECKS  # noqa: E402

torch.set_num_threads(1)


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: f"{c.learner}-{c.quantity}-{c.reference}")
def test_error_is_below_its_gate(check):
    assert check.error() <= check.gate


def test_every_learner_has_a_check():
    assert {check.learner for check in CHECKS} == set(LEARNERS)
