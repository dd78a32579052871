"""The command that makes what is stale anew."""

from __future__ import annotations

import shlex
from collections.abc import Collection

from kedro.pipeline import Pipeline

from med_maml_pipeline.runs.inputs import data_inputs
from med_maml_pipeline.runs.opened import OpenProject
from med_maml_pipeline.runs.staleness import State

__all__ = ["refresh_command"]


def refresh_command(project: OpenProject, found: Collection[State], arguments: str = "") -> str | None:
    """``kedro run …`` from the first stale nodes on; None where nothing is stale.

    It ends where the stale datasets end when what lies behind them needs data that were never made, as after
    a run of one kind of data.

    Args:
        project: The project.
        found: States of all datasets.
        arguments: Environment and parameters, with a leading space.
    """
    stale = {state.node for state in found if state.stale}
    if not stale:
        return None
    names, pipeline = _pipelines(project, stale)
    part = pipeline.from_nodes(*stale)
    first = sorted(node.name for node in part.grouped_nodes[0])
    command = "kedro run" + (f" --pipelines {','.join(names)}" if names else "")
    if {node.name for node in part.nodes} != {node.name for node in pipeline.nodes}:
        command += f" --from-nodes {shlex.quote(','.join(first))}"
    if any(not _made(project, name) for name in data_inputs(part)):
        ends = {state.dataset for state in found if state.stale}
        ends -= {name for node in part.nodes if node.name in stale for name in node.inputs}
        command += f" --to-outputs {','.join(sorted(ends))}"
    return command + arguments


def _pipelines(project: OpenProject, stale: Collection[str]) -> tuple[list[str], Pipeline]:
    """Names to give (none for the default pipeline alone), and what they run."""
    default = project.pipelines.get("__default__", Pipeline([]))
    left = set(stale) - {node.name for node in default.nodes}
    if not left:
        return [], default
    names, chosen = (["__default__"], default) if len(left) < len(stale) else ([], Pipeline([]))
    for name, pipeline in project.pipelines.items():
        nodes = {node.name for node in pipeline.nodes}
        if left & nodes:
            names, chosen, left = [*names, name], chosen + pipeline, left - nodes
    return names, chosen


def _made(project: OpenProject, dataset: str) -> bool:
    return dataset in project.catalog and bool(project.catalog.exists(dataset))
