"""What our versioned datasets share: a save is all or nothing, and a run reads what it wrote itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, Self, TypeVar

from kedro.io.core import AbstractVersionedDataset, DatasetError, Version

from med_maml_pipeline.datasets.staging import staged_version

__all__ = ["AtomicDataset"]

_Saved = TypeVar("_Saved")
_Loaded = TypeVar("_Loaded")


class AtomicDataset(AbstractVersionedDataset[_Saved, _Loaded]):
    """Base of datasets that live at ``<filepath>/<version>/<name>``, a file or a folder.

    Kedro resolves the version to load when it loads: with two runs side by side, a stage would read what the
    other run finished last. Here a dataset that has saved keeps to the version it saved. That also holds
    where a load version was pinned: a pin is for what a run takes from outside, not for what it makes.

    Args:
        filepath: Path of the dataset; versions are folders below it.
        version: Set by Kedro where the catalog says ``versioned: true``.
        metadata: For Kedro-Viz and other readers of the catalog; unused here.

    Raises:
        DatasetError: the catalog entry is not versioned.
    """

    def __init__(
        self,
        filepath: str,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        exists: Callable[[str], bool] | None = None,
    ) -> None:
        if version is None:
            raise DatasetError(f"'{PurePosixPath(filepath).name}' needs 'versioned: true' in the catalog")
        super().__init__(PurePosixPath(filepath), version, exists_function=exists)
        self.metadata = metadata
        self._written_version: str | None = None

    @property
    def name(self) -> str:
        """Last part of the path: how messages call the dataset."""
        return self._filepath.name

    @property
    def folder(self) -> Path:
        """Folder of all versions."""
        return Path(self._filepath)

    @property
    def load_path(self) -> Path:
        """File or folder that a load would read."""
        return Path(self._get_load_path())

    def load(self) -> _Loaded:
        """Reads the version that was saved here, else the pinned one, else the latest."""
        return self._read(self.load_path)

    def save(self, data: _Saved) -> None:
        """Writes a new version, all or nothing.

        Raises:
            SaveError: the version exists, or there is no room left.
        """
        version = self.resolve_save_version()
        assert version is not None  # noqa: S101 - versioned by construction
        target = Path(self._get_versioned_path(version))
        with staged_version(target.parent, dataset=self.name) as partial:
            self._write(data, partial / target.name)
        self._written_version = version

    def resolve_load_version(self) -> str | None:
        """The version a load gives: what this run wrote, else the pinned one, else the latest."""
        return self._written_version or super().resolve_load_version()

    @classmethod
    def _save_wrapper(cls, save_func: Callable[[Self, _Saved], None]) -> Callable[[Self, _Saved], None]:
        """Marks Kedro's wrapper as one; else each level of inheritance wraps, and draws a version, anew."""
        wrapped = super()._save_wrapper(save_func)
        wrapped.__savewrapped__ = True
        return wrapped

    @abstractmethod
    def fingerprint(self) -> str:
        """SHA-256 of the content that a load would give."""

    @abstractmethod
    def _write(self, data: _Saved, path: Path) -> None:
        """Writes ``data`` to ``path``, which does not exist, and flushes it to the disk."""

    @abstractmethod
    def _read(self, path: Path) -> _Loaded:
        """Reads what `_write` wrote."""

    def _exists(self) -> bool:
        return self._exists_function(str(self._get_load_path()))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "version": self._version}
