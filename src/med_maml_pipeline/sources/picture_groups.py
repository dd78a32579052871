"""Groups of pictures: what the table calls one group, and exact duplicates, are never parted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from med_maml_pipeline.sources.alike import codes_of, join_alike
from med_maml_pipeline.sources.reading import AttritionRow
from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["PictureGroups", "join_groups"]


@dataclass(frozen=True)
class PictureGroups:
    """The groups, and what duplicates did to them.

    Attributes:
        ids: ``[n]`` str: one identifier per joined group.
        duplicates: Number of pictures that have an exact duplicate, themselves counted.
        sets: Number of sets of exact duplicates.
        spanning: Number of those sets whose pictures were in several groups.
        conflicts: Number of those sets whose labels differ.
    """

    ids: NDArray[np.object_]
    duplicates: int
    sets: int
    spanning: int
    conflicts: int

    def account(self, table: str) -> list[AttritionRow]:
        """Lines of the cohort account: duplicates stay, so nothing is lost, and ``kept`` holds the number."""
        lines = {
            "pictures with an exact duplicate, kept in one group with it": self.duplicates,
            "sets of exact duplicates (sets, not rows)": self.sets,
            "of them with different labels (sets, not rows)": self.conflicts,
        }
        if self.spanning:
            lines["of them joining several groups into one (sets, not rows)"] = self.spanning
        return [AttritionRow(table, step, number, 0) for step, number in lines.items()]


def join_groups(
    declared: NDArray[np.object_] | None, digests: Sequence[bytes], y: FloatArray
) -> PictureGroups:
    """Joins groups that share a picture, over any number of steps (connected components).

    A joined group has the identifier of its first row. Where no group is declared, a picture's identifier is
    its digest, so that sources which share a group namespace share duplicates too.

    Args:
        declared: ``[n]`` str group identifiers, or None.
        digests: ``n`` digests: equal where pictures are alike byte for byte.
        y: ``[n]`` labels.
    """
    if declared is None:
        declared = np.array([f"picture-{digest.hex()}" for digest in digests], dtype=object)
    pictures, groups = codes_of(digests), pd.factorize(declared)[0]
    by_picture = pd.DataFrame({"picture": pictures, "group": groups, "y": y}).groupby("picture")
    sizes, distinct = by_picture.size(), by_picture.nunique()
    return PictureGroups(
        ids=join_alike(declared, digests),
        duplicates=int(sizes[sizes > 1].sum()),
        sets=int((sizes > 1).sum()),
        spanning=int((distinct["group"] > 1).sum()),
        conflicts=int((distinct["y"] > 1).sum()),
    )
