"""One module per figure; each gives a `plotly.graph_objects.Figure` of plain, rounded numbers."""

from med_maml_pipeline.reports.figures.contact_sheet import contact_sheet
from med_maml_pipeline.reports.figures.forest import forest_figure
from med_maml_pipeline.reports.figures.heat_map import heat_map
from med_maml_pipeline.reports.figures.learning import learning_figure
from med_maml_pipeline.reports.figures.overview import overview_figure
from med_maml_pipeline.reports.figures.reliability import reliability_figure
from med_maml_pipeline.reports.figures.roc import roc_figure
from med_maml_pipeline.reports.figures.support import support_figure

__all__ = [
    "contact_sheet",
    "forest_figure",
    "heat_map",
    "learning_figure",
    "overview_figure",
    "reliability_figure",
    "roc_figure",
    "support_figure",
]
