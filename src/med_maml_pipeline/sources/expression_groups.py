"""Which expression samples belong together: by a declared column, and where they are alike in every gene."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from med_maml_pipeline.sources.alike import join_alike
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.sources.reading import AttritionRow
from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["digests", "group_rows"]


def digests(x: FloatArray) -> list[bytes]:
    """One 128-bit hash per row of ``[n, g]``: equal where rows are equal in every cell, gaps included."""
    plain = np.where(np.isnan(x), np.float32(np.nan), x + np.float32(0))  # one NaN, and no negative zero
    return [blake2b(row.tobytes(), digest_size=16).digest() for row in plain]


def group_rows(
    groups: NDArray[np.object_], hashes: Sequence[bytes], table: str, shared: str | None, place: Place
) -> tuple[NDArray[np.object_], list[AttritionRow]]:
    """Groups ``[n]`` with alike samples joined, and the account of it.

    Args:
        groups: ``[n]`` identifiers, declared or one per sample.
        hashes: ``n`` hashes of the samples' genes.
        table: Name of the table in the account.
        shared: Group column whose identifiers other tables or sources may know, or None.
        place: For errors.

    Raises:
        DataError: alike samples lie in different shared groups: joining them here would leave them apart
            elsewhere.
    """
    joined = join_alike(groups, hashes)
    before, after = len(pd.unique(groups)), len(pd.unique(joined))
    if after < before and shared is not None:
        raise place.error(
            f"{before - after} groups hold samples alike in every gene with samples of another group",
            expected=f"one group in column '{shared}' for alike samples, since 'group_namespace' shares it",
            remedy="correct the group column, or leave group_namespace out",
        )
    return joined, [
        AttritionRow(table, "samples read", len(groups), 0),
        AttritionRow(table, "joined: samples alike in every gene (groups, not rows)", after, before - after),
    ]
