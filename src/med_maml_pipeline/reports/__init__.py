"""Tables and figures for people."""

from med_maml_pipeline.reports.evidence import Evidence
from med_maml_pipeline.reports.gallery import FIGURES, draw_figures, draw_gallery
from med_maml_pipeline.reports.report import render_report
from med_maml_pipeline.reports.terminal import terminal_scoreboard

__all__ = ["FIGURES", "Evidence", "draw_figures", "draw_gallery", "render_report", "terminal_scoreboard"]
