"""What happens around every run: parameters are checked, provenance is written, progress is told."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from kedro.config import MissingConfigException
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from med_maml_pipeline.node_state import StateHooks
from med_maml_pipeline.progress import close_bars, duration
from med_maml_pipeline.runs import TRACKING
from med_maml_pipeline.runs.clock import NodeClock, time_left
from med_maml_pipeline.runs.record import latest_durations
from med_maml_pipeline.runs.tracking import RunTracker
from med_maml_pipeline.summary import SummaryHooks

__all__ = ["HOOKS", "ParameterHooks", "ProgressHooks", "ProvenanceHooks"]

_LOGGER = logging.getLogger(__name__)


class ParameterHooks:
    """Checks every parameter block before anything else; Kedro lets an unknown top-level block pass."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Raises ConfigurationError for an unknown parameter or one out of range."""
        from med_maml_pipeline.config import parse_parameters

        parse_parameters(_parameters(context))


class ProvenanceHooks:
    """Writes ``<run_id>.json`` and ``<run_id>.rerun.yml`` for every run, whatever becomes of it.

    Args:
        folder: Where to write, relative to the project.
    """

    def __init__(self, folder: Path = TRACKING) -> None:
        self._folder = folder
        self._context: KedroContext | None = None
        self._catalog_config: dict[str, Any] = {}
        self._tracker: RunTracker | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keeps the context: it knows the project's folder and the parameters as they were given."""
        self._context = context
        self._tracker = None

    @hook_impl
    def after_catalog_created(self, conf_catalog: dict[str, Any]) -> None:
        """Keeps the catalog's configuration, to digest it."""
        self._catalog_config = conf_catalog

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol
    ) -> None:
        """Opens the record, then checks that the inputs exist, and pins and digests them.

        Raises:
            MissingInputError: the run was asked for before its inputs exist.
            DataError: a source's file is missing or leaves its folder.
        """
        if self._context is None:
            return
        self._tracker = RunTracker(
            run_params,
            pipeline,
            catalog,
            project=Path(self._context.project_path),
            folder=self._folder,
            parameters=_parameters(self._context),
            catalog_config=self._catalog_config,
        )
        self._tracker.open(_all_pipelines)

    @hook_impl
    def before_dataset_loaded(self, node: Node) -> None:
        """Starts the node's clock."""
        if self._tracker:
            self._tracker.clock.start(node.name)

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Starts the clock of a node without inputs."""
        if self._tracker:
            self._tracker.clock.start(node.name)

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str) -> None:
        """Notes the version that was loaded."""
        if self._tracker:
            self._tracker.loaded(dataset_name)

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Notes a node that has nothing to save as finished."""
        if self._tracker:
            self._tracker.computed(node)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        """Notes the version that was saved, and the node as finished with its last output."""
        if self._tracker:
            self._tracker.saved(dataset_name, node)

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Closes the record of a run that succeeded."""
        if self._tracker:
            self._tracker.close("success")

    @hook_impl
    def on_pipeline_error(self, error: BaseException) -> None:
        """Closes the record of a run that failed or was interrupted; says how to go on."""
        if self._tracker:
            self._tracker.close("interrupted" if isinstance(error, KeyboardInterrupt) else "failed", error)


class ProgressHooks:
    """One line per finished node: how many are done, how long it took, how long the rest will about take.

    Args:
        folder: Where earlier runs left their records, relative to the project.
    """

    def __init__(self, folder: Path = TRACKING) -> None:
        self._folder = folder
        self._project = Path()
        self._clock = NodeClock()
        self._names: list[str] = []
        self._earlier: dict[str, float] = {}
        self._started = 0.0

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keeps the project's folder."""
        self._project = Path(context.project_path)

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Says how much there is to do."""
        self._clock = NodeClock()
        self._started = monotonic()
        self._names = [node.name for node in pipeline.nodes]
        self._earlier = latest_durations(self._project / self._folder, run_params["env"])
        known = sum(self._earlier.get(name, 0.0) for name in self._names)
        about = f", about {duration(known)}" if set(self._names) <= set(self._earlier) else ""
        _LOGGER.info("%d nodes to run%s", len(self._names), about)

    @hook_impl
    def before_dataset_loaded(self, node: Node) -> None:
        """Starts the node's clock."""
        self._clock.start(node.name)

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Starts the clock of a node without inputs."""
        self._clock.start(node.name)

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Tells of a node that has nothing to save."""
        close_bars()
        if self._clock.computed(node.name, node.outputs):
            self._tell(node)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        """Tells of a node when its last output is stored."""
        if self._clock.saved(node.name, dataset_name):
            self._tell(node)

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Says how long it all took."""
        close_bars()
        _LOGGER.info("Done in %s", duration(monotonic() - self._started))

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Leaves the terminal clean."""
        close_bars()

    def _tell(self, node: Node) -> None:
        done = self._clock.seconds
        remaining = [name for name in self._names if name not in done]
        left = f", about {duration(time_left(done, remaining, self._earlier))} left" if remaining else ""
        label = node.name
        if node.namespace:
            label = f"{node.namespace} · {node.name.removeprefix(f'{node.namespace}.')}"
        took = duration(done[node.name])
        _LOGGER.info("[%d/%d] %s: %s%s", len(done), len(self._names), label, took, left)


def _parameters(context: KedroContext) -> dict[str, Any]:
    try:
        return dict(context.config_loader["parameters"])
    except MissingConfigException:
        return {}


def _all_pipelines() -> Mapping[str, Pipeline]:
    pipelines.set_requested(None)  # Kedro has loaded only those that were asked for
    return dict(pipelines)


HOOKS = (ParameterHooks(), ProvenanceHooks(), ProgressHooks(), StateHooks(), SummaryHooks())
