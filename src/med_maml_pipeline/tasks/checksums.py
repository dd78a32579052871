"""Checksums that agree between clones: of data and seed, never of the identifier key."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from med_maml_pipeline.tasks.types import FloatArray, IntArray

__all__ = ["episodes_checksum", "task_checksum"]


def task_checksum(task_id: str, rows: IntArray, y: FloatArray) -> str:
    """SHA-256 of a task's content.

    Args:
        task_id: Task id.
        rows: ``[n]`` row numbers of the pool.
        y: ``[n]`` labels.
    """
    digest = hashlib.sha256(task_id.encode() + b"\0")
    digest.update(np.ascontiguousarray(rows, dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(y, dtype="<f4").tobytes())
    return digest.hexdigest()


def episodes_checksum(episodes: pd.DataFrame) -> str:
    """SHA-256 of the episodes, whatever their order in the table.

    Args:
        episodes: Table with ``episode_id``, ``support`` and ``query``.
    """
    digest = hashlib.sha256()
    table = episodes.sort_values("episode_id", kind="stable")
    for name, support, query in zip(table["episode_id"], table["support"], table["query"], strict=True):
        digest.update(str(name).encode() + b"\0")
        for positions in (support, query):
            digest.update(np.int64(len(positions)).tobytes())
            digest.update(np.asarray(positions, dtype="<i8").tobytes())
    return digest.hexdigest()
