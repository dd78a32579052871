"""Thin nodes: the scoreboard and what lies behind it in, figures, evidence and reports out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from med_maml_pipeline.datasets.multi_source import SourceSet
from med_maml_pipeline.datasets.snapshot import Snapshot
from med_maml_pipeline.pipelines.evaluation.nodes import gather
from med_maml_pipeline.pipelines.modalities import JUDGED_NAMESPACES, LANE_NAMESPACES, MODALITIES
from med_maml_pipeline.reports import FIGURES, Evidence, draw_figures, draw_gallery, render_report
from med_maml_pipeline.reports.stored import evidence_files, evidence_from
from med_maml_pipeline.runs.code import code_version
from med_maml_pipeline.runs.surroundings import device, package_versions

__all__ = ["draw_examples", "draw_modality", "gather_evidence", "report_all", "report_modality"]

Files = Iterable[tuple[str, Any]]


def draw_modality(
    scoreboard: pd.DataFrame, tasks: pd.DataFrame, episodes: pd.DataFrame, seed: int, **lanes: pd.DataFrame
) -> tuple[go.Figure, ...]:
    """Draws the figures of one modality, in the order of `FIGURES`."""
    predictions, selection, costs = (
        gather(*(lanes[f"{lane}_{name}"] for lane in JUDGED_NAMESPACES))
        for name in ("predictions", "selection", "costs")
    )
    history = gather(*(lanes[f"{lane}_history"] for lane in LANE_NAMESPACES))
    figures = draw_figures(scoreboard, predictions, tasks, episodes, selection, costs, history, seed=seed)
    return tuple(figures[name] for name in FIGURES)


def draw_examples(sources: SourceSet, synthetic: Snapshot) -> go.Figure:
    """Shows what the embedded hospital made; nothing of any other source."""
    return draw_gallery(sources.specs, synthetic.root)


def gather_evidence(modality: str) -> Callable[..., Files]:
    """The node function of one modality."""

    def gather_figures_and_tables(
        tasks: pd.DataFrame,
        attrition: pd.DataFrame,
        task_attrition: pd.DataFrame,
        leakage_audit: pd.DataFrame,
        **more: Any,
    ) -> Files:
        """Puts figures, accounts of losses, leakage audit and selection together for the reports."""
        evidence = Evidence(
            modality,
            figures={name: more[f"figure_{name}"] for name in FIGURES},
            tasks=tasks,
            attrition=pd.concat([attrition, task_attrition], ignore_index=True),
            audit=leakage_audit,
            selection=gather(*(more[f"{lane}_selection"] for lane in JUDGED_NAMESPACES)),
            gallery=more.get("gallery"),
        )
        return evidence_files(evidence)

    return gather_figures_and_tables


def report_modality(modality: str) -> Callable[..., str]:
    """The node function of one modality."""

    def render_report_of_modality(
        scoreboard: pd.DataFrame, evidence: Snapshot, seed: int, budget: str
    ) -> str:
        """Renders the report of one kind of data as a self-contained page."""
        return render_report(scoreboard, [_read(modality, evidence)], _facts(seed, budget))

    return render_report_of_modality


def report_all(scoreboard: pd.DataFrame, seed: int, budget: str, **evidence: Snapshot) -> str:
    """Renders the report of all kinds of data as one self-contained page."""
    parts = [_read(modality, evidence[modality]) for modality in sorted(evidence, key=MODALITIES.index)]
    return render_report(scoreboard, parts, _facts(seed, budget))


def _read(modality: str, stored: Snapshot) -> Evidence:
    return evidence_from(modality, stored.names(), stored.read)


def _facts(seed: int, budget: str) -> dict[str, object]:
    return {
        "seed": seed,
        "budget": budget,
        "code": code_version(Path.cwd()),
        "device": device(),
        "packages": package_versions(),
    }
