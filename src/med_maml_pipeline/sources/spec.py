"""What a source is in configuration: its format, place, columns and the tasks it asks for.

A further source of a known format is an entry of this kind in the catalog and nothing else.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "HourlyOutcome",
    "HourlySource",
    "MedsSource",
    "MetaSplitRule",
    "SmilesSource",
    "SourceSpec",
    "SupportRule",
    "TableColumns",
    "TableSource",
    "TablesSource",
    "TaskFamilySpec",
]

Fraction = Annotated[float, Field(gt=0, lt=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SupportRule(_Strict):
    """How support sets are drawn from a task's pool.

    Attributes:
        rule: ``balanced`` draws the same number per class (n_shot = size); ``natural`` draws the size in
            all at natural prevalence, redrawn until every class is present; ``enriched`` draws ``size``
            examples of the positive class and ``negatives_per_positive`` times as many others.
        sizes: Support sizes (per class for balanced and enriched, in all for natural).
        negatives_per_positive: Only for ``enriched``.
        draws: Stored draws per task and size, in test and validation.
        max_query: Cap on the query set, drawn at natural prevalence.
        min_per_class: A class (or the numeric target) needs this many groups beyond the support.
    """

    rule: Literal["balanced", "natural", "enriched"] = "balanced"
    sizes: tuple[int, ...] = (5, 10)
    negatives_per_positive: int = Field(default=3, ge=1)
    draws: int = Field(default=2, ge=1)
    max_query: int = Field(default=256, ge=1)
    min_per_class: int = Field(default=3, ge=1)


class MetaSplitRule(_Strict):
    """Which tasks are for training, validation and test.

    Attributes:
        mode: ``random`` splits clusters of tasks by ``fractions``; ``rotate`` gives ``folds`` folds in
            which each cluster of tasks is test once (folds = 0: leave one task out), validation taken
            from the source tasks; ``fixed`` puts all tasks into ``meta_split``; ``named`` takes lists of
            task labels.
    """

    mode: Literal["random", "rotate", "fixed", "named"] = "random"
    fractions: tuple[Fraction, Fraction, Fraction] = (0.6, 0.15, 0.25)
    folds: int = Field(default=0, ge=0)
    meta_split: Literal["train", "validation", "test"] | None = None
    train: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()


class TaskFamilySpec(_Strict):
    """A family of tasks that a source gives.

    Attributes:
        family: Name in tables (condition, site, outcome, table, assay, …).
        kind: ``target``: one task per target column; ``stratum``: one task per value of the stratum
            column for one target; ``table``: one task per table.
        target: Target column of a ``stratum`` family.
        include / exclude: Glob patterns on target names (or strata, or tables).
        cluster_pattern: Regular expression whose first group names the cluster of a task label; labels
            of one cluster are near-copies and stay in one meta-split.
        clusters: Clusters listed by hand: each entry is a list of labels that stay together.
        problem: Meta-learning problem the tasks belong to (default: ``<source>_<family>``). Sources that
            name the same problem share learners.
        protocol: ``disjoint``, or the name of a declared waiver whose groups overlap on purpose.
        split: Meta-split rule.
        group_split: Fractions of groups for train, validation and test tasks. None only where tasks
            share no groups (checked).
        shared_meaning: Whether "positive" means alike in all tasks (defines the zero-shot prior).
        shared_inputs: Whether all tables of the problem have the same columns in the same meaning.
        support: Support rule.
        min_examples: Tasks with fewer labelled groups in their pool are left out and counted.
        max_pool: Cap on a task's pool, drawn by seed.
    """

    family: str
    kind: Literal["target", "stratum", "table"]
    target: str | None = None
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    cluster_pattern: str | None = None
    clusters: tuple[tuple[str, ...], ...] = ()
    problem: str | None = None
    protocol: str = "disjoint"
    split: MetaSplitRule = MetaSplitRule()
    group_split: tuple[Fraction, Fraction, Fraction] | None = None
    shared_meaning: bool = False
    shared_inputs: bool = True
    support: SupportRule = SupportRule()
    min_examples: int = Field(default=20, ge=2)
    max_pool: int = Field(default=20_000, ge=10)

    @model_validator(mode="after")
    def _stratum_needs_target(self) -> TaskFamilySpec:
        if self.kind == "stratum" and self.target is None:
            raise ValueError("a task family of kind 'stratum' needs 'target'")
        return self


class _Source(_Strict):
    """What every format shares.

    Attributes:
        path: File or folder, relative to the root of the multi-source dataset. Never leaves it.
        dataset: ``synthetic`` when the source is what the pipeline ``synthetic_hospital`` made; ``path``
            is then relative to that snapshot.
        group_namespace: Sources that name the same namespace share groups (default: the source name).
        min_category_count: A level of a category is kept as a feature only where at least so many
            groups show it: rarer levels could identify a patient.
        tasks: Task families.
        licence / url: Printed in the report and docs.
    """

    path: str
    dataset: Literal["external", "synthetic"] = "external"
    group_namespace: str | None = None
    min_category_count: int = Field(default=5, ge=1)
    tasks: tuple[TaskFamilySpec, ...] = Field(min_length=1)
    licence: str = "not declared"
    url: str = ""


class MedsSource(_Source):
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


class MedsOutcome(_Strict):
    """An outcome after the observation window: ``code`` glob; numeric → first value, binary → presence."""

    code: str
    target_type: Literal["binary", "regression"]


class TableColumns(_Strict):
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


class TableSource(_Source):
    """One CSV, TSV (also .gz) or Parquet table."""

    format: Literal["table"]
    columns: TableColumns


class TablesSource(_Source):
    """A folder of unrelated tables, each with its own columns; ``path`` is the folder.

    Attributes:
        tables: Table name → file (default ``<name>.csv``) and columns.
    """

    format: Literal["tables"]
    tables: dict[str, NamedTable] = Field(min_length=1)


class NamedTable(_Strict):
    """One table of a folder."""

    columns: TableColumns
    file: str | None = None


class HourlyOutcome(_Strict):
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


class HourlySource(_Source):
    """Hourly tables of stays in the YAIB layout; one table (and target) per outcome, same columns in all."""

    format: Literal["hourly"]
    outcomes: dict[str, HourlyOutcome] = Field(min_length=1)
    id: str = "stay_id"


class SmilesSource(_Source):
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
    MedsSource | TableSource | TablesSource | HourlySource | SmilesSource, Field(discriminator="format")
]

MedsSource.model_rebuild()
TablesSource.model_rebuild()
