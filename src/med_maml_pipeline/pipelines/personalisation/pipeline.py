"""Wiring of personalisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Node, Pipeline

from med_maml_pipeline.pipelines.modalities import ENSEMBLE, LANE_NAMESPACES, MODALITIES, lane_namespace
from med_maml_pipeline.pipelines.personalisation.nodes import personalise_ensembles, personalise_lane

__all__ = ["create_pipeline"]


_TABLES = {
    "support": "personal_support",
    "query": "personal_query",
    "settings": "params:personalisation",
    "seed": "params:seed",
}


def create_pipeline() -> Pipeline:
    """One node per modality and lane, ensembles included; a run names one of them by its namespace."""
    lanes = [_lane(modality, lane) for modality in MODALITIES for lane in LANE_NAMESPACES]
    return Pipeline([*lanes, *map(_ensemble, MODALITIES)], tags="personalisation")


def _lane(modality: str, lane: str) -> Node:
    namespace = lane_namespace(modality, lane)
    return _node(
        personalise_lane(modality, namespace),
        modality,
        lane,
        {"checkpoints": f"{modality}_{lane}_checkpoints"},
    )


def _ensemble(modality: str) -> Node:
    stores = {lane: f"{modality}_{lane}_checkpoints" for lane in LANE_NAMESPACES}
    stores["ensembles"] = f"{modality}_{ENSEMBLE}_checkpoints"
    return _node(
        personalise_ensembles(modality, lane_namespace(modality, ENSEMBLE)), modality, ENSEMBLE, stores
    )


def _node(function: Callable[..., Any], modality: str, lane: str, stores: dict[str, str]) -> Node:
    return Node(
        function,
        {**_TABLES, **stores},
        f"{modality}_{lane}_personal_predictions",
        name="personalise",
        namespace=lane_namespace(modality, lane),
    )
