"""What an unfinished node keeps between runs, and when it goes: with the node's last output."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.pipeline.node import Node

from med_maml_pipeline.runs.clock import NodeClock

__all__ = ["StateHooks", "state_of"]

_PARAMETER = "params:state"


def state_of(root: str | Path, node: str) -> Path:
    """Folder of one node's state below ``root``."""
    return Path(root) / node


class StateHooks:
    """Removes a node's state once all its outputs are stored: the next run of it starts anew.

    Another run that is at the same node at that moment makes the folder again with its next save.
    """

    def __init__(self) -> None:
        self._clock = NodeClock()
        self._project = Path()
        self._roots: dict[str, Path] = {}

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keeps where the project lies."""
        self._clock = NodeClock()
        self._project = Path(context.project_path)

    @hook_impl
    def before_node_run(self, node: Node, inputs: dict[str, Any]) -> dict[str, Any]:
        """Names the folder in full: Kedro runs from any directory, and parameters are not paths to it."""
        state = inputs.get(_PARAMETER)
        if not state or not state.get("folder"):
            return {}
        self._roots[node.name] = self._project / state["folder"]
        return {_PARAMETER: {**state, "folder": str(self._roots[node.name])}}

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Notes what the node has to save."""
        self._clock.computed(node.name, node.outputs)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        """Removes the state with the last output of a node that keeps any."""
        if self._clock.saved(node.name, dataset_name) and node.name in self._roots:
            shutil.rmtree(state_of(self._roots[node.name], node.name), ignore_errors=True)
