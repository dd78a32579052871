"""Gene expression of the hospital's patients: counts of samples as one .h5ad file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.cohort import Specimens, draw_specimens
from med_maml_pipeline.synthetic.organs import FAMILIES
from med_maml_pipeline.synthetic.pathways import PATHWAYS, RESPONSES, Genome, make_genome
from med_maml_pipeline.synthetic.seeds import Stream, generator
from med_maml_pipeline.synthetic.settings import SyntheticHospitalSettings
from med_maml_pipeline.synthetic.sites import SITES
from med_maml_pipeline.synthetic.world import make_world

__all__ = ["Samples", "draw_counts", "draw_samples", "sample_names", "write_expression"]

Floats = NDArray[np.float64]

_PATIENT, _SAMPLE = 0.45, 0.25  # deviations of activity between patients and between samples of one patient
_DEPTH, _DEPTH_SPREAD = 25.0, 0.4  # mean counts per gene, and the log deviation of the library size
_GIVEN = 0.6  # share of the patients who got a drug
_BLOCK = 256  # samples whose counts are drawn together


@dataclass(frozen=True)
class Samples:
    """The n samples before sequencing.

    Attributes:
        genome: Laws of expression.
        specimens: Patients and classes.
        activity: ``[n, P]`` activity of the pathways.
        odds: ``[n, R]`` log-odds of an answer to each drug; the same for all samples of a patient.
        responses: ``[n, R]`` 1 answered, 0 did not, NaN not given.
    """

    genome: Genome
    specimens: Specimens
    activity: Floats
    odds: Floats
    responses: Floats


def write_expression(settings: SyntheticHospitalSettings, seed: int) -> Iterator[tuple[str, bytes]]:
    """The expression file.

    Args:
        settings: Sizes.
        seed: Seed.

    Yields:
        ``expression.h5ad``: ``X`` counts as float32 ``[n, genes]``; ``obs`` with patient, site, tissue,
        diagnosis and the answers to drugs (0, 1, blank).
    """
    samples = draw_samples(settings, seed)
    yield "expression.h5ad", _h5ad(samples, draw_counts(samples, seed))


def draw_samples(settings: SyntheticHospitalSettings, seed: int) -> Samples:
    """Chooses patients and draws the activity of their pathways and their answers to drugs."""
    world = make_world(settings, seed)
    genome = make_genome(settings, world, seed)
    specimens = draw_specimens(settings, seed, FAMILIES, settings.n_expression_samples, Stream.SAMPLES)
    rng = generator(seed, Stream.SAMPLES, 1)
    patient = rng.normal(0.0, _PATIENT, (len(specimens.cases), len(PATHWAYS)))
    for row, case in enumerate(specimens.cases):
        disease = specimens.classes[case.kind].disease
        if disease is not None:
            patient[row] += case.severity * genome.activation[disease]
    odds = genome.response_base + patient @ genome.response.T
    answered = (rng.random(odds.shape) < 1.0 / (1.0 + np.exp(-odds))).astype(np.float64)
    answered[rng.random(odds.shape) >= _GIVEN] = np.nan
    chosen = specimens.case
    activity = patient[chosen] + rng.normal(0.0, _SAMPLE, (len(chosen), len(PATHWAYS)))
    return Samples(genome, specimens, activity, odds[chosen], answered[chosen])


def sample_names(n: int) -> list[str]:
    """Names of the n samples."""
    return [f"sample-{number:05d}" for number in range(n)]


def draw_counts(samples: Samples, seed: int) -> NDArray[np.float32]:
    """Negative-binomial counts ``[n, genes]``: gamma-Poisson around tissue, pathways and batch.

    The mean is library size × share of the gene; the variance is mean + dispersion × mean² (Robinson & Smyth,
    Biostatistics 2008). Low counts drop out of their own.
    """
    genome, specimens = samples.genome, samples.specimens
    cases = [specimens.cases[case] for case in specimens.case]
    site = np.array([case.site for case in cases])
    family = np.array([specimens.classes[case.kind].family for case in cases])
    counts = np.empty((len(cases), len(genome.genes)), dtype=np.float32)
    for block, first in enumerate(range(0, len(cases), _BLOCK)):
        rng, rows = generator(seed, Stream.SAMPLES, 2 + block), slice(first, first + _BLOCK)
        level = genome.base + genome.tissue[family[rows]] + genome.batch[site[rows]]
        share = np.exp(level + samples.activity[rows] @ genome.loadings)
        share /= share.mean(axis=1, keepdims=True)
        depth = _DEPTH * rng.lognormal(0.0, _DEPTH_SPREAD, (len(share), 1))
        gamma = rng.gamma(1.0 / genome.dispersion, genome.dispersion, share.shape)
        counts[rows] = rng.poisson(depth * share * gamma)
    return counts


def _h5ad(samples: Samples, counts: NDArray[np.float32]) -> bytes:
    """The AnnData file as bytes, without time stamps."""
    import anndata  # heavy: loaded when the file is made, not when the graph is listed

    data = anndata.AnnData(counts, obs=_observations(samples), var=pd.DataFrame(index=samples.genome.genes))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "expression.h5ad"
        data.write_h5ad(path, compression="gzip")
        return path.read_bytes()


def _observations(samples: Samples) -> pd.DataFrame:
    specimens = samples.specimens
    cases = [specimens.cases[case] for case in specimens.case]
    kinds = [specimens.classes[case.kind] for case in cases]
    columns = {
        "patient": [str(case.subject_id) for case in cases],
        "site": [SITES[case.site] for case in cases],
        "tissue": [kind.organ for kind in kinds],
        "diagnosis": [kind.name for kind in kinds],
    }
    answers = {name: samples.responses[:, column] for column, name in enumerate(RESPONSES)}
    return pd.DataFrame(columns | answers, index=sample_names(len(cases)))
