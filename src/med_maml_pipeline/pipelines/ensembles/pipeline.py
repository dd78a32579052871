"""Wiring of ensembles."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from med_maml_pipeline.pipelines.ensembles.nodes import combine_lanes
from med_maml_pipeline.pipelines.modalities import (
    ENSEMBLE,
    LANE_NAMESPACES,
    MODALITIES,
    lane_namespace,
    task_tables,
)

__all__ = ["create_pipeline"]

_TABLES = ("predictions", "validation_predictions", "costs")


def create_pipeline() -> Pipeline:
    """One node per modality, in a namespace beside the lanes."""
    return Pipeline([_node(modality) for modality in MODALITIES], tags="ensembles")


def _node(modality: str) -> Node:
    namespace = lane_namespace(modality, ENSEMBLE)
    lanes = {f"{lane}_{name}": f"{modality}_{lane}_{name}" for lane in LANE_NAMESPACES for name in _TABLES}
    return Node(
        combine_lanes(namespace),
        {**task_tables(modality), **lanes},
        [f"{modality}_{ENSEMBLE}_{name}" for name in ("checkpoints", "predictions", "selection", "costs")],
        name="combine",
        namespace=namespace,
    )
