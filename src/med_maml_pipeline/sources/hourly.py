"""Hourly tables of intensive-care stays in the YAIB layout: one table of examples per outcome.

Layout: van de Water et al., "Yet Another ICU Benchmark", ICLR 2024: a folder per outcome with ``sta``
(one row per stay), ``dyn`` (one row per stay and hour) and ``outc`` (labels) as Parquet files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from med_maml_pipeline.sources.hourly_features import (
    StaticLevels,
    hourly_features,
    hourly_kinds,
    hourly_names,
    static_features,
    static_kinds,
    static_names,
)
from med_maml_pipeline.sources.hourly_files import OutcomeFiles, open_outcome
from med_maml_pipeline.sources.hourly_labels import read_labels
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.sources.reading import AttritionRow, Reading, TablePart, TableSchema, inside
from med_maml_pipeline.sources.spec import HourlyOutcome, HourlySource
from med_maml_pipeline.tasks.types import TargetColumn, TargetType

__all__ = ["read_hourly"]


def read_hourly(name: str, spec: HourlySource, root: Path) -> Reading:
    """Opens the outcomes; each becomes a table (and its only target) of that name, all with the same columns.

    Inputs are, for each hourly variable, the last, mean, least and greatest value before the window's end
    and the number of hours with a value; and the static columns, text ones as indicators. The stay is the
    group, so that stays seen under several outcomes never part.

    Args:
        name: Name of the source.
        spec: Outcomes with their windows and label rules.
        root: Folder that ``spec.path`` is relative to.

    Raises:
        DataError: a file is missing or has other columns than expected, repeated stays, labels that are
            missing or of one class only.
        ConfigurationError: a label rule would let the inputs see the label.
    """
    folder = inside(root, spec.path, source=name)
    outcomes = {
        outcome: open_outcome(folder, one, spec.id, Place(name, f"outcome '{outcome}'"))
        for outcome, one in spec.outcomes.items()
    }
    variables = _shared_variables(outcomes)
    levels = StaticLevels.collect(
        [files.static for files in outcomes.values()], spec.id, spec.min_category_count
    )
    features = (*hourly_names(variables), *static_names(levels))
    kinds = (*hourly_kinds(variables), *static_kinds(levels))
    schemas = tuple(
        TableSchema(outcome, features, kinds, (_target(outcome, one),))
        for outcome, one in spec.outcomes.items()
    )
    attrition: list[AttritionRow] = []
    return Reading(
        schemas, _parts(spec, outcomes, variables, levels, attrition), attrition, group_namespace=name
    )


def _parts(
    spec: HourlySource,
    outcomes: Mapping[str, OutcomeFiles],
    variables: tuple[str, ...],
    levels: StaticLevels,
    attrition: list[AttritionRow],
) -> Iterator[TablePart]:
    for outcome, files in outcomes.items():
        one = spec.outcomes[outcome]
        stays, y, account = read_labels(files, one, spec.id, outcome)
        attrition.extend(account)
        order = pl.DataFrame({spec.id: stays})
        x = np.concatenate(
            [
                hourly_features(files.hours(variables), order, spec.id, one.window_hours),
                static_features(files.static, order, spec.id, levels),
            ],
            axis=1,
        )
        ids = np.array([str(stay) for stay in stays], dtype=object)
        yield TablePart(outcome, x, y[:, None], ids)


def _shared_variables(outcomes: Mapping[str, OutcomeFiles]) -> tuple[str, ...]:
    first, *others = outcomes.values()
    for files in others:
        differing = set(files.variables) ^ set(first.variables)
        differing |= set(files.static.columns) ^ set(first.static.columns)
        if differing:
            raise files.place.error(
                f"{len(differing)} columns differ from those of the first outcome, such as "
                f"'{sorted(differing)[0]}'",
                expected="the same hourly and static columns in every outcome",
                remedy="declare the outcomes with other columns as a source of their own",
            )
    return first.variables


def _target(outcome: str, one: HourlyOutcome) -> TargetColumn:
    if one.target_type == "regression":
        return TargetColumn(outcome, TargetType.REGRESSION, 0, cluster=outcome)
    return TargetColumn(outcome, TargetType.BINARY, 2, cluster=outcome)
