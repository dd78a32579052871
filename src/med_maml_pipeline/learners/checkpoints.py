"""Checkpoints as files: arrays as safetensors, facts as JSON; no code is ever stored or loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from med_maml_pipeline.learners.protocol import Checkpoint

__all__ = ["CheckpointStore", "checkpoint_files", "load_checkpoints"]


class CheckpointStore(Protocol):
    """Read access to a snapshot folder."""

    def names(self, prefix: str = "") -> Sequence[str]:
        """Relative paths that start with ``prefix``."""

    def read(self, name: str) -> Any:
        """A dictionary of arrays, or what JSON holds."""


def checkpoint_files(
    problem: str, fold: int, learner: str, checkpoint: Checkpoint
) -> Iterator[tuple[str, dict[str, Any]]]:
    """``(relative path, content)`` of the files of one checkpoint: ``<problem>/<fold>/<learner>.…``."""
    stem = f"{problem}/{fold}/{learner}"
    yield f"{stem}.safetensors", dict(checkpoint.arrays)
    yield f"{stem}.json", {"made_by": checkpoint.learner, "facts": dict(checkpoint.facts)}


def load_checkpoints(store: CheckpointStore) -> dict[tuple[str, int, str], Checkpoint]:
    """All checkpoints of a snapshot by (problem, fold, learner), without their histories."""
    checkpoints = {}
    for name in store.names():
        if not name.endswith(".json"):
            continue
        problem, fold, learner = name.removesuffix(".json").rsplit("/", 2)
        facts = store.read(name)
        arrays = store.read(f"{problem}/{fold}/{learner}.safetensors")
        checkpoints[problem, int(fold), learner] = Checkpoint(facts["made_by"], arrays, facts["facts"])
    return checkpoints
