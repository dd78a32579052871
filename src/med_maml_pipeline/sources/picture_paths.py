"""Which file each row of a label table means, and which pictures no row means."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.sources.cells import canonical
from med_maml_pipeline.sources.place import Place

__all__ = ["PictureFiles", "count_unlisted"]

_SUFFIXES = (".jpg", ".jpeg", ".png")


class PictureFiles:
    """Resolves cells of a label table to files below a folder, links followed.

    Args:
        folder: The source's folder.
        pattern: Path below it; ``{}`` stands for the cell.
        place: For errors.

    Raises:
        ConfigurationError: the pattern has no ``{}``.
    """

    def __init__(self, folder: Path, pattern: str, place: Place) -> None:
        if "{}" not in pattern:
            raise ConfigurationError(
                f"source '{place.source}': 'file_pattern' must hold {{}}, the place of the cell."
            )
        self._root = str(folder.resolve())
        self._pattern, self._place = pattern, place
        self._real_folder = lru_cache(maxsize=4096)(os.path.realpath)  # pictures share few folders

    def resolve(self, cells: pd.Series) -> list[str]:
        """Path of each cell's picture, ``""`` where the cell is blank."""
        return [self._path(cell) for cell in cells]

    def require_usable(self, paths: Sequence[str], rows: pd.Index) -> None:
        """Every row must name one picture inside the folder that exists and that no other row names.

        Args:
            paths: From `resolve`.
            rows: Row numbers of the same length.

        Raises:
            DataError: with the count and the first row number.
        """
        blank = [not path for path in paths]
        self._refuse(blank, rows, "name no picture", "a file in every row", "fill them in or exclude them")
        self._refuse(
            [not self._inside(path) for path in paths],
            rows,
            "name a path that leaves the source's folder",
            "paths below it, without '..' or links that lead out",
            "move the pictures into the folder, or correct the paths",
        )
        self._refuse(
            [not _is_file(path) for path in paths],
            rows,
            "name a picture that does not exist",
            "every picture of the table under the source's folder",
            "add the pictures, correct 'columns.file' or 'columns.file_pattern', or exclude the rows",
        )
        self._refuse(
            pd.Series(paths).duplicated().tolist(),
            rows,
            "name a picture that an earlier row names",
            "one row per picture",
            "remove the repeated rows",
        )

    def _path(self, cell: object) -> str:
        text = cell.strip() if isinstance(cell, str) else canonical(cell)  # text as it is: '1.10' is no 1.1
        if not text:
            return ""
        folder, name = os.path.split(os.path.join(self._root, self._pattern.replace("{}", text)))  # noqa: PTH118
        try:
            path = os.path.join(self._real_folder(folder), name)  # noqa: PTH118
            return os.path.realpath(path) if name in ("", ".", "..") or os.path.islink(path) else path  # noqa: PTH114
        except (OSError, ValueError):  # too long, or a null byte: no such file
            return os.path.join(self._root, "\0")  # noqa: PTH118

    def _inside(self, path: str) -> bool:
        return path.startswith(self._root.rstrip(os.sep) + os.sep)

    def _refuse(self, bad: Sequence[bool], rows: pd.Index, problem: str, expected: str, remedy: str) -> None:
        which: NDArray[np.intp] = np.flatnonzero(bad)
        if len(which):
            raise self._place.error(
                f"{len(which)} of {len(rows)} rows {problem}, first in row {rows[which[0]]}",
                expected=expected,
                remedy=remedy,
            )


def count_unlisted(folder: Path, listed: Sequence[str]) -> int:
    """Number of JPEG and PNG files (by suffix, hidden ones left out) below a folder that are not listed."""
    known = set(listed)
    count = 0
    for parent, _, names in os.walk(folder.resolve()):
        for name in names:
            if name.lower().endswith(_SUFFIXES) and not name.startswith("."):
                path = os.path.join(parent, name)  # noqa: PTH118
                count += path not in known and os.path.realpath(path) not in known
    return count


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116
    except (OSError, ValueError):
        return False
