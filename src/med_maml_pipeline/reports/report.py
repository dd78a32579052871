"""One self-contained HTML file that people read: the answer first, evidence below, no connection ever."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from med_maml_pipeline.metrics.answer_sides import answer_sides
from med_maml_pipeline.metrics.best import BEST_COLUMNS, best_of_ours
from med_maml_pipeline.metrics.primary import is_primary
from med_maml_pipeline.metrics.schema import validate_scoreboard
from med_maml_pipeline.metrics.verdict import verdict_of
from med_maml_pipeline.reports.answer_table import answer_paragraph, answer_table
from med_maml_pipeline.reports.assets import (
    content_security_policy,
    environment,
    page_script,
    plotly_script,
    stylesheet,
)
from med_maml_pipeline.reports.comparison import comparison_table
from med_maml_pipeline.reports.evidence import Evidence
from med_maml_pipeline.reports.headline import headline
from med_maml_pipeline.reports.leaders import mark_leaders
from med_maml_pipeline.reports.scoreboard_table import board_table
from med_maml_pipeline.reports.sections import Block, Part, modality_part
from med_maml_pipeline.reports.wording import DEFINITIONS, MODALITY_LABELS, TERMS, metric_label

__all__ = ["render_report"]


def render_report(
    scoreboard: pd.DataFrame,
    evidence: Sequence[Evidence],
    provenance: Mapping[str, object],
) -> str:
    """Renders the report.

    Args:
        scoreboard: The scoreboard, of one modality or of all.
        evidence: Figures and small tables, one per modality.
        provenance: Facts of the run; nested mappings are flattened to dotted names.

    Returns:
        The HTML page. Nothing in it comes from a patient's row: only named columns of aggregated tables.

    Raises:
        MedMamlError: the scoreboard has not the expected form, or another table lacks a column.
    """
    scoreboard = validate_scoreboard(scoreboard)
    best = _best(scoreboard, evidence)
    sides, lines = answer_sides(scoreboard, best), verdict_of(best)
    parts = [modality_part(scoreboard[scoreboard["modality"] == one.modality], one) for one in evidence]
    board = board_table(_marked(scoreboard, evidence))
    content = {
        "title": "Report: " + (_modalities(scoreboard) or "no results"),
        "subtitle": _subtitle(scoreboard, provenance),
        "answer": answer_paragraph(sides),
        "answers": answer_table(sides) if len(sides) else None,
        "headline": headline(lines),
        "comparison": comparison_table(lines),
        "sentences": [line.sentence for line in lines],
        "contents": _contents(parts),
        "board": board,
        "columns": board.columns,
        "parts": parts,
        "definitions": [*TERMS.items(), *((metric_label(name), text) for name, text in DEFINITIONS.items())],
        "provenance": list(_facts(provenance)),
    }
    return environment().get_template("report.html.j2").render(**content, **_assets(parts))


def _assets(parts: Sequence[Part]) -> dict[str, str]:
    """Styles, scripts and the policy that allows them; plotly.js only where a figure needs it."""
    drawn = any(view.json for part in parts for block in part.blocks for view in block.figures)
    library = plotly_script() if drawn else ""
    policy = content_security_policy(*filter(None, (library, page_script())))
    return {"css": stylesheet(), "plotly_js": library, "script": page_script(), "policy": policy}


def _marked(scoreboard: pd.DataFrame, evidence: Sequence[Evidence]) -> pd.DataFrame:
    by_name = {one.modality: one for one in evidence}
    marked = []
    for modality, rows in scoreboard.groupby("modality", sort=True):
        one = by_name.get(str(modality), Evidence(str(modality)))
        marked.append(mark_leaders(rows, one.selection, one.tasks))
    return pd.concat(marked) if marked else scoreboard.assign(leader=False)


def _best(scoreboard: pd.DataFrame, evidence: Sequence[Evidence]) -> pd.DataFrame:
    """`best_of_ours` on primary metrics, of the modalities that can tell what validation tasks chose."""
    tables = []
    for one in evidence:
        rows = scoreboard[scoreboard["modality"] == one.modality]
        if len(one.selection) and len(one.tasks):
            tables.append(best_of_ours(rows[is_primary(rows)], one.selection, one.tasks))
    tables = [table for table in tables if len(table)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(BEST_COLUMNS))


def _modalities(scoreboard: pd.DataFrame) -> str:
    """``health records, pictures``, in the order of the modalities."""
    found = set(scoreboard["modality"])
    names = [*(name for name in MODALITY_LABELS if name in found), *sorted(found - set(MODALITY_LABELS))]
    return ", ".join(MODALITY_LABELS.get(name, name).lower() for name in names)


def _subtitle(scoreboard: pd.DataFrame, provenance: Mapping[str, object]) -> str:
    facts = [
        f"{name.replace('_', ' ')} {provenance[name]}"
        for name in ("run_id", "git_commit")
        if name in provenance
    ]
    pairs = set(zip(scoreboard["seed"], scoreboard["n_seeds"], strict=True))
    seeds = ", ".join(map(str, sorted({seed + more for seed, count in pairs for more in range(count)})))
    return " · ".join([*facts, *([f"seed {seeds}"] if seeds else [])])


def _contents(parts: Sequence[Part]) -> list[tuple[str, str, tuple[Block, ...]]]:
    return [
        ("answer", "The answer", ()),
        ("verdict", "Did learning from other tasks help?", ()),
        ("scoreboard", "Scoreboard", ()),
        *((part.anchor, part.title, part.blocks) for part in parts),
        ("definitions", "Definitions", ()),
        ("provenance", "Provenance", ()),
    ]


def _facts(provenance: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in provenance.items():
        if isinstance(value, Mapping):
            yield from _facts(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)
