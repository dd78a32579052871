"""What is known of expression samples beside their genes: targets, groups, strata, names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.sources.cohort import strata_of
from med_maml_pipeline.sources.labels import read_target
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.sources.reading import TableSchema
from med_maml_pipeline.sources.spec import TableColumns
from med_maml_pipeline.sources.spec_expression import ExpressionColumns, ExpressionScale
from med_maml_pipeline.tasks.types import FeatureKind, FloatArray, TargetColumn, TargetType

__all__ = [
    "Samples",
    "absent",
    "declared_columns",
    "expression_schema",
    "read_samples",
    "require_columns",
    "require_genes",
    "require_unique",
]

MAX_EXPRESSION_CLASSES = 200
"""More are taken for a number declared as a class."""


@dataclass(frozen=True)
class Samples:
    """Samples without their genes.

    Attributes:
        y: ``[n, t]`` float32, NaN where a further target is unobserved.
        targets: The ``t`` targets.
        groups: ``[n]`` str: the declared group, else the sample itself.
        strata: ``[n]`` str, or None.
    """

    y: FloatArray
    targets: tuple[TargetColumn, ...]
    groups: NDArray[np.object_]
    strata: NDArray[np.object_] | None


def expression_schema(
    table: str, genes: tuple[str, ...], samples: Samples, scale: ExpressionScale
) -> TableSchema:
    """Schema of a table of samples: genes are numbers, and the scale is what a checkpoint must know."""
    return TableSchema(
        table=table,
        features=genes,
        kinds=(FeatureKind.NUMERIC,) * len(genes),
        targets=samples.targets,
        preprocessing=scale.model_dump(mode="json"),
    )


def declared_columns(columns: ExpressionColumns) -> Iterator[tuple[str, str]]:
    """Role and name of every declared column that is read, the target first."""
    yield "target", columns.target
    yield from (("target", name) for name in columns.more_targets)
    for role in ("sample", "group", "stratum"):
        name = getattr(columns, role)
        if name is not None:
            yield role, name


def require_columns(columns: ExpressionColumns, known: Collection[str], what: str, place: Place) -> None:
    """Refuses a declared column that is not among ``known``.

    Args:
        columns: The declared roles.
        known: Columns that are there.
        what: What they are columns of.
        place: For errors.

    Raises:
        DataError: names the column and the closest one.
    """
    for role, name in (*declared_columns(columns), *(("drop", name) for name in columns.drop)):
        if name not in known:
            raise absent(f"{role} column", name, known, what, place)


def absent(role: str, name: str, known: Collection[str], what: str, place: Place) -> DataError:
    """The error for a declared name that is not there: suggests the closest, or lists them if few."""
    close = get_close_matches(name, list(known), n=1)
    listed = f"it has {', '.join(known)}" if 0 < len(known) <= 8 else "correct the name in the configuration"
    return place.error(
        f"the declared {role} '{name}' is absent among {len(known)} of {what}",
        expected="it there under that name",
        remedy=f"did you mean '{close[0]}'" if close else listed,
    )


def require_genes(genes: tuple[str, ...], place: Place) -> None:
    """Refuses gene names that repeat or are blank, and their absence.

    Raises:
        DataError: the number of such names, and the first ones.
    """
    repeated = [gene for gene, count in Counter(genes).items() if count > 1]
    if repeated:
        raise place.error(
            f"{len(repeated)} gene names occur more than once: {', '.join(map(repr, repeated[:5]))}",
            expected="distinct gene names",
            remedy="merge or rename these genes",
        )
    if not genes or "" in genes:
        raise place.error(
            "a gene has no name" if genes else "no gene is left",
            expected="named genes beside the declared columns",
            remedy="name it (a delimited file may list '' under 'drop')"
            if genes
            else "check 'drop' and the other roles",
        )


def read_samples(
    frame: pd.DataFrame, columns: ExpressionColumns, prefixes: tuple[str, str], place: Place
) -> Samples:
    """Targets, groups and strata from tidy columns indexed by row number.

    Args:
        frame: The declared columns in canonical spelling, None where missing.
        columns: The declared roles.
        prefixes: What goes before the identifiers of declared groups, and before those of single samples.
        place: For errors.

    Raises:
        DataError: sample names that are missing or repeated; samples without a target or group; a target
            that `read_target` refuses; a further target that is not 0, 1 or blank.
    """
    if columns.sample is not None:
        require_unique(frame[columns.sample], f"column '{columns.sample}'", place)
    target = frame[columns.target]
    _require_present(target, "target", place)
    roles = TableColumns(target=columns.target, target_type=columns.target_type, positive=columns.positive)
    y, main = read_target(target, roles, place, max_classes=MAX_EXPRESSION_CLASSES)
    further = [_binary(frame[name], place) for name in columns.more_targets]
    names = (TargetColumn(name, TargetType.BINARY, 2, cluster=name) for name in columns.more_targets)
    return Samples(
        y=np.stack([y, *further], axis=1),
        targets=(main, *names),
        groups=_groups(frame, columns, prefixes, place),
        strata=strata_of(frame, columns.stratum),
    )


def require_unique(names: pd.Series, what: str, place: Place) -> None:
    """Refuses sample names that are missing or occur twice.

    Raises:
        DataError: the number of such samples and the first row.
    """
    _require_present(names, "sample", place)
    repeated = names.duplicated().to_numpy()
    if repeated.any():
        raise place.error(
            f"{int(repeated.sum())} rows repeat a sample name of {what}, first in row "
            f"{names.index[repeated][0]}",
            expected="one row per sample",
            remedy="rename the samples, or declare the column as 'group' if it names patients",
        )


def _binary(column: pd.Series, place: Place) -> FloatArray:
    values = column.map({"0": 0.0, "1": 1.0}).to_numpy(dtype=np.float32, na_value=np.nan)
    bad = np.isnan(values) & column.notna().to_numpy()
    if bad.any():
        raise place.error(
            f"{int(bad.sum())} cells of the target column '{column.name}' are neither 0, 1 nor blank, "
            f"first in row {column.index[bad][0]}",
            expected="0 or 1, blank where unknown, in each of 'more_targets'",
            remedy="recode the column, or leave it out",
        )
    return values


def _groups(
    frame: pd.DataFrame, columns: ExpressionColumns, prefixes: tuple[str, str], place: Place
) -> NDArray[np.object_]:
    declared, single = prefixes
    if columns.group is None:
        return np.asarray(f"{single}row-" + frame.index.to_series().astype(str), dtype=object)
    _require_present(frame[columns.group], "group", place)
    return np.asarray(declared + frame[columns.group].astype(str), dtype=object)


def _require_present(column: pd.Series, role: str, place: Place) -> None:
    missing = column.isna().to_numpy()
    if missing.any():
        raise place.error(
            f"{int(missing.sum())} of {len(column)} samples lack the {role} column '{column.name}', first in "
            f"row {column.index[missing][0]}",
            expected=f"a {role} for every sample",
            remedy="fill it in, or remove these samples",
        )
