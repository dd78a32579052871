"""What a source is in configuration: its format, place, columns and the tasks it asks for.

A further source of a known format is an entry of this kind in the catalog and nothing else.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from med_maml_pipeline.sources.spec_base import MetaSplitRule, Source, Strict, SupportRule, TaskFamilySpec
from med_maml_pipeline.sources.spec_expression import H5adSource, MatricesSource
from med_maml_pipeline.sources.spec_imaging import ArraysSource, PicturesSource

__all__ = [
    "ArraysSource",
    "H5adSource",
    "HourlyOutcome",
    "HourlySource",
    "MatricesSource",
    "MedsSource",
    "MetaSplitRule",
    "PicturesSource",
    "SmilesSource",
    "SourceSpec",
    "SupportRule",
    "TableColumns",
    "TableSource",
    "TablesSource",
    "TaskFamilySpec",
]


class MedsSource(Source):
    """A MEDS 0.4 export: Parquet shards with subject_id, time, code, numeric_value, text_value.

    Targets: for each code that matches ``condition_codes``, whether the subject ever has it; inputs are
    summaries of all codes that are not conditions and not in ``exclude_codes``, up to the prediction
    time (``before_condition``: only events before the first condition code of any kind would leak
    nothing but also leave little; the default takes the first ``window_days`` after the first event and
    conditions coded at any time).

    Attributes:
        condition_codes: Glob patterns of codes that are targets.
        outcomes: Numeric or binary outcomes by name → code pattern (first numeric value after the window,
            or presence after the window; unobserved for who died within it).
        site_prefix: Codes that start with this name the site (``SITE//A``): the stratum.
        window_days: Observation window from the first timed event.
        max_codes: The most frequent codes by subject count become features.
    """

    format: Literal["meds"]
    condition_codes: tuple[str, ...] = ("DIAGNOSIS//*",)
    exclude_codes: tuple[str, ...] = ()
    outcomes: dict[str, MedsOutcome] = Field(default_factory=dict)
    site_prefix: str | None = "SITE//"
    window_days: float = Field(default=365.0, gt=0)
    max_codes: int = Field(default=200, ge=1)


class MedsOutcome(Strict):
    """An outcome after the observation window: ``code`` glob; numeric → first value, binary → presence."""

    code: str
    target_type: Literal["binary", "regression"]


class TableColumns(Strict):
    """Columns of a delimited or Parquet table.

    Attributes:
        target: Target column, or several.
        target_type: ``class`` (binary or multiclass by number of classes, 2–24), or ``regression``.
        positive: Values of the target that count as positive; gives a binary task.
        majority_vs_rest: Binary task: all other classes (1) against the most frequent one (0).
        categorical: Columns to one-hot encode. Columns of text not listed are an error.
        icd9: Columns of ICD-9-CM codes, one-hot encoded by chapter.
        numeric: Columns to read as numbers; default: all that have no other role here.
        drop: Columns that must not be inputs (identifiers, leaks such as a graded copy of the target).
        group: Column that names the patient (default: every row is its own group).
        identical_rows_share_group: Where no column names the patient: rows alike in every cell are one
            group, so that a record entered twice is never in support and query.
        order: Column by which the first row per group is the first, with ``first_per_group``.
        first_per_group: Keep the first row per group only (first encounter per patient).
        stratum: Column whose values are sites or specialties.
        id: Column of row identifiers that must be unique; never an input.
        missing: Markers of a missing cell besides the empty one: ``["?"]``.
        missing_by_column: Markers for single columns: ``{chol: [0]}``.
        exclude_rows: Column → values (``""`` is the missing cell); matching rows are left out and counted,
            before ``first_per_group``.
    """

    target: str
    target_type: Literal["class", "regression"] = "class"
    positive: tuple[str | int | float, ...] = ()
    majority_vs_rest: bool = False
    categorical: tuple[str, ...] = ()
    icd9: tuple[str, ...] = ()
    numeric: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    group: str | None = None
    identical_rows_share_group: bool = False
    order: str | None = None
    first_per_group: bool = False
    stratum: str | None = None
    id: str | None = None
    missing: tuple[str | int | float, ...] = ()
    missing_by_column: dict[str, tuple[str | int | float, ...]] = Field(default_factory=dict)
    exclude_rows: dict[str, tuple[str | int | float, ...]] = Field(default_factory=dict)


class TableSource(Source):
    """One CSV, TSV (also .gz) or Parquet table."""

    format: Literal["table"]
    columns: TableColumns


class TablesSource(Source):
    """A folder of unrelated tables, each with its own columns; ``path`` is the folder.

    Attributes:
        tables: Table name → file (default ``<name>.csv``) and columns.
    """

    format: Literal["tables"]
    tables: dict[str, NamedTable] = Field(min_length=1)


class NamedTable(Strict):
    """One table of a folder."""

    columns: TableColumns
    file: str | None = None


class HourlyOutcome(Strict):
    """One outcome folder in the YAIB layout (``sta``, ``dyn``, ``outc`` Parquet).

    Attributes:
        folder: Folder with the three files, relative to the source's path.
        target_type: Binary or regression.
        window_hours: Inputs are the hours before this one.
        horizon_hours: For hourly labels: positive where a label within this many hours after the window
            is positive; stays already positive inside the window are excluded and counted. None: the
            label is one per stay.
        label_at_hour: For hourly numeric labels: take the label of this hour; stays without it are
            excluded and counted.
    """

    folder: str
    target_type: Literal["binary", "regression"]
    window_hours: int = Field(ge=1)
    horizon_hours: int | None = None
    label_at_hour: int | None = None


class HourlySource(Source):
    """Hourly tables of stays in the YAIB layout; one table (and target) per outcome, same columns in all."""

    format: Literal["hourly"]
    outcomes: dict[str, HourlyOutcome] = Field(min_length=1)
    id: str = "stay_id"


class SmilesSource(Source):
    """A table of SMILES and assay results (0/1 or numbers, blank = not measured).

    Attributes:
        smiles: Column of the SMILES strings.
        assays: Assay columns (default: all but SMILES, ``drop``).
        drop: Columns that are neither.
        target_type: Binary or regression, for all assays.
        fingerprint_bits: Width of the count Morgan fingerprint.
        fingerprint_radius: Morgan radius.
        scaffold_groups: Group by Bemis–Murcko scaffold instead of the molecule.
        conflicts: What to do where duplicates of one molecule disagree in an assay: ``drop`` sets the cell
            to missing, ``error`` stops. Both count.
    """

    format: Literal["smiles"]
    smiles: str = "smiles"
    assays: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    target_type: Literal["binary", "regression"] = "binary"
    fingerprint_bits: int = Field(default=2048, ge=64)
    fingerprint_radius: int = Field(default=2, ge=1)
    scaffold_groups: bool = False
    conflicts: Literal["drop", "error"] = "drop"


SourceSpec = Annotated[
    MedsSource
    | TableSource
    | TablesSource
    | HourlySource
    | SmilesSource
    | PicturesSource
    | ArraysSource
    | H5adSource
    | MatricesSource,
    Field(discriminator="format"),
]

MedsSource.model_rebuild()
TablesSource.model_rebuild()
