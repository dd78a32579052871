"""Checkpoints as files: arrays as safetensors, facts as JSON; no code is ever stored or loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.learners.protocol import Checkpoint

__all__ = [
    "CheckpointKey",
    "CheckpointStore",
    "checkpoint_files",
    "checkpoint_keys",
    "load_checkpoint",
    "load_checkpoints",
]

_ARRAYS = ".safetensors"


class CheckpointKey(NamedTuple):
    """Which meta-training a checkpoint is of; ``seed`` is the one that it was drawn with."""

    problem: str
    fold: int
    learner: str
    seed: int

    @property
    def stem(self) -> str:
        """Relative path of its files without their endings: ``<problem>/<fold>/<seed>/<learner>``."""
        return f"{self.problem}/{self.fold}/{self.seed}/{self.learner}"


class CheckpointStore(Protocol):
    """Read access to a snapshot folder."""

    def names(self, prefix: str = "") -> Sequence[str]:
        """Relative paths that start with ``prefix``."""

    def read(self, name: str) -> Any:
        """A dictionary of arrays, a table, or what JSON holds."""


def checkpoint_files(key: CheckpointKey, checkpoint: Checkpoint) -> Iterator[tuple[str, dict[str, Any]]]:
    """``(relative path, content)`` of the files of one checkpoint; see `CheckpointKey.stem`."""
    yield f"{key.stem}{_ARRAYS}", dict(checkpoint.arrays)
    yield f"{key.stem}.json", {"made_by": checkpoint.learner, "facts": dict(checkpoint.facts)}


def checkpoint_keys(store: CheckpointStore) -> tuple[CheckpointKey, ...]:
    """What a snapshot holds, in the order of saving.

    Raises:
        DataError: its files are named otherwise, as another version of this package did.
    """
    return tuple(_key(name.removesuffix(_ARRAYS)) for name in store.names() if name.endswith(_ARRAYS))


def load_checkpoint(store: CheckpointStore, key: CheckpointKey) -> Checkpoint:
    """One checkpoint of a snapshot, without its history."""
    facts = store.read(f"{key.stem}.json")
    return Checkpoint(facts["made_by"], store.read(f"{key.stem}{_ARRAYS}"), facts["facts"])


def load_checkpoints(store: CheckpointStore) -> dict[CheckpointKey, Checkpoint]:
    """All checkpoints of a snapshot by their keys, without their histories."""
    return {key: load_checkpoint(store, key) for key in checkpoint_keys(store)}


def _key(stem: str) -> CheckpointKey:
    try:
        problem, fold, seed, learner = stem.rsplit("/", 3)
        return CheckpointKey(problem, int(fold), learner, int(seed))
    except ValueError:
        raise DataError(
            "the files of a checkpoint are not named as this version names them",
            source="checkpoint",
            expected="<problem>/<fold>/<seed>/<learner>",
            remedy="meta-train again with this version, or use the version that made it",
        ) from None
