"""What an unfinished node keeps between runs, and when it goes: with the node's last output."""

from __future__ import annotations

import shutil
from pathlib import Path

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.pipeline.node import Node

from med_maml_pipeline.runs.clock import NodeClock

__all__ = ["StateHooks", "state_of"]

_PARAMETER = "state"


def state_of(root: str, node: str) -> Path:
    """Folder of one node's state below ``root``."""
    return Path(root) / node


class StateHooks:
    """Removes a node's state once all its outputs are stored: the next run of it starts anew.

    Another run that is at the same node at that moment makes the folder again with its next save.
    """

    def __init__(self) -> None:
        self._clock = NodeClock()
        self._project = Path()
        self._root: str | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keeps where states lie; a project without the parameter has none."""
        self._clock = NodeClock()
        self._project = Path(context.project_path)
        self._root = context.params.get(_PARAMETER, {}).get("folder")

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Notes what the node has to save."""
        self._clock.computed(node.name, node.outputs)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        """Removes the state with the last output of a node that keeps any."""
        finished = self._clock.saved(node.name, dataset_name)
        if finished and self._root is not None and f"params:{_PARAMETER}" in node.inputs:
            shutil.rmtree(self._project / state_of(self._root, node.name), ignore_errors=True)
