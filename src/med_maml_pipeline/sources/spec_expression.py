"""Gene-expression sources in configuration: .h5ad files and delimited matrices."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from med_maml_pipeline.sources.spec_base import Source, Strict

__all__ = ["ExpressionColumns", "ExpressionMatrix", "ExpressionScale", "H5adSource", "MatricesSource"]


class ExpressionScale(Strict):
    """What the values are, and how they are brought to a common scale, sample by sample.

    Everything here needs no statistics of other samples; centring and scaling per gene is fitted later, on
    meta-training rows where genes are shared and on the support elsewhere.

    Attributes:
        values: ``counts``: whole numbers from 0; ``intensity``: fluorescence, may be negative after
            background correction; ``log``: on a log scale already (log-ratios, methylation);
            ``discretised``: few levels.
        scaling: ``log``: log2 of counts per million plus one, or of intensities floored at ``floor``;
            ``quantile``: normal scores of the ranks within the sample; ``none``: as they are. Only counts
            and intensities have a logarithm to take.
        floor: Intensities below are set to it before the logarithm.
        levels: The values that ``discretised`` data may take.
    """

    values: Literal["counts", "intensity", "log", "discretised"] = "log"
    scaling: Literal["log", "quantile", "none"] = "none"
    floor: float = Field(default=1.0, gt=0)
    levels: tuple[float, ...] = Field(default=(-2.0, 0.0, 2.0), min_length=1)

    @model_validator(mode="after")
    def _no_second_logarithm(self) -> ExpressionScale:
        if self.scaling == "log" and self.values not in ("counts", "intensity"):
            raise ValueError(f"scaling 'log' needs values 'counts' or 'intensity', not '{self.values}'")
        return self


class ExpressionColumns(Strict):
    """Columns beside the genes.

    Attributes:
        target: Column of the class, or of the number with ``target_type: regression``.
        target_type: ``class`` (binary or multiclass) or ``regression``.
        positive: Values of the target that count as positive; gives a binary task.
        more_targets: Further columns, each a binary (0/1, blank where unknown) target of its own.
        sample: Column of sample names, which must be unique; never an input.
        group: Column that must not be split (patient, cell line); default: every sample is its own. Samples
            alike in every gene are one group in any case.
        stratum: Column of sites, batches or studies.
        drop: Further columns that are no genes.
    """

    target: str
    target_type: Literal["class", "regression"] = "class"
    positive: tuple[str | int | float, ...] = ()
    more_targets: tuple[str, ...] = ()
    sample: str | None = None
    group: str | None = None
    stratum: str | None = None
    drop: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _targets_have_no_second_role(self) -> ExpressionColumns:
        others = (*self.more_targets, self.sample, *self.drop)
        if self.target in others or len(set(self.more_targets)) < len(self.more_targets):
            raise ValueError("a target may be named once and have no second role among the columns")
        return self


class H5adSource(Source):
    """One AnnData file: samples × genes in ``X`` or a layer, everything else in ``obs``.

    Attributes:
        columns: Roles of the columns of ``obs``.
        layer: Layer to read; None reads ``X``.
        scale: What the values are and how to scale them.
        batch: Samples in memory at a time.
    """

    format: Literal["h5ad"]
    columns: ExpressionColumns
    layer: str | None = None
    scale: ExpressionScale = ExpressionScale()
    batch: int = Field(default=2000, ge=1)


class ExpressionMatrix(Strict):
    """One delimited matrix (CSV, TSV, also .gz): a row per sample, a column per gene.

    Attributes:
        file: File; default ``<name>.csv.gz``.
        columns: Roles of the columns that are no genes.
        missing: Markers of a missing cell beside the empty one: ``[NA]``.
        scale: What the values are and how to scale them.
    """

    file: str | None = None
    columns: ExpressionColumns
    missing: tuple[str | int | float, ...] = ()
    scale: ExpressionScale = ExpressionScale()


class MatricesSource(Source):
    """A folder of expression matrices, one table each; genes may differ. ``path`` is the folder.

    Attributes:
        sets: Table name → matrix.
    """

    format: Literal["expression"]
    sets: dict[str, ExpressionMatrix] = Field(min_length=1)
