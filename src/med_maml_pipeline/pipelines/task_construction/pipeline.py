"""Wiring of task construction."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from med_maml_pipeline.pipelines.modalities import MODALITIES
from med_maml_pipeline.pipelines.task_construction.nodes import construct_tasks

__all__ = ["create_pipeline"]


def create_pipeline() -> Pipeline:
    """One node per modality: tasks that share groups must be split together."""
    return Pipeline([_node(modality) for modality in MODALITIES], tags="task_construction")


def _node(modality: str) -> Node:
    return Node(
        construct_tasks,
        [f"{modality}_examples", f"{modality}_sources", "params:budgets", "params:budget", "params:seed"],
        [f"{modality}_{name}" for name in ("tasks", "pools", "episodes", "task_attrition", "leakage_audit")],
        name="construct_tasks",
        namespace=modality,
    )
