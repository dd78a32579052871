"""The parts of the page that each modality fills: figures, tables and sentences under fixed headings."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from med_maml_pipeline.reports.evidence import Evidence
from med_maml_pipeline.reports.inputs import inputs_told
from med_maml_pipeline.reports.losses import losses
from med_maml_pipeline.reports.scoreboard_table import embedded_json
from med_maml_pipeline.reports.tables import Table, attrition_table, audit_table, selection_table, task_table
from med_maml_pipeline.reports.wording import modality_label

__all__ = ["Block", "FigureView", "Part", "modality_part"]

SELECTION_TEXT = (
    "Every learner, classical ones and controls included, was tuned on validation tasks only, on stored "
    "episodes that are the same for all. Test tasks were touched once, after every choice was made."
)
AUDIT_TEXT = (
    "Counts of tasks and groups that two meta-splits share, and of groups on both sides of an episode. "
    "A run stops before training on any overlap, except under a protocol declared as a waiver."
)


@dataclass(frozen=True)
class FigureView:
    """A figure for the page: its JSON may be blank, and the caption then says why."""

    title: str
    caption: str
    json: str


@dataclass(frozen=True)
class Block:
    """A heading with what stands below it."""

    anchor: str
    title: str
    paragraphs: tuple[str, ...] = ()
    figures: tuple[FigureView, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Part:
    """All blocks of one modality."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


def modality_part(scoreboard: pd.DataFrame, evidence: Evidence) -> Part:
    """The part of one modality.

    Args:
        scoreboard: Scoreboard rows of this modality.
        evidence: Its figures and tables.
    """
    name = evidence.modality
    anchor = re.sub(r"[^a-z0-9]+", "-", name.lower())
    figures = evidence.figures
    blocks = (
        *_gallery(evidence.gallery),
        Block("results", "Results by lane", figures=_views(figures, "overview", "support")),
        Block("by-task", "Task by task", figures=_views(figures, "forest")),
        Block("curves", "Discrimination and calibration", figures=_views(figures, "roc", "reliability")),
        Block("training", "Meta-training", figures=_views(figures, "learning")),
        Block(
            "selection",
            "How learners were chosen",
            (SELECTION_TEXT,),
            tables=(selection_table(evidence.selection),),
        ),
        Block(
            "cohort",
            "Cohort, and what was lost",
            (*inputs_told(name, evidence.tasks), *losses(scoreboard, evidence.tasks, evidence.attrition)),
            tables=(task_table(name, evidence.tasks), attrition_table(evidence.attrition)),
        ),
        Block("audit", "Leakage audit", (AUDIT_TEXT,), tables=(audit_table(evidence.audit),)),
    )
    placed = tuple(
        Block(f"{anchor}-{block.anchor}", block.title, block.paragraphs, block.figures, block.tables)
        for block in blocks
    )
    return Part(anchor, modality_label(name), placed)


def _gallery(figure: go.Figure | None) -> tuple[Block, ...]:
    if figure is None:
        return ()
    view = _view("gallery", figure)
    if view.json:
        return (Block("gallery", "What the embedded hospital looks like", figures=(view,)),)
    return (Block("gallery", view.title, (view.caption,)),)


def _views(figures: Mapping[str, go.Figure], *names: str) -> tuple[FigureView, ...]:
    return tuple(_view(name, figures[name]) if name in figures else _missing(name) for name in names)


def _missing(name: str) -> FigureView:
    return FigureView(name.capitalize(), "This figure was not made in this run.", "")


def _view(name: str, figure: go.Figure) -> FigureView:
    content = json.loads(figure.to_json())
    meta = content["layout"].get("meta") or {}
    title = content["layout"].get("title", {}).get("text", name.capitalize())
    drawable = "facets" in meta
    return FigureView(title, meta.get("caption", ""), embedded_json(content) if drawable else "")
