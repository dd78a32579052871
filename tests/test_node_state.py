"""Where a node's state lies, and that it goes with the node's last output."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kedro.pipeline import Node

from med_maml_pipeline.node_state import StateHooks, state_of

STATE = {"folder": "data/00_state/mine", "every": 10.0}


def _node() -> Node:
    return Node(lambda state: (1, 2), "params:state", ["first", "second"], name="train", namespace="ehr.maml")


@pytest.fixture
def hooks(tmp_path) -> StateHooks:
    hooks = StateHooks()
    hooks.after_context_created(SimpleNamespace(project_path=tmp_path))
    return hooks


def test_the_folder_lies_in_the_project_wherever_kedro_runs(hooks, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    given = hooks.before_node_run(_node(), {"params:state": STATE})
    assert given == {"params:state": {**STATE, "folder": str(tmp_path / "data/00_state/mine")}}


def test_nodes_without_state_keep_their_inputs(hooks):
    assert hooks.before_node_run(_node(), {"params:seed": 0}) == {}
    assert hooks.before_node_run(_node(), {"params:state": {"folder": None}}) == {}


def test_the_state_goes_with_the_last_output_only(hooks, tmp_path):
    node = _node()
    folder = state_of(
        hooks.before_node_run(node, {"params:state": STATE})["params:state"]["folder"], node.name
    )
    other = state_of(tmp_path / "data/00_state/mine", "ehr.maml.other")
    for each in (folder, other):
        each.mkdir(parents=True)
    hooks.after_node_run(node)
    hooks.after_dataset_saved("first", node)
    assert folder.exists()
    hooks.after_dataset_saved("second", node)
    assert not folder.exists()
    assert other.exists()
