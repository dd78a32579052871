"""One label per stay from labels that may be hourly, without letting the inputs see it."""

from __future__ import annotations

import numpy as np
import polars as pl

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.sources.hourly_files import ELAPSED, HOUR, LABEL, OutcomeFiles
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.sources.reading import AttritionRow
from med_maml_pipeline.sources.spec import HourlyOutcome
from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["read_labels"]


def read_labels(
    files: OutcomeFiles, outcome: HourlyOutcome, stay: str, table: str
) -> tuple[pl.Series, FloatArray, list[AttritionRow]]:
    """Stays that count as examples, their labels ``[n]``, and the account.

    Three rules. Labels per stay are taken as they are. With ``horizon_hours``, a stay is positive when any
    label in ``[window, window + horizon)`` is, after stays already positive inside the window, and stays
    that ended before the window did, have left. With ``label_at_hour``, the label of that hour.

    Raises:
        DataError: a binary label other than 0 and 1, one class only, no stay left.
        ConfigurationError: the rule does not fit the file, or the label lies inside the window.
    """
    _check_rule(files, outcome)
    account = [AttritionRow(table, "stays read", files.labels[stay].n_unique(), 0)]
    if outcome.horizon_hours is not None:
        labels = _within_horizon(files.labels, outcome, stay, table, account)
    elif outcome.label_at_hour is not None:
        labels = files.labels.filter(pl.col(ELAPSED) == outcome.label_at_hour * HOUR)
        _count(account, table, f"ended before hour {outcome.label_at_hour}", len(labels))
    else:
        labels = files.labels
    values = labels[LABEL].to_numpy()
    _check_values(values, outcome, files.place)
    return labels[stay], values.astype(np.float32), account


def _within_horizon(
    labels: pl.DataFrame, outcome: HourlyOutcome, stay: str, table: str, account: list[AttritionRow]
) -> pl.DataFrame:
    start = outcome.window_hours * HOUR
    end = start + (outcome.horizon_hours or 0) * HOUR
    positive = pl.col(LABEL) > 0
    stays = labels.group_by(stay, maintain_order=True).agg(
        already=(positive & (pl.col(ELAPSED) < start)).any(),
        observed=(pl.col(ELAPSED) >= start).any(),
        label=(positive & (pl.col(ELAPSED) >= start) & (pl.col(ELAPSED) < end)).any().cast(pl.Float64),
    )
    stays = stays.filter(~pl.col("already"))
    _count(account, table, f"positive before hour {outcome.window_hours}", len(stays))
    stays = stays.filter("observed")
    _count(account, table, f"ended before hour {outcome.window_hours}", len(stays))
    return stays.rename({"label": LABEL})


def _count(account: list[AttritionRow], table: str, step: str, kept: int) -> None:
    account.append(AttritionRow(table, step, kept, account[-1].kept - kept))


def _check_rule(files: OutcomeFiles, outcome: HourlyOutcome) -> None:
    declared = outcome.horizon_hours is not None or outcome.label_at_hour is not None
    problem = ""
    if files.hourly_labels and not declared:
        problem = "labels are hourly: declare 'horizon_hours' or 'label_at_hour'"
    elif declared and not files.hourly_labels:
        problem = "there is one label per stay: 'horizon_hours' and 'label_at_hour' do not apply"
    elif outcome.horizon_hours is not None and outcome.label_at_hour is not None:
        problem = "declare 'horizon_hours' or 'label_at_hour', not both"
    elif outcome.horizon_hours is not None and outcome.target_type == "regression":
        problem = "'horizon_hours' needs a binary target"
    elif outcome.label_at_hour is not None and outcome.label_at_hour < outcome.window_hours:
        problem = "'label_at_hour' lies inside the input window: the inputs would see the label"
    if problem:
        raise ConfigurationError(f"source '{files.place.source}', {files.place.where}: {problem}.")


def _check_values(values: np.ndarray, outcome: HourlyOutcome, place: Place) -> None:
    if not len(values):
        raise place.error("no stay is left", remedy="check 'window_hours' and 'label_at_hour'")
    if outcome.target_type == "binary":
        others = int((~np.isin(values, (0.0, 1.0))).sum())
        if others:
            raise place.error(f"{others} labels of a binary outcome are neither 0 nor 1", expected="0 and 1")
    if values.min() == values.max():
        kind = "class" if outcome.target_type == "binary" else "value"
        raise place.error(
            f"the {len(values)} remaining stays have one {kind} only",
            expected=f"more than one {kind}",
            remedy="widen the horizon or leave the outcome out",
        )
