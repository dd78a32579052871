"""What one modality brings to the report besides its rows of the scoreboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
import plotly.graph_objects as go

__all__ = ["Evidence"]


@dataclass(frozen=True)
class Evidence:
    """Figures and small tables of one modality. Predictions and examples are not among them.

    The one figure that shows examples, the gallery, comes from `draw_gallery`: it reads nothing but what the
    embedded hospital wrote.

    Attributes:
        modality: Name of the modality.
        figures: Figures by name (see `FIGURES`); a missing one is said to be missing.
        gallery: Examples of the embedded hospital; None for a modality that has no such figure.
        tasks: Task table.
        attrition: Account of ingestion.
        audit: Leakage audit.
        selection: Settings tried on validation tasks.
    """

    modality: str
    figures: Mapping[str, go.Figure] = field(default_factory=dict)
    tasks: pd.DataFrame = field(default_factory=pd.DataFrame)
    attrition: pd.DataFrame = field(default_factory=pd.DataFrame)
    audit: pd.DataFrame = field(default_factory=pd.DataFrame)
    selection: pd.DataFrame = field(default_factory=pd.DataFrame)
    gallery: go.Figure | None = None
