"""Random streams that depend on a seed and a name, never on order."""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["stable_rng"]


def stable_rng(seed: int, *name: str | int) -> np.random.Generator:
    """A generator for the stream called ``name``.

    Streams of different names are independent, so a task's draws stay the same when tasks are added.

    Args:
        seed: Seed of the run, not negative.
        *name: What the stream is for, such as ``("episode", problem, fold, task_id, size, draw)``.

    Raises:
        ValueError: the seed is negative.
    """
    digest = hashlib.sha256("\x1f".join(map(str, name)).encode()).digest()
    words = np.frombuffer(digest, dtype="<u4").tolist()
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))
