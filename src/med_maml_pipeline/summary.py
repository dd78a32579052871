"""What a user sees last: answers and scoreboard as tables, and where the report lies."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from rich.console import RenderableType

from med_maml_pipeline.modalities import MODALITIES

__all__ = ["SummaryHooks"]


class SummaryHooks:
    """After a run: answers and scoreboard as tables; paths of the report and of a user's own predictions."""

    def __init__(self) -> None:
        self._project = Path()

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keeps the project's folder."""
        self._project = Path(context.project_path)

    @hook_impl(trylast=True)
    def after_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Prints the table and the paths; says nothing after a run that made none of them."""
        made = pipeline.all_outputs()
        from med_maml_pipeline.reports.console import terminal_console

        console = terminal_console()
        for name in _widest("scoreboard", made):
            console.print(_table(catalog.load(name)))
        for name in _widest("report", made):
            path = catalog.get(name).load_path.relative_to(self._project)
            console.print(f"Report: {path.as_posix()}", soft_wrap=True, highlight=False)
        for name in sorted(name for name in made if name.endswith("_personal_predictions")):
            path = catalog.get(name).load_path.relative_to(self._project)
            console.print(f"Predictions: {path.as_posix()}", soft_wrap=True, highlight=False)


def _widest(kind: str, made: set[str]) -> list[str]:
    """The dataset of all modalities if it was made, else those of single modalities."""
    if kind in made:
        return [kind]
    return [name for modality in MODALITIES if (name := f"{modality}_{kind}") in made]


def _table(stored: pd.DataFrame) -> RenderableType:
    from med_maml_pipeline.metrics.schema import validate_scoreboard
    from med_maml_pipeline.reports import terminal_scoreboard

    return terminal_scoreboard(validate_scoreboard(stored))
