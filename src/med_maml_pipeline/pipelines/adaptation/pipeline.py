"""Wiring of adaptation."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from med_maml_pipeline.pipelines.adaptation.nodes import adapt_lane
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
    return Pipeline(nodes, tags="adaptation")


def _node(modality: str, lane: str) -> Node:
    namespace = lane_namespace(modality, lane)
    learned = {name: f"{modality}_{lane}_{name}" for name in ("checkpoints", "selection")}
    return Node(
        adapt_lane(namespace),
        {**task_tables(modality), **learned, **learning_parameters()},
        [f"{modality}_{lane}_predictions", f"{modality}_{lane}_validation_predictions"],
        name="adapt",
        namespace=namespace,
    )
