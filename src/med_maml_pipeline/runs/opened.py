"""A project as its commands see it: configuration, catalog, pipelines, versions on disk; nothing runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedro.framework.project import pipelines as kedro_pipelines
from kedro.framework.project import settings
from kedro.io import AbstractVersionedDataset, CatalogProtocol, Version
from kedro.io.core import VersionNotFoundError
from kedro.pipeline import Pipeline

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.runs import TRACKING
from med_maml_pipeline.runs.history import History, newest_of
from med_maml_pipeline.runs.inputs import data_inputs
from med_maml_pipeline.validation import did_you_mean

__all__ = ["OpenProject", "open_project"]


@dataclass(frozen=True)
class OpenProject:
    """What a command needs to know.

    Attributes:
        path: Folder of the project.
        environment: Configuration environment.
        parameters: All parameters, as Kedro resolves them now.
        catalog: The catalog.
        pipelines: All pipelines by name.
        history: Records of earlier runs.
    """

    path: Path
    environment: str | None
    parameters: Mapping[str, Any]
    catalog: CatalogProtocol
    pipelines: Mapping[str, Pipeline]
    history: History

    def everything(self) -> Pipeline:
        """All nodes of all pipelines."""
        return sum(self.pipelines.values(), Pipeline([]))

    def versions(self, dataset: str) -> list[str]:
        """Complete versions of a dataset, newest first; none where it is not versioned or was never made."""
        found = self.catalog.get(dataset) if dataset in self.catalog else None
        if not isinstance(found, AbstractVersionedDataset):
            return []
        try:
            return [str(version) for version in found.list_versions(full_path=False)]
        except VersionNotFoundError:
            return []

    def version(self, dataset: str, wanted: str) -> str:
        """A version that exists: ``wanted``, ``latest``, or ``previous``, the one before the latest.

        Raises:
            ConfigurationError: the dataset is unknown, or has no such version; names the newest few.
        """
        self.check_known(dataset)
        versions = self.versions(dataset)
        place = {"latest": 0, "previous": 1}.get(wanted)
        if place is not None and place < len(versions):
            return versions[place]
        if wanted in versions:
            return wanted
        raise ConfigurationError(
            f"dataset '{dataset}' has no version '{wanted}'; {newest_of('versions', versions)}"
        )

    def check_known(self, dataset: str) -> None:
        """Passes when a node takes or makes the dataset.

        Raises:
            ConfigurationError: none does; names the most similar.
        """
        every = self.everything()
        known = {*every.all_outputs(), *data_inputs(every)}
        if dataset not in known:
            raise ConfigurationError(f"unknown dataset '{dataset}'; {did_you_mean(dataset, known)}")

    def load(self, dataset: str, version: str) -> Any:
        """What a version of a dataset holds."""
        return self.catalog.get(dataset, version=Version(version, None)).load()

    def selected(self, choices: Mapping[str, str]) -> Pipeline:
        """The nodes that ``kedro run`` takes under these options (see `Selection`)."""
        lists = {name: _listed(value) for name, value in choices.items()}
        names = lists.pop("pipelines", ["__default__"])
        lists["node_namespaces"] = lists.pop("namespaces", [])
        chosen: Iterable[Pipeline] = (self.pipelines[name] for name in names if name in self.pipelines)
        return sum(chosen, Pipeline([])).filter(**{name: value for name, value in lists.items() if value})


def open_project(
    path: Path, environment: str | None = None, runtime_params: Mapping[str, Any] | None = None
) -> OpenProject:
    """Reads the configuration of an environment and all pipelines.

    Args:
        path: Folder of the project, which Kedro has bootstrapped.
        environment: As given with ``--env``; None for the default one.
        runtime_params: As given with ``--params``.

    Raises:
        ConfigurationError: a parameter is unknown or out of range.
    """
    session = settings.SESSION_CLASS.create(
        path, env=environment, runtime_params=dict(runtime_params or {}), save_on_close=False
    )
    context = session.load_context()
    kedro_pipelines.set_requested(None)
    return OpenProject(
        Path(context.project_path),
        context.env,
        dict(context.config_loader["parameters"]),
        context.catalog,
        dict(kedro_pipelines),
        History(Path(context.project_path) / TRACKING),
    )


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",")]
