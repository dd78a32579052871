"""Checkpoints as files: arrays as safetensors, facts as JSON; no code is ever stored or loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from med_maml_pipeline.learners.protocol import Checkpoint

__all__ = [
    "CheckpointKey",
    "CheckpointStore",
    "checkpoint_files",
    "checkpoint_keys",
    "load_checkpoint",
    "load_checkpoints",
]

CheckpointKey = tuple[str, int, str]
"""Problem, fold and learner."""

_ARRAYS = ".safetensors"


class CheckpointStore(Protocol):
    """Read access to a snapshot folder."""

    def names(self, prefix: str = "") -> Sequence[str]:
        """Relative paths that start with ``prefix``."""

    def read(self, name: str) -> Any:
        """A dictionary of arrays, a table, or what JSON holds."""


def checkpoint_files(
    problem: str, fold: int, learner: str, checkpoint: Checkpoint
) -> Iterator[tuple[str, dict[str, Any]]]:
    """``(relative path, content)`` of the files of one checkpoint: ``<problem>/<fold>/<learner>.…``."""
    stem = f"{problem}/{fold}/{learner}"
    yield f"{stem}{_ARRAYS}", dict(checkpoint.arrays)
    yield f"{stem}.json", {"made_by": checkpoint.learner, "facts": dict(checkpoint.facts)}


def checkpoint_keys(store: CheckpointStore) -> tuple[CheckpointKey, ...]:
    """What a snapshot holds, in the order of saving."""
    stems = (name.removesuffix(_ARRAYS).rsplit("/", 2) for name in store.names() if name.endswith(_ARRAYS))
    return tuple((problem, int(fold), learner) for problem, fold, learner in stems)


def load_checkpoint(store: CheckpointStore, key: CheckpointKey) -> Checkpoint:
    """One checkpoint of a snapshot, without its history."""
    problem, fold, learner = key
    stem = f"{problem}/{fold}/{learner}"
    facts = store.read(f"{stem}.json")
    return Checkpoint(facts["made_by"], store.read(f"{stem}{_ARRAYS}"), facts["facts"])


def load_checkpoints(store: CheckpointStore) -> dict[CheckpointKey, Checkpoint]:
    """All checkpoints of a snapshot by (problem, fold, learner), without their histories."""
    return {key: load_checkpoint(store, key) for key in checkpoint_keys(store)}
