"""A meta-training that keeps its state: `test_resume` runs this file, kills it, and runs it again.

Usage: python resumed_training.py LEARNER STATE RESULT. One line per update goes to standard output.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.numpy import save
from test_protocol import problem

from med_maml_pipeline.learners.judging import judge_of
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.protocol import Checkpoint, silent
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.learners.state_file import StateFile
from med_maml_pipeline.tasks.types import TargetType

STEPS = 150
SETTINGS = {"steps": STEPS, "hidden": (8,), "warmup": 0.1, "validate_every": 7, "patience": 0}


def train(name: str, state: StateFile | None, progress=silent) -> Checkpoint:
    learner, data = get_learner(name), problem(TargetType.BINARY)
    judge = judge_of(learner, data, learner.adapt_grid[0], seed=3)
    return learner.meta_fit(data, SETTINGS, 3, Monitor(progress, state, judge))


def as_bytes(checkpoint: Checkpoint) -> bytes:
    described = {"facts": checkpoint.facts, "history": checkpoint.history}
    return save(dict(checkpoint.arrays)) + json.dumps(described, sort_keys=True).encode()


def _tell(done: int, total: int, figures: object) -> None:
    sys.stdout.write(f"{done}\n")
    sys.stdout.flush()


def main(name: str, state: str, result: str) -> None:
    torch.set_num_threads(1)
    made = train(name, StateFile(Path(state), every=0), _tell)
    Path(result).write_bytes(as_bytes(made))


if __name__ == "__main__":
    main(*sys.argv[1:])
