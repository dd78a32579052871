"""Follows one run: what it takes, makes and leaves, and how it is repeated or gone on with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kedro.io import AbstractVersionedDataset, CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from med_maml_pipeline.datasets.atomic import AtomicDataset
from med_maml_pipeline.datasets.multi_source import MultiSourceDataset
from med_maml_pipeline.datasets.user_file import UserFileDataset
from med_maml_pipeline.runs import surroundings
from med_maml_pipeline.runs.clock import NodeClock
from med_maml_pipeline.runs.code import code_version
from med_maml_pipeline.runs.commands import (
    Selection,
    nodes_to_go_on_from,
    pins_to_go_on,
    write_command,
)
from med_maml_pipeline.runs.inputs import check_inputs, data_inputs
from med_maml_pipeline.runs.record import RunRecord, digest, seeds_in, without_paths

__all__ = ["RunTracker"]

_LOGGER = logging.getLogger(__name__)


class RunTracker:
    """The record of one run and the files beside it.

    Args:
        run_params: What Kedro was asked to run.
        pipeline: The nodes that will run.
        catalog: The run's catalog.
        project: Folder of the project.
        folder: Where records go, relative to the project.
        parameters: All parameters, as Kedro resolved them.
        catalog_config: The resolved catalog.
    """

    def __init__(
        self,
        run_params: Mapping[str, Any],
        pipeline: Pipeline,
        catalog: CatalogProtocol,
        *,
        project: Path,
        folder: Path,
        parameters: dict[str, Any],
        catalog_config: dict[str, Any],
    ) -> None:
        self._pipeline, self._catalog = pipeline, catalog
        self._project, self._folder, self._parameters = project, folder, parameters
        self._selection = Selection.of(run_params)
        self._pins: dict[str, str] = {}
        self.clock = NodeClock()
        self.record = RunRecord(
            run_id=str(run_params["run_id"]),
            environment=run_params.get("env"),
            selection=dict(self._selection.choices),
            code=code_version(project),
            parameters_sha256=digest(parameters),
            parameters=without_paths(parameters),
            graph={node.name: {"inputs": node.inputs, "outputs": node.outputs} for node in pipeline.nodes},
            catalog_sha256=digest(_relative_to(project, catalog_config)),
            seeds=seeds_in(parameters),
            packages=surroundings.package_versions(),
        )

    def open(self, registered: Callable[[], Mapping[str, Pipeline]]) -> None:
        """Writes the first record, checks, pins and digests the inputs, and writes the command to repeat.

        Args:
            registered: Gives all pipelines of the project; called only where an input is missing.

        Raises:
            MissingInputError: an input does not exist yet.
            SourceSetError: a source is configured wrongly.
            DataError: a source's file is missing or leaves its folder.
        """
        self._write()
        try:
            check_inputs(self._pipeline, self._catalog, registered, self._selection.arguments())
            for name in data_inputs(self._pipeline):
                self._take(name)
            write_command(self._beside("rerun.yml"), self._selection, self._parameters, self._pins)
        except Exception as error:
            self._finish("failed", error)
            raise
        self._write()

    def loaded(self, name: str) -> None:
        """Notes the version of a dataset that was loaded."""
        dataset = self._versioned(name)
        if dataset is not None:
            self.record.loaded[name] = str(dataset.resolve_load_version())

    def saved(self, name: str, node: Node) -> None:
        """Notes the version of a dataset that was saved, and its node as finished with its last output."""
        dataset = self._versioned(name)
        if dataset is not None:
            self.record.saved[name] = str(dataset.resolve_save_version())
        if self.clock.saved(node.name, name):
            self._write()

    def computed(self, node: Node) -> None:
        """Notes that the node's function returned."""
        if self.clock.computed(node.name, node.outputs):
            self._write()

    def close(self, status: str, error: BaseException | None = None) -> None:
        """Writes the last record; after a failure or an interrupt also the command to go on, and says so."""
        self._finish(status, error)
        if status != "success":
            self._say_how_to_go_on(status)

    def _take(self, name: str) -> None:
        """Pins an input's version for the whole run, and digests its content."""
        dataset = self._catalog.get(name)
        if isinstance(dataset, AbstractVersionedDataset) and (version := dataset.resolve_load_version()):
            self._pins[name] = version
        if isinstance(dataset, AtomicDataset | UserFileDataset):
            self.record.inputs[name] = {"sha256": dataset.fingerprint()}
        elif isinstance(dataset, MultiSourceDataset):
            sources = dataset.load()
            found = sources.fingerprints()
            self.record.inputs[name] = {source: asdict(one) for source, one in found.items()}
            self.record.definitions[name] = sources.definitions()

    def _say_how_to_go_on(self, status: str) -> None:
        done = self.clock.seconds
        first = nodes_to_go_on_from(self._pipeline, done, self._catalog)
        _LOGGER.error(
            "The run %s at node %s; %d of %d nodes are finished and stay. Go on with: %s",
            "was interrupted" if status == "interrupted" else "failed",
            self.clock.current or "(none)",
            len(done),
            len(self._pipeline.nodes),
            self._command_to_go_on(first),
        )

    def _command_to_go_on(self, first: list[str]) -> str:
        """Writes the file for ``--config``; where that fails (a full disk), the command in words."""
        pinned = pins_to_go_on(self._pipeline, first, {**self._pins, **self.record.saved})
        file = self._beside("resume.yml")
        nodes = f'--from-nodes "{",".join(first)}"'
        try:
            write_command(file, self._selection, self._parameters, pinned, from_nodes=first)
        except OSError:
            return f"kedro run {nodes}{self._selection.arguments()}"
        named = file.relative_to(self._project)
        return f"kedro run --config {named} (it means {nodes} with the same parameters and inputs)"

    def _finish(self, status: str, error: BaseException | None) -> None:
        if error is not None:
            self.record.error = {"type": type(error).__name__, "node": self.clock.current or ""}
        self.record.finish(status)
        self._write()

    def _write(self) -> None:
        self.record.seconds = {name: round(seconds, 3) for name, seconds in self.clock.seconds.items()}
        self.record.peak_memory_mib = surroundings.peak_memory_mib()
        self.record.device = surroundings.device()
        try:
            self.record.write(self._project / self._folder)
        except OSError as error:  # a full disk must not hide what the run itself has to say
            _LOGGER.warning("The record of this run could not be written: %s", error.strerror)

    def _beside(self, ending: str) -> Path:
        return self._project / self._folder / f"{self.record.run_id}.{ending}"

    def _versioned(self, name: str) -> AbstractVersionedDataset[Any, Any] | None:
        dataset = None if name.startswith(("params:", "parameters")) else self._catalog.get(name)
        return dataset if isinstance(dataset, AbstractVersionedDataset) else None


def _relative_to(project: Path, value: Any) -> Any:
    """The same document without the project's own path, so that clones agree on its digest."""
    if isinstance(value, Mapping):
        return {str(name): _relative_to(project, inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_relative_to(project, inner) for inner in value]
    return value.replace(f"{project.as_posix()}/", "") if isinstance(value, str) else value
