"""What has changed since the latest version of each dataset was made: parameters, code, inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from kedro.pipeline.node import Node

from med_maml_pipeline.datasets.multi_source import MultiSourceDataset
from med_maml_pipeline.errors import MedMamlError
from med_maml_pipeline.runs.code import SOURCE, changed_since
from med_maml_pipeline.runs.imports import Imports, module_of
from med_maml_pipeline.runs.opened import OpenProject
from med_maml_pipeline.runs.parameters import changed_parameters, parameter_names
from med_maml_pipeline.runs.record import RunRecord, without_paths

__all__ = ["State", "states"]


@dataclass(frozen=True)
class State:
    """The latest version of a dataset, and why it is no longer what a run would make now.

    Attributes:
        dataset: Name.
        version: Its latest version.
        node: The node that makes it.
        parameters: Dotted names of changed parameters that the node uses.
        code: Changed files of the code that the node can reach, relative to the project; None where that
            cannot be told.
        sources: Sources among the node's inputs that changed, each with what changed.
        inputs: Datasets among the node's inputs of which there is a newer version than it read.
        upstream: The first nodes further up whose outputs are stale.
        recorded: Whether a record tells how the version was made.
    """

    dataset: str
    version: str
    node: str
    parameters: tuple[str, ...] = ()
    code: tuple[str, ...] | None = ()
    sources: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    recorded: bool = True

    @property
    def own(self) -> bool:
        """Whether it is stale for a reason of its own."""
        return bool(self.parameters or self.code or self.sources or self.inputs or not self.recorded)

    @property
    def stale(self) -> bool:
        """Whether a run now would make something else, as far as can be told."""
        return self.own or bool(self.upstream)


def states(project: OpenProject) -> list[State]:
    """The state of every dataset that has a version, in the order in which they are made.

    Raises:
        ConfigurationError: a source is configured wrongly.
    """
    comparison = _Comparison(project)
    found: dict[str, State] = {}
    for node in project.everything().nodes:
        upstream = {root for name in node.inputs if name in found for root in _roots(found[name])}
        for dataset in node.outputs:
            if versions := project.versions(dataset):
                found[dataset] = comparison.state(dataset, versions[0], node, tuple(sorted(upstream)))
    return list(found.values())


def _roots(state: State) -> tuple[str, ...]:
    return state.upstream or ((state.node,) if state.own else ())


@dataclass
class _Comparison:
    project: OpenProject
    files: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.imports = Imports(self.project.path / SOURCE)
        self.changes = cache(self._changes)
        self.sources_now = cache(self._sources_now)
        self.latest = cache(self._latest)

    def state(self, dataset: str, version: str, node: Node, upstream: tuple[str, ...]) -> State:
        record = self.project.history.maker(dataset, version)
        if record is None:
            return State(dataset, version, node.name, upstream=upstream, recorded=False)
        return State(
            dataset,
            version,
            node.name,
            parameters=tuple(self._parameters(node, record)),
            code=self._code(node, record),
            sources=tuple(one for name in sorted(set(node.inputs)) for one in self._sources(name, record)),
            inputs=tuple(
                name
                for name in sorted(set(node.inputs))
                if name in record.loaded and record.loaded[name] != self.latest(name)
            ),
            upstream=upstream,
        )

    def _parameters(self, node: Node, record: RunRecord) -> list[str]:
        names = parameter_names(node.inputs)
        command = self.project.history.command(record.run_id)
        if command is not None:  # unlike the record, it masks nothing
            return changed_parameters(command.get("params", {}), self.project.parameters, names)
        return changed_parameters(record.parameters, without_paths(self.project.parameters), names)

    def _code(self, node: Node, record: RunRecord) -> tuple[str, ...] | None:
        changed = self.changes(record.run_id)
        if changed is None:
            return None
        if node.name not in self.files:
            reachable = self.imports.reachable([module_of(node.func)])
            self.files[node.name] = {f"{SOURCE}/{file.as_posix()}" for file in reachable}
        files = self.files[node.name]
        folders = {str(Path(file).parent) for file in files}
        return tuple(sorted(name for name in changed if name in files or (_beside_code(name) in folders)))

    def _changes(self, run_id: str) -> set[str] | None:
        record = self.project.history.find(run_id)
        return changed_since(self.project.path, record.code) if record else None

    def _sources(self, name: str, record: RunRecord) -> list[str]:
        if name not in record.definitions:
            return []
        now = self.sources_now(name)
        if now is None:
            return [f"{name}: files are not where configuration says"]
        configured, files = now
        then, files_then = record.definitions[name], record.inputs.get(name, {})
        changed = [f"{one} added" for one in configured.keys() - then.keys()]
        changed += [f"{one} removed" for one in then.keys() - configured.keys()]
        for one in configured.keys() & then.keys():
            if configured[one] != then[one]:
                changed.append(f"{one} configured otherwise")
            elif files.get(one) != files_then.get(one, {}).get("sha256"):
                changed.append(f"{one} has other content")
        return sorted(changed)

    def _sources_now(self, name: str) -> tuple[Mapping[str, str], Mapping[str, Any]] | None:
        dataset = self.project.catalog.get(name)
        if not isinstance(dataset, MultiSourceDataset):
            return None
        sources = dataset.load()
        try:
            return sources.definitions(), {n: one.sha256 for n, one in sources.fingerprints().items()}
        except MedMamlError:
            return None

    def _latest(self, name: str) -> str | None:
        return next(iter(self.project.versions(name)), None)


def _beside_code(name: str) -> str:
    """Folder of the code that a file which is not Python serves: templates lie one below it."""
    return "" if name.endswith(".py") else str(Path(name).parent.parent)
