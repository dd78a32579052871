"""Wiring of ingestion."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from med_maml_pipeline.pipelines.ingestion.nodes import account_for_cohort, ingest
from med_maml_pipeline.pipelines.modalities import MODALITIES

__all__ = ["create_pipeline"]


def create_pipeline() -> Pipeline:
    """The same two nodes for every modality: a source needs no Python."""
    return Pipeline([node for modality in MODALITIES for node in _nodes(modality)], tags="ingestion")


def _nodes(modality: str) -> list[Node]:
    return [
        Node(
            ingest,
            [f"{modality}_sources", f"synthetic_{modality}", "params:identifier_key_file"],
            f"{modality}_examples",
            name="ingest",
            namespace=modality,
        ),
        Node(
            account_for_cohort,
            f"{modality}_examples",
            f"{modality}_attrition",
            name="account_for_cohort",
            namespace=modality,
        ),
    ]
