"""Wiring of evaluation."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from med_maml_pipeline.pipelines.evaluation.nodes import merge_scoreboards, score_modality
from med_maml_pipeline.pipelines.modalities import JUDGED_NAMESPACES, MODALITIES

__all__ = ["create_pipeline"]


def create_pipeline() -> Pipeline:
    """A scoreboard per modality, so that a modality run alone ends in its own, and all of them as one."""
    merge = Node(
        merge_scoreboards,
        [f"{modality}_scoreboard" for modality in MODALITIES],
        "scoreboard",
        name="merge_scoreboards",
    )
    return Pipeline([*map(_node, MODALITIES), merge], tags="evaluation")


def _node(modality: str) -> Node:
    lanes = {
        f"{lane}_{name}": f"{modality}_{lane}_{name}"
        for lane in JUDGED_NAMESPACES
        for name in ("predictions", "selection", "costs")
    }
    return Node(
        score_modality(modality),
        {
            "tasks": f"{modality}_tasks",
            "episodes": f"{modality}_episodes",
            "evaluation": "params:evaluation",
            **{name: f"params:{name}" for name in ("seed", "budgets", "budget")},
            **lanes,
        },
        f"{modality}_scoreboard",
        name="score_predictions",
        namespace=modality,
    )
