"""A file that a user names on the command line, for this run only: read by the node, never written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.io.core import AbstractDataset, DatasetError

from med_maml_pipeline.datasets.manifest import sha256_of
from med_maml_pipeline.errors import DataError

__all__ = ["UserFileDataset"]


class UserFileDataset(AbstractDataset[None, Path]):
    """A handle to a user's own file; nothing is touched until a run needs it.

    Args:
        role: The parameter that names the file: ``support``, ``query``.
        filepath: The file; None where the parameter was not given.
        metadata: For Kedro-Viz; unused here.
    """

    def __init__(
        self, role: str, filepath: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self._role = role
        self._path = None if filepath is None else Path(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        """The path of the file, which exists.

        Raises:
            DataError: none was named, or it is no file.
        """
        return self._file()

    def save(self, data: None) -> None:
        """Refuses: a user's files are read only.

        Raises:
            DatasetError: always.
        """
        raise DatasetError("a user's own files are never written")

    def fingerprint(self) -> str:
        """SHA-256 of the file. Raises as `load` does."""
        return sha256_of(self._file())

    def _exists(self) -> bool:
        return True  # whether the file is there is for `load` to say, in better words

    def _describe(self) -> dict[str, Any]:
        """The role, but no path: file names may identify."""
        return {"role": self._role}

    def _file(self) -> Path:
        if self._path is None:
            raise self._error("no file was named")
        if not self._path.is_file():
            raise self._error("there is no such file")
        return self._path

    def _error(self, problem: str) -> DataError:
        return DataError(
            problem,
            source="personalisation",
            where=f"{self._role} table",
            expected="a table of your own",
            remedy=f"name it with --params {self._role}=FILE",
        )
