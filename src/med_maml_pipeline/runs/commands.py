"""The commands to repeat a run, or to go on after it broke off, as files for ``kedro run --config``."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from med_maml_pipeline.atomic_file import replaced_file
from med_maml_pipeline.runs.inputs import data_inputs

__all__ = ["Selection", "nodes_to_go_on_from", "pins_to_go_on", "write_command"]


@dataclass(frozen=True)
class Selection:
    """What ``kedro run`` was asked to run, as it is asked again.

    Attributes:
        env: Configuration environment.
        choices: Comma-separated ``pipelines``, ``namespaces``, ``tags``, ``node_names``, ``from_nodes``, …;
            only those that were given.
        runtime_params: What was given with ``--params``.
    """

    env: str | None
    choices: Mapping[str, str]
    runtime_params: Mapping[str, Any]

    @classmethod
    def of(cls, run_params: Mapping[str, Any]) -> Selection:
        """From what Kedro hands to its hooks."""
        names = ("tags", "node_names", "from_nodes", "to_nodes", "from_inputs", "to_outputs", "namespaces")
        given = {name: run_params.get(name) for name in names} | {
            "pipelines": run_params.get("pipeline_names")
        }
        choices = {name: ",".join(value) for name, value in given.items() if value}
        return cls(run_params.get("env"), choices, run_params.get("runtime_params") or {})

    def arguments(self) -> str:
        """Environment and parameters as command-line arguments, with a leading space."""
        env = f" --env {shlex.quote(self.env)}" if self.env else ""
        given = ",".join(_dotted(self.runtime_params))
        return f"{env} --params {shlex.quote(given)}" if given else env


def write_command(
    file: Path,
    selection: Selection,
    parameters: Mapping[str, Any],
    load_versions: Mapping[str, str],
    *,
    from_nodes: Collection[str] = (),
) -> None:
    """Writes a file for ``kedro run --config``.

    It holds every parameter as it was, so that later edits of the configuration change nothing, and pins the
    versions of what the run takes from outside. What the run itself makes must not be pinned: an old version
    would flow downstream.

    Args:
        file: Where to write.
        selection: What to run.
        parameters: All parameters, as Kedro resolved them.
        load_versions: Version by dataset, external inputs only.
        from_nodes: Nodes to start from, in place of the selection's own.
    """
    run: dict[str, Any] = dict(selection.choices)
    if selection.env:
        run["env"] = selection.env
    if from_nodes:
        run["from_nodes"] = ",".join(sorted(from_nodes))
    if load_versions:
        run["load_versions"] = ",".join(
            f"{name}:{version}" for name, version in sorted(load_versions.items())
        )
    run["params"] = dict(parameters)
    with replaced_file(file) as partial:
        partial.write_text(
            yaml.safe_dump({"run": run}, sort_keys=False, allow_unicode=True), encoding="utf-8"
        )


def nodes_to_go_on_from(pipeline: Pipeline, done: Collection[str], catalog: CatalogProtocol) -> list[str]:
    """The first nodes to run again when the nodes ``done`` have finished and stored their outputs.

    Finished nodes are repeated only where what they made was held in memory.
    """
    todo = {node for node in pipeline.nodes if node.name not in done}
    while True:
        needed = {name for node in todo for name in node.inputs}
        lost = {name for name in needed & pipeline.all_outputs() if _in_memory(name, catalog)}
        again = {node for node in pipeline.nodes if lost & set(node.outputs)} - todo
        if not again:
            break
        todo |= again
    return sorted(node.name for node in Pipeline(list(todo)).grouped_nodes[0]) if todo else []


def pins_to_go_on(pipeline: Pipeline, first: Collection[str], versions: Mapping[str, str]) -> dict[str, str]:
    """Versions of what the remaining nodes take from outside or from the finished ones.

    Args:
        pipeline: All nodes of the run.
        first: Nodes to start from.
        versions: What the run had taken and saved.
    """
    inputs = data_inputs(pipeline.from_nodes(*first))
    return {name: versions[name] for name in inputs if name in versions}


def _dotted(parameters: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}={value}"


def _in_memory(name: str, catalog: CatalogProtocol) -> bool:
    return name not in catalog or bool(getattr(catalog.get(name), "_EPHEMERAL", False))
