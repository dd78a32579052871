"""Wiring of meta-training."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from med_maml_pipeline.pipelines.meta_training.nodes import NODE, meta_train_lane
from med_maml_pipeline.pipelines.modalities import (
    LANE_NAMESPACES,
    MODALITIES,
    lane_namespace,
    learning_parameters,
    task_tables,
)

__all__ = ["create_pipeline"]


def create_pipeline() -> Pipeline:
    """One node per modality and lane."""
    nodes = [_node(modality, lane) for modality in MODALITIES for lane in LANE_NAMESPACES]
    return Pipeline(nodes, tags="meta_training")


def _node(modality: str, lane: str) -> Node:
    namespace = lane_namespace(modality, lane)
    return Node(
        meta_train_lane(modality, lane),
        {
            **task_tables(modality),
            **learning_parameters(),
            "state": "params:state",
            "distributed": "params:distributed",
        },
        [f"{modality}_{lane}_{name}" for name in ("checkpoints", "history", "selection", "costs")],
        name=NODE,
        namespace=namespace,
    )
