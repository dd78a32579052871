"""The active sources of one modality: what configuration says of them, checked, and no data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedro.io.core import AbstractDataset, DatasetError
from pydantic import TypeAdapter, ValidationError

from med_maml_pipeline.datasets.manifest import digest_of, sha256_of
from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.sources.reading import inside
from med_maml_pipeline.sources.spec import SourceSpec
from med_maml_pipeline.validation import configuration_error, did_you_mean

__all__ = ["MultiSourceDataset", "SourceFingerprint", "SourceSet", "SourceSetError"]

_SPEC: TypeAdapter[SourceSpec] = TypeAdapter(SourceSpec)


class SourceSetError(ConfigurationError, DatasetError):
    """A source's entry in the catalog is wrong. (A `DatasetError` too, so that Kedro leaves it as it is.)"""


@dataclass(frozen=True)
class SourceFingerprint:
    """What a source's files were: their number, bytes, and one SHA-256 over names and contents."""

    files: int
    size: int
    sha256: str


@dataclass(frozen=True)
class SourceSet:
    """The active sources of a modality.

    Attributes:
        modality: ``ehr``, ``molecules``, …
        root: Folder that the paths of external sources are relative to.
        specs: Specification by source name, in the order of ``active_sources``.
    """

    modality: str
    root: Path
    specs: Mapping[str, SourceSpec]

    def fingerprints(self) -> dict[str, SourceFingerprint]:
        """One fingerprint per external source; reads every byte of its files.

        Raises:
            DataError: a configured path is missing or leaves the root.
        """
        return {
            name: _fingerprint(inside(self.root, spec.path, source=name))
            for name, spec in self.specs.items()
            if spec.dataset == "external"
        }

    def definitions(self) -> dict[str, str]:
        """SHA-256 of what configuration says of each source: format, columns, tasks; no data."""
        return {
            name: hashlib.sha256(spec.model_dump_json().encode()).hexdigest()
            for name, spec in self.specs.items()
        }


class MultiSourceDataset(AbstractDataset[None, SourceSet]):
    """One catalog entry per modality, so that the graph stays static and a new source needs no Python.

    Kedro turns every relative value of a key called ``path`` into an absolute one below the project, at any
    depth of a catalog entry; the paths of sources are relative to ``root``, so that is undone here.

    Args:
        root: Folder that sources lie under; relative to the project.
        sources: Entry per source, see `sources.spec`. Only active ones are checked.
        active_sources: Names of the sources to read: a list, because environments replace lists and merge
            mappings.
        modality: Name of the modality.
        path: The project, written ``path: .`` in the catalog; default: the current folder.
        metadata: For Kedro-Viz; unused here.
    """

    def __init__(
        self,
        root: str,
        sources: dict[str, Any],
        active_sources: list[str],
        modality: str,
        path: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._project = Path(path) if path else Path.cwd()
        self._root = self._project / root
        self._sources = sources
        self._active = active_sources
        self._modality = modality
        self.metadata = metadata

    def load(self) -> SourceSet:
        """Checks and gives the active sources; touches no data.

        Raises:
            SourceSetError: an active source is not configured, listed twice, or its entry is wrong.
        """
        if repeated := sorted({name for name in self._active if self._active.count(name) > 1}):
            raise SourceSetError(f"{self._modality}: active_sources lists '{repeated[0]}' more than once")
        specs = {name: self._spec(name) for name in self._active}
        return SourceSet(self._modality, self._root, specs)

    def save(self, data: None) -> None:
        """Refuses: sources are read only.

        Raises:
            DatasetError: always.
        """
        raise DatasetError("sources are external data and are never written")

    def _spec(self, name: str) -> SourceSpec:
        if name not in self._sources:
            raise SourceSetError(
                f"{self._modality}: active source '{name}' is not configured; "
                f"{did_you_mean(name, self._sources)}"
            )
        try:
            return _SPEC.validate_python(self._as_configured(self._sources[name]))
        except ValidationError as error:
            raise SourceSetError(str(configuration_error(error, f"source '{name}'", SourceSpec))) from None

    def _as_configured(self, entry: object) -> object:
        """The entry with its path relative again."""
        if not isinstance(entry, Mapping) or not isinstance(entry.get("path"), str):
            return entry
        path = Path(entry["path"])
        if not path.is_relative_to(self._project):
            return entry
        return {**entry, "path": path.relative_to(self._project).as_posix()}

    def _exists(self) -> bool:
        return True  # the entry is configuration; whether its files exist is the readers' to say

    def _describe(self) -> dict[str, Any]:
        """Names and formats, but no paths: file names may identify."""
        entries = {name: self._sources.get(name) for name in self._active}
        formats = {n: entry.get("format") for n, entry in entries.items() if isinstance(entry, Mapping)}
        return {"modality": self._modality, "sources": formats}


def _fingerprint(path: Path) -> SourceFingerprint:
    files = sorted(_files(path))
    digests = [(file.relative_to(path).as_posix(), sha256_of(file)) for file in files]
    return SourceFingerprint(len(files), sum(file.stat().st_size for file in files), digest_of(digests))


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for child in path.rglob("*"):
        if child.is_file() and not child.is_symlink():
            yield child
