"""The truth behind the expression file: pathways, what turns them on, batches, and each sample's state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.expression import draw_samples, sample_names
from med_maml_pipeline.synthetic.organs import FAMILIES
from med_maml_pipeline.synthetic.pathways import PATHWAYS, RESPONSES
from med_maml_pipeline.synthetic.picture_truth import specimen_columns
from med_maml_pipeline.synthetic.settings import SyntheticHospitalSettings
from med_maml_pipeline.synthetic.sites import SITES
from med_maml_pipeline.synthetic.world import make_world

__all__ = ["expression_truth"]


def expression_truth(settings: SyntheticHospitalSettings, seed: int) -> Iterator[tuple[str, pa.Table]]:
    """Tables on genes and samples.

    Args:
        settings: Sizes.
        seed: Seed.

    Yields:
        ``pathways.parquet`` (members with their loadings), ``pathway_effects.parquet`` (activation per unit
        of severity), ``responses.parquet`` (weights of the log-odds), ``genes.parquet`` (base, dispersion,
        log change by organ and by site), ``samples.parquet`` (per sample: patient, class, latent severity,
        activity of each pathway, log-odds of each answer).
    """
    samples, world = draw_samples(settings, seed), make_world(settings, seed)
    genome = samples.genome
    diagnoses = tuple(disease.code for disease in world.diseases)
    drugs = _long(genome.response, ("response", RESPONSES), ("cause", PATHWAYS), "weight")
    base = pa.table(
        {"response": RESPONSES, "cause": ["base"] * len(RESPONSES), "weight": genome.response_base}
    )
    yield "pathways.parquet", _long(genome.loadings, ("pathway", PATHWAYS), ("gene", genome.genes), "loading")
    effects = _long(genome.activation, ("code", diagnoses), ("pathway", PATHWAYS), "effect")
    yield "pathway_effects.parquet", effects
    yield "responses.parquet", pa.concat_tables([drugs, base])
    genes: dict[str, Any] = {"gene": genome.genes, "base": genome.base, "dispersion": genome.dispersion}
    genes |= {f"organ//{family}": genome.tissue[row] for row, family in enumerate(FAMILIES)}
    genes |= {f"site//{site}": genome.batch[row] for row, site in enumerate(SITES)}
    yield "genes.parquet", pa.table(genes)
    columns: dict[str, Any] = {"sample": sample_names(len(samples.activity))}
    columns |= specimen_columns(samples.specimens)
    columns |= {name: samples.activity[:, row].astype(np.float32) for row, name in enumerate(PATHWAYS)}
    columns |= {f"odds//{name}": samples.odds[:, row] for row, name in enumerate(RESPONSES)}
    yield "samples.parquet", pa.table(columns)


def _long(
    values: NDArray[np.float64],
    rows: tuple[str, tuple[str, ...]],
    columns: tuple[str, tuple[str, ...]],
    name: str,
) -> pa.Table:
    """The cells that are not nil, one row each."""
    row, column = np.nonzero(values)
    return pa.table(
        {rows[0]: np.array(rows[1])[row], columns[0]: np.array(columns[1])[column], name: values[row, column]}
    )
