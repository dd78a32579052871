"""How large the embedded hospital is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["SyntheticHospitalSettings"]


class SyntheticHospitalSettings(BaseModel):
    """Sizes of the synthetic hospital. Everything else follows from these and a seed.

    Attributes:
        n_patients: Patients in all. Scales the data without scaling memory.
        patients_per_shard: Patients per Parquet shard; one shard is in memory at a time.
        n_diseases: Latent diseases, dealt out to the organ families in turn.
        n_molecules: Rows of the assay table, duplicates and unparsable strings included.
        n_assays: Assays of the panel, variants included.
        picture_size: Height and width of slides and scans in pixels.
        n_slides: Pictures of the folder. A third of the patients give two or three.
        n_scans: Pictures of the array shards.
        scans_per_shard: Pictures per .npz shard; one shard is in memory at a time.
        n_genes: Genes of the expression file.
        n_expression_samples: Samples of the expression file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_patients: int = Field(default=3000, ge=1, le=1_000_000)
    patients_per_shard: int = Field(default=2000, ge=1, le=20_000)
    n_diseases: int = Field(default=28, ge=24, le=42)
    n_molecules: int = Field(default=2000, ge=100, le=50_000)
    n_assays: int = Field(default=72, ge=60, le=144)
    picture_size: int = Field(default=64, ge=32, le=256)
    n_slides: int = Field(default=1200, ge=100, le=20_000)
    n_scans: int = Field(default=1000, ge=100, le=20_000)
    scans_per_shard: int = Field(default=250, ge=1, le=20_000)
    n_genes: int = Field(default=600, ge=200, le=20_000)
    n_expression_samples: int = Field(default=1200, ge=100, le=20_000)

    @property
    def n_shards(self) -> int:
        """Number of shards; only the last may be smaller than ``patients_per_shard``."""
        return -(-self.n_patients // self.patients_per_shard)

    def shard_size(self, shard: int) -> int:
        """Number of patients in a shard."""
        return min(self.patients_per_shard, self.n_patients - shard * self.patients_per_shard)
