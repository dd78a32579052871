"""Where a version of a dataset comes from: runs, nodes and inputs, back to the files from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from med_maml_pipeline.runs.history import History
from med_maml_pipeline.runs.record import RunRecord

__all__ = ["Origin", "origin_of"]


@dataclass(frozen=True)
class Origin:
    """One version of a dataset and what it was made from.

    Attributes:
        dataset: Name.
        version: Version; None for what is not versioned, such as sources.
        record: The run that made it; None where it came from outside or no record tells.
        node: The node of that run.
        inputs: What the node read.
        sources: Files, bytes and SHA-256 of each source, for a set of external sources.
        sha256: Digest of the content, where a run took it from outside.
    """

    dataset: str
    version: str | None
    record: RunRecord | None = None
    node: str | None = None
    inputs: tuple[Origin, ...] = ()
    sources: Mapping[str, Mapping[str, Any]] | None = None
    sha256: str | None = None

    @property
    def parameters(self) -> list[str]:
        """Names of the parameters that the node read."""
        inputs = self.record.graph[self.node]["inputs"] if self.record and self.node else []
        return sorted(name for name in set(inputs) if _is_parameter(name))


def origin_of(dataset: str, version: str, history: History) -> Origin:
    """Follows a version back through the records of runs.

    Args:
        dataset: Name.
        version: A version of it.
        history: Records of all runs.
    """
    return _Search(history).version(dataset, version)


@dataclass
class _Search:
    history: History
    known: dict[tuple[str, str], Origin] = field(default_factory=dict)

    def version(self, dataset: str, version: str, sha256: str | None = None) -> Origin:
        key = (dataset, version)
        if key not in self.known:
            record = self.history.maker(dataset, version)
            node = record.maker(dataset) if record else None
            names = sorted(set(record.graph[node]["inputs"])) if record and node else []
            inputs = tuple(self._input(name, record) for name in names if record and not _is_parameter(name))
            self.known[key] = Origin(dataset, version, record, node, inputs, sha256=sha256)
        return self.known[key]

    def _input(self, dataset: str, record: RunRecord) -> Origin:
        version = record.loaded.get(dataset) or record.saved.get(dataset)
        taken = record.inputs.get(dataset, {})
        if version is not None:
            return self.version(dataset, version, taken.get("sha256"))
        return Origin(dataset, None, sources=taken)


def _is_parameter(name: str) -> bool:
    return name == "parameters" or name.startswith("params:")
