"""Wiring of personalisation."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from med_maml_pipeline.pipelines.modalities import LANE_NAMESPACES, MODALITIES, lane_namespace
from med_maml_pipeline.pipelines.personalisation.nodes import personalise_lane

__all__ = ["create_pipeline"]


def create_pipeline() -> Pipeline:
    """One node per modality and lane; a run names one of them by its namespace."""
    nodes = [_node(modality, lane) for modality in MODALITIES for lane in LANE_NAMESPACES]
    return Pipeline(nodes, tags="personalisation")


def _node(modality: str, lane: str) -> Node:
    namespace = lane_namespace(modality, lane)
    return Node(
        personalise_lane(modality, namespace),
        {
            "support": "personal_support",
            "query": "personal_query",
            "checkpoints": f"{modality}_{lane}_checkpoints",
            "settings": "params:personalisation",
            "seed": "params:seed",
        },
        f"{modality}_{lane}_personal_predictions",
        name="personalise",
        namespace=namespace,
    )
