"""All figures of one modality: what the reporting stage saves and the report embeds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from med_maml_pipeline.metrics.schema import validate_scoreboard
from med_maml_pipeline.reports.figures.contact_sheet import contact_sheet
from med_maml_pipeline.reports.figures.facets import absent
from med_maml_pipeline.reports.figures.forest import forest_figure
from med_maml_pipeline.reports.figures.heat_map import heat_map
from med_maml_pipeline.reports.figures.learning import learning_figure
from med_maml_pipeline.reports.figures.overview import overview_figure
from med_maml_pipeline.reports.figures.reliability import reliability_figure
from med_maml_pipeline.reports.figures.roc import roc_figure
from med_maml_pipeline.reports.figures.support import support_figure
from med_maml_pipeline.reports.leaders import mark_leaders
from med_maml_pipeline.reports.leading import leading_predictions
from med_maml_pipeline.reports.showcase import read_synthetic
from med_maml_pipeline.sources.spec import SourceSpec

__all__ = ["FIGURES", "draw_figures", "draw_gallery"]

FIGURES: tuple[str, ...] = ("overview", "support", "forest", "roc", "reliability", "learning")
"""Names of the figures, in the order of the report."""

NEVER = (
    "Pictures and samples of real patients are never shown, and no active source of this run is the embedded "
    "hospital's."
)
"""What stands in place of a gallery without synthetic sources."""


def draw_gallery(specs: Mapping[str, SourceSpec], synthetic: Path) -> go.Figure:
    """Examples of the embedded hospital: pictures as a contact sheet, samples as a heat map of means.

    Args:
        specs: Active sources of one modality; those of another origin than the hospital are not opened.
        synthetic: Folder of the snapshot that the hospital wrote.

    Returns:
        The figure. Where nothing is synthetic it says that real patients are never shown.

    Raises:
        DataError: see `read_synthetic`.
    """
    collections = read_synthetic(specs, synthetic)
    pictures = [one for one in collections if one.pixels is not None]
    if pictures:
        return contact_sheet("Pictures by class and site", pictures)
    samples = [one for one in collections if one.features]
    return heat_map("Expression by class and site", samples[0]) if samples else absent("Examples", NEVER)


def draw_figures(
    scoreboard: pd.DataFrame,
    predictions: pd.DataFrame,
    tasks: pd.DataFrame,
    episodes: pd.DataFrame,
    selection: pd.DataFrame,
    costs: pd.DataFrame,
    history: pd.DataFrame,
    *,
    seed: int,
) -> dict[str, go.Figure]:
    """Draws every figure of one modality.

    Args:
        scoreboard: Scoreboard rows of the modality.
        predictions / tasks / episodes / selection / costs: Tables of all lanes, as for `build_scoreboard`.
        history: Learning curves of all lanes, as `learning_figure` takes them; may be empty.
        seed: Seed of the bootstrap in the forest plot.

    Returns:
        A figure for each name in `FIGURES`; one with nothing to show says why.

    Raises:
        MedMamlError: a table has not the expected form.
    """
    marked = mark_leaders(validate_scoreboard(scoreboard), selection, tasks)
    leading = leading_predictions(marked, predictions, tasks, episodes, selection)
    lanes = dict(zip(marked["learner"], marked["lane"], strict=True))
    return {
        "overview": overview_figure(marked),
        "support": support_figure(marked),
        "forest": forest_figure(predictions, tasks, episodes, selection, costs, seed=seed),
        "roc": roc_figure(leading),
        "reliability": reliability_figure(leading),
        "learning": learning_figure(history, lanes),
    }
