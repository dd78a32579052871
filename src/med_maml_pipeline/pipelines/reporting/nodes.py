"""Thin nodes: the scoreboard and its evidence in, figures and the report out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from med_maml_pipeline.pipelines.evaluation.nodes import gather
from med_maml_pipeline.pipelines.modalities import LANE_NAMESPACES
from med_maml_pipeline.reports import FIGURES, Evidence, draw_figures, render_report
from med_maml_pipeline.runs.code import code_version
from med_maml_pipeline.runs.surroundings import device, package_versions

__all__ = ["draw_modality", "report_all", "report_modality"]


def draw_modality(
    scoreboard: pd.DataFrame, tasks: pd.DataFrame, episodes: pd.DataFrame, seed: int, **lanes: pd.DataFrame
) -> tuple[go.Figure, ...]:
    """Draws the figures of one modality, in the order of `FIGURES`."""
    predictions, selection, costs, history = (
        gather(*(lanes[f"{lane}_{name}"] for lane in LANE_NAMESPACES))
        for name in ("predictions", "selection", "costs", "history")
    )
    figures = draw_figures(scoreboard, predictions, tasks, episodes, selection, costs, history, seed=seed)
    return tuple(figures[name] for name in FIGURES)


def report_modality(scoreboard: pd.DataFrame, seed: int, budget: str, **evidence: Any) -> str:
    """Renders the report of one modality."""
    modality = str(scoreboard["modality"].iloc[0])
    return render_report(scoreboard, [_evidence(modality, evidence)], _facts(seed, budget))


def report_all(scoreboard: pd.DataFrame, seed: int, budget: str, **evidence: Any) -> str:
    """Renders the report of all modalities."""
    modalities = sorted({name.split("__", 1)[0] for name in evidence})
    parts = [
        _evidence(
            modality, {n.split("__", 1)[1]: v for n, v in evidence.items() if n.startswith(f"{modality}__")}
        )
        for modality in modalities
    ]
    return render_report(scoreboard, parts, _facts(seed, budget))


def _evidence(modality: str, tables: Mapping[str, Any]) -> Evidence:
    return Evidence(
        modality,
        figures={name: tables[f"figure_{name}"] for name in FIGURES},
        tasks=tables["tasks"],
        attrition=pd.concat([tables["attrition"], tables["task_attrition"]], ignore_index=True),
        audit=tables["leakage_audit"],
        selection=gather(*(tables[f"{lane}_selection"] for lane in LANE_NAMESPACES)),
    )


def _facts(seed: int, budget: str) -> dict[str, object]:
    return {
        "seed": seed,
        "budget": budget,
        "code": code_version(Path.cwd()),
        "device": device(),
        "packages": package_versions(),
    }
