"""Wiring of reporting."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from med_maml_pipeline.pipelines.modalities import JUDGED_NAMESPACES, LANE_NAMESPACES, MODALITIES
from med_maml_pipeline.pipelines.reporting.nodes import (
    draw_examples,
    draw_modality,
    gather_evidence,
    report_all,
    report_modality,
)
from med_maml_pipeline.reports import FIGURES

__all__ = ["create_pipeline"]

_GALLERIES = ("imaging", "expression")
"""Modalities whose examples a person can look at."""


def create_pipeline() -> Pipeline:
    """Figures, evidence and a report per modality, and one report of all."""
    nodes = [node for modality in MODALITIES for node in _nodes(modality)]
    return Pipeline([*nodes, *map(_gallery, _GALLERIES), _report_of_all()], tags="reporting")


def _nodes(modality: str) -> list[Node]:
    lanes = {
        f"{lane}_{name}": f"{modality}_{lane}_{name}"
        for lane in JUDGED_NAMESPACES
        for name in ("predictions", "selection", "costs")
    }
    lanes |= {f"{lane}_history": f"{modality}_{lane}_history" for lane in LANE_NAMESPACES}
    tables = {name: f"{modality}_{name}" for name in ("scoreboard", "tasks", "episodes")}
    return [
        Node(
            draw_modality,
            {**tables, "seed": "params:seed", **lanes},
            [f"{modality}_figure_{name}" for name in FIGURES],
            name="draw_figures",
            namespace=modality,
        ),
        Node(
            gather_evidence(modality),
            _behind_the_scoreboard(modality),
            f"{modality}_evidence",
            name="gather_evidence",
            namespace=modality,
        ),
        Node(
            report_modality(modality),
            {"scoreboard": f"{modality}_scoreboard", "evidence": f"{modality}_evidence", **_settings()},
            f"{modality}_report",
            name="render_report",
            namespace=modality,
        ),
    ]


def _gallery(modality: str) -> Node:
    return Node(
        draw_examples,
        [f"{modality}_sources", f"synthetic_{modality}"],
        f"{modality}_gallery",
        name="draw_examples",
        namespace=modality,
    )


def _report_of_all() -> Node:
    """One dataset of each modality: the picture of the pipeline stays readable with all of them collapsed."""
    evidence = {modality: f"{modality}_evidence" for modality in MODALITIES}
    return Node(
        report_all, {"scoreboard": "scoreboard", **_settings(), **evidence}, "report", name="render_report"
    )


def _settings() -> dict[str, str]:
    return {"seed": "params:seed", "budget": "params:budget"}


def _behind_the_scoreboard(modality: str) -> dict[str, str]:
    names = [
        *(f"figure_{name}" for name in FIGURES),
        *("tasks", "attrition", "task_attrition", "leakage_audit"),
        *(f"{lane}_selection" for lane in JUDGED_NAMESPACES),
        *(["gallery"] if modality in _GALLERIES else []),
    ]
    return {name: f"{modality}_{name}" for name in names}
