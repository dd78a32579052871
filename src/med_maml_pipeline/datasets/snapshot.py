"""A folder of files as one versioned dataset: saved lazily, complete or absent, checked when read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from kedro.io.core import DatasetError, Version

from med_maml_pipeline.datasets.atomic import AtomicDataset
from med_maml_pipeline.datasets.contents import Content, read_content, write_file
from med_maml_pipeline.datasets.manifest import MANIFEST, CorruptError, Entry, Manifest, sha256_of
from med_maml_pipeline.datasets.staging import SaveError

__all__ = ["Parts", "Snapshot", "SnapshotDataset"]

Parts = Mapping[str, Content] | Iterable[tuple[str, Content]]
"""Relative POSIX path and content of each file. An iterable is taken one item at a time: memory holds one.

A node *returns* such an iterable, for instance a generator made by a helper. The node's own function must not
be a generator function: Kedro would save each yielded item as a dataset of its own."""


class Snapshot:
    """One stored version: reads files when asked, and checks each against the manifest first.

    Attributes:
        root: Folder of the version.
        manifest: What it holds.
    """

    def __init__(self, root: Path, manifest: Manifest) -> None:
        self.root = root
        self.manifest = manifest
        self._entries = {entry.path: entry for entry in manifest.entries}
        self._checked: set[str] = set()

    @property
    def fingerprint(self) -> str:
        """SHA-256 over paths and contents, independent of time and version."""
        return self.manifest.fingerprint

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """Relative paths that start with ``prefix``, in the order of saving."""
        return tuple(name for name in self._entries if name.startswith(prefix))

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def path(self, name: str) -> Path:
        """Path of one file, for readers that open files themselves.

        Raises:
            KeyError: no such file in the manifest.
            CorruptError: size (checked each time) or SHA-256 (once per file) differ from the manifest.
        """
        entry = self._entries[name]
        path = self.root / name
        if not path.is_file() or path.stat().st_size != entry.size:
            raise self._damage("missing or of another size than the manifest says")
        if name not in self._checked:
            if sha256_of(path) != entry.sha256:
                raise self._damage("changed after it was written")
            self._checked.add(name)
        return path

    def read(self, name: str) -> Any:
        """Content of one file: see `read_content`. Raises as `path` does."""
        return read_content(self.path(name))

    def _damage(self, what: str) -> CorruptError:
        return CorruptError(
            f"a file of dataset '{self.root.name}', version '{self.root.parent.name}', is {what}; "
            "remove that version or make it again"
        )


class SnapshotDataset(AtomicDataset[Parts, Snapshot]):
    """A folder per version at ``<filepath>/<version>/<name>/``, with `MANIFEST` written last.

    Args:
        filepath: Folder of the dataset.
        version: Set by Kedro where the catalog says ``versioned: true``.
        metadata: For Kedro-Viz; unused here.
    """

    def __init__(
        self, filepath: str, version: Version | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath, version, metadata, exists=_is_complete)

    def fingerprint(self) -> str:
        """SHA-256 over the paths and contents of the version that a load would give."""
        return self._read(Path(self._get_load_path())).fingerprint

    def _write(self, data: Parts, path: Path) -> None:
        items = data.items() if isinstance(data, Mapping) else data
        path.mkdir()
        entries: dict[str, Entry] = {}
        for name, content in items:
            if name in entries:
                raise SaveError(f"dataset '{self.name}' was given two files of one name")
            file = _target(path, name, dataset=self.name)
            file.parent.mkdir(parents=True, exist_ok=True)
            entries[name] = Entry(name, *write_file(content, file))
            del content  # else it lives on while the next one is made
        write_file(Manifest(tuple(entries.values())).to_json().encode(), path / MANIFEST)

    def _read(self, path: Path) -> Snapshot:
        if not _is_complete(str(path)):
            raise DatasetError(f"dataset '{self.name}' has no complete version '{path.parent.name}'")
        return Snapshot(path, Manifest.read(path / MANIFEST, dataset=self.name))


def _is_complete(path: str) -> bool:
    return os.path.isfile(os.path.join(path, MANIFEST))  # noqa: PTH113, PTH118 - Kedro hands over strings


def _target(root: Path, name: str, *, dataset: str) -> Path:
    """The path of one file below ``root``.

    Raises:
        SaveError: the name is empty, absolute, leaves the folder or is the manifest's.
    """
    relative = PurePosixPath(name)
    plain = relative.parts and not relative.is_absolute() and str(relative) == name
    if not plain or ".." in relative.parts or "\\" in name or "\0" in name or name == MANIFEST:
        raise SaveError(
            f"dataset '{dataset}' was given a file name that is absolute, leaves its folder or is reserved; "
            "expected a relative POSIX path"
        )
    return root / relative
