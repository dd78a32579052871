"""The list of what a snapshot holds, with checksums: written last, so that it vouches for all the rest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from kedro.io.core import DatasetError

from med_maml_pipeline.errors import MedMamlError

__all__ = ["MANIFEST", "CorruptError", "Entry", "Manifest", "digest_of", "sha256_of"]

MANIFEST = "manifest.json"


class CorruptError(MedMamlError, DatasetError):
    """A stored file is not what was written."""


@dataclass(frozen=True)
class Entry:
    """One file: path relative to the snapshot (POSIX), size in bytes, SHA-256 in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """All files of a snapshot, in the order in which they were written."""

    entries: tuple[Entry, ...]

    @property
    def total_size(self) -> int:
        """Bytes of all files together."""
        return sum(entry.size for entry in self.entries)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over paths and contents: equal for equal content, written in any order at any time."""
        return digest_of((entry.path, entry.sha256) for entry in self.entries)

    def to_json(self) -> str:
        """The document that lies beside the files."""
        document = {
            "fingerprint": self.fingerprint,
            "total_size": self.total_size,
            "files": [asdict(entry) for entry in self.entries],
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, path: Path, *, dataset: str) -> Manifest:
        """Reads what `to_json` gave.

        Raises:
            CorruptError: the document is damaged or its entries do not match its fingerprint.
        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            manifest = cls(tuple(Entry(**entry) for entry in document["files"]))
            intact = manifest.fingerprint == document["fingerprint"]
        except (ValueError, KeyError, TypeError):
            intact = False
        if not intact:
            raise CorruptError(
                f"the manifest of dataset '{dataset}' is damaged; remove that version or make it again"
            ) from None
        return manifest


def digest_of(named: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over (name, digest) pairs, whatever their order."""
    return hashlib.sha256(json.dumps(sorted(named)).encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
