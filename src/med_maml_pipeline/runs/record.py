"""The record of one run, kept current on disk while it runs, so that even a killed run leaves one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from med_maml_pipeline.atomic_file import replaced_file

__all__ = ["RunRecord", "digest", "latest_durations", "seeds_in", "without_paths"]

_FILES = ("support", "query")


@dataclass
class RunRecord:
    """Provenance of a run. Holds names, counts, hashes and versions; no value of a row and no path.

    Attributes:
        run_id: Kedro's session id, which is also the version of everything the run saves.
        status: running, success, failed or interrupted. A killed run stays ``running``.
        environment: Configuration environment.
        selection: Pipelines, namespaces, tags and nodes that were asked for.
        code: Commit and whether the tree differed from it; then also which files of the code, with digests.
        parameters_sha256 / parameters: All parameters; strings that look like paths are masked.
        catalog_sha256: Over the resolved catalog, relative to the project.
        seeds: Every parameter called seed, by dotted name.
        graph: Inputs and outputs of each node of the run.
        inputs: Fingerprints of what came from outside the run, by dataset.
        definitions: SHA-256 of what configuration said of each source, by dataset and source.
        loaded / saved: Version by dataset.
        seconds: Duration by node, finished nodes only.
        error: Type of the error and the node it struck; never its message.
        device / packages / peak_memory_mib: Surroundings.
        started / finished: UTC.
    """

    run_id: str
    environment: str | None
    selection: dict[str, Any]
    code: dict[str, Any]
    parameters_sha256: str
    parameters: dict[str, Any]
    catalog_sha256: str
    seeds: dict[str, int]
    packages: dict[str, str]
    status: str = "running"
    graph: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    definitions: dict[str, dict[str, str]] = field(default_factory=dict)
    loaded: dict[str, str] = field(default_factory=dict)
    saved: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    error: dict[str, str] | None = None
    device: dict[str, Any] = field(default_factory=dict)
    peak_memory_mib: float | None = None
    started: str = field(default_factory=lambda: _now())
    finished: str | None = None

    def finish(self, status: str) -> None:
        """Sets the final status and the time."""
        self.status = status
        self.finished = _now()

    def maker(self, dataset: str) -> str | None:
        """The node of the run that made a dataset, if any."""
        return next((node for node, ends in self.graph.items() if dataset in ends["outputs"]), None)

    @classmethod
    def read(cls, file: Path) -> RunRecord:
        """Reads what `write` wrote, by this or another version of the package.

        Raises:
            ValueError: the file is no record.
        """
        document = json.loads(file.read_text(encoding="utf-8"))
        known = {one.name for one in fields(cls)}
        try:
            return cls(**{name: value for name, value in document.items() if name in known})
        except (TypeError, AttributeError):
            raise ValueError("not a record of a run") from None

    def write(self, folder: Path) -> None:
        """Writes ``<folder>/<run_id>.json`` in one step."""
        with replaced_file(folder / f"{self.run_id}.json") as file:
            file.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def latest_durations(folder: Path, environment: str | None) -> dict[str, float]:
    """Seconds per node in the last successful run in an environment; empty when there is none."""
    for path in sorted(folder.glob("*.json"), reverse=True):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["status"] == "success" and record["environment"] == environment:
                return {str(name): float(seconds) for name, seconds in record["seconds"].items()}
        except (OSError, ValueError, KeyError, TypeError):
            continue  # not a record of ours: estimates do without it
    return {}


def digest(document: Any) -> str:
    """SHA-256 of a document, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()


def seeds_in(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, int]:
    """Every whole number called ``seed`` or ``…_seed``, by dotted name."""
    found: dict[str, int] = {}
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            found |= seeds_in(value, f"{prefix}{name}.")
        elif isinstance(value, int) and (name == "seed" or str(name).endswith("_seed")):
            found[f"{prefix}{name}"] = value
    return found


def without_paths(value: Any) -> Any:
    """The same document without paths: every string that holds a slash, and the names of a user's files.

    Folders and files carry names of people.
    """
    if isinstance(value, Mapping):
        return {
            str(name): "<path>" if name in _FILES and isinstance(inner, str) else without_paths(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [without_paths(inner) for inner in value]
    return "<path>" if isinstance(value, str) and ("/" in value or "\\" in value) else value


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
