"""What was lost on the way, in sentences: rows, examples, and values that do not exist."""

from __future__ import annotations

import pandas as pd

from med_maml_pipeline.reports.board import need, primary
from med_maml_pipeline.reports.wording import counted, whole

__all__ = ["losses"]


def losses(scoreboard: pd.DataFrame, tasks: pd.DataFrame, attrition: pd.DataFrame) -> tuple[str, ...]:
    """Says what did not reach the verdict.

    Args:
        scoreboard: Scoreboard rows of the modality.
        tasks: Its task table.
        attrition: Its account of ingestion.
    """
    sentences = []
    if len(attrition):
        need(attrition, ("source", "lost"), "attrition")
        steps = attrition[attrition["lost"] > 0]
        sentences.append(
            "Ingestion and task construction set nothing aside."
            if steps.empty
            else f"Ingestion and task construction set something aside at {counted(len(steps), 'step')} in "
            f"{counted(steps['source'].nunique(), 'source')}; the table of attrition lists them all."
        )
    if len(tasks):
        need(tasks, ("n_examples", "lost_examples", "capped_examples"), "tasks")
        kept, lost, capped = (
            float(tasks[name].sum()) for name in ("n_examples", "lost_examples", "capped_examples")
        )
        share = lost / (kept + lost + capped) if kept + lost + capped else 0.0
        sentences.append(
            f"Keeping groups apart between meta-splits cost {whole(lost)} labelled examples "
            f"({share:.0%} of those the tasks could have had), and the cap on pools {whole(capped)}; "
            "an example that serves several tasks or folds is counted in each."
        )
    values = primary(scoreboard)
    undefined = int(values["value"].isna().sum())
    sentences.append(
        f"{undefined} of {len(values)} values of the primary metrics are undefined (query sets of one class, "
        "or constant predictions); they are shown as undefined and never counted as 0 or .5."
        if undefined
        else f"All {len(values)} values of the primary metrics are defined."
    )
    return tuple(sentences)
