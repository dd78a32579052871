"""The laws of the synthetic world: how common diseases are and what they do. Drawn once per seed."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.analytes import ANALYTES
from med_maml_pipeline.synthetic.drugs import DRUGS
from med_maml_pipeline.synthetic.organs import FAMILIES, Disease, diseases
from med_maml_pipeline.synthetic.seeds import Stream, generator
from med_maml_pipeline.synthetic.settings import SyntheticHospitalSettings

__all__ = ["LIABILITY", "NUISANCE_FACTORS", "World", "make_world"]

Floats = NDArray[np.float64]

LIABILITY = {"factor": 0.40, "frailty": 0.06, "age": 0.05, "own": 0.49}
"""Shares of the variance of a disease's liability (liability-threshold model, Falconer 1965)."""

NUISANCE_FACTORS = 4
"""Sources of variation that move many analytes and mean no disease: habits, diet, build, batch."""

_COMMONEST, _TAIL = 0.38, 0.75  # prevalence of rank r is 0.38 r^-0.75: from 38 % to about 3 %


@dataclass(frozen=True)
class World:
    """Generating effects. F families, D diseases, A analytes, K drugs.

    Attributes:
        diseases: The D diseases.
        family: ``[D]`` family number of each.
        prevalence: ``[D]`` prevalence before site effects.
        threshold: ``[D]`` liability above which the disease is present.
        factor_root: ``[F, F]`` Cholesky root of the correlation of the organ factors (comorbidity).
        organ_effect: ``[F, A]`` shift per unit of organ strain, in healthy standard deviations.
        disease_effect: ``[D, A]`` further shift per unit of severity.
        nuisance_effect: ``[N, A]`` shift per unit of each nuisance factor.
        treatment: ``[D, K]`` chance per visit that the drug is given for the disease, at severity 1.
    """

    diseases: tuple[Disease, ...]
    family: NDArray[np.int64]
    prevalence: Floats
    threshold: Floats
    factor_root: Floats
    organ_effect: Floats
    disease_effect: Floats
    nuisance_effect: Floats
    treatment: Floats


def make_world(settings: SyntheticHospitalSettings, seed: int) -> World:
    """Draws the laws of the world. Independent of the number of patients and shards."""
    rng = generator(seed, Stream.WORLD)
    known = diseases(settings.n_diseases)
    family = np.array([FAMILIES.index(disease.family) for disease in known], dtype=np.int64)
    prevalence = _prevalence(rng, len(known))
    return World(
        diseases=known,
        family=family,
        prevalence=prevalence,
        threshold=np.array([NormalDist().inv_cdf(1.0 - p) for p in prevalence]),
        factor_root=_factor_root(rng),
        organ_effect=_organ_effect(rng),
        disease_effect=_disease_effect(rng, family),
        nuisance_effect=rng.normal(0.0, 0.6, (NUISANCE_FACTORS, len(ANALYTES))),
        treatment=_treatment(rng, known),
    )


def _prevalence(rng: np.random.Generator, count: int) -> Floats:
    ranked = _COMMONEST * np.arange(1, count + 1) ** -_TAIL
    return np.asarray(rng.permutation(ranked))


def _factor_root(rng: np.random.Generator) -> Floats:
    """Cholesky root of a correlation matrix of rank-2 structure plus identity."""
    loadings = rng.uniform(-0.3, 0.5, (len(FAMILIES), 2))
    covariance = loadings @ loadings.T + np.eye(len(FAMILIES))
    scale = np.sqrt(np.diag(covariance))
    return np.asarray(np.linalg.cholesky(covariance / np.outer(scale, scale)))


def _organ_effect(rng: np.random.Generator) -> Floats:
    """The organ's own panel moves in the clinical direction; a tenth of the others a little."""
    shape = (len(FAMILIES), len(ANALYTES))
    home = np.array([[analyte.family == family for analyte in ANALYTES] for family in FAMILIES])
    direction = np.array([analyte.direction for analyte in ANALYTES])
    strength = rng.uniform(0.1, 0.45, shape) * direction
    spill = rng.normal(0.0, 0.2, shape) * (rng.random(shape) < 0.1)
    return np.where(home, strength, spill)


def _disease_effect(rng: np.random.Generator, family: NDArray[np.int64]) -> Floats:
    """Each disease has its own marks on about half of its organ's panel and on a few others."""
    shape = (len(family), len(ANALYTES))
    home = np.array([FAMILIES.index(analyte.family) for analyte in ANALYTES])[None, :] == family[:, None]
    direction = np.array([analyte.direction for analyte in ANALYTES])
    marks = rng.normal(0.2, 0.25, shape) * direction * (rng.random(shape) < 0.5)
    spill = rng.normal(0.0, 0.25, shape) * (rng.random(shape) < 0.06)
    return np.where(home, marks, spill)


def _treatment(rng: np.random.Generator, known: tuple[Disease, ...]) -> Floats:
    """Each disease is treated with some of the drugs that serve its family."""
    chance = np.zeros((len(known), len(DRUGS)))
    for row, disease in enumerate(known):
        serving = [column for column, drug in enumerate(DRUGS) if disease.family in drug.families]
        chosen = rng.choice(serving, size=min(3, len(serving)), replace=False)
        chance[row, chosen] = rng.uniform(0.04, 0.2, len(chosen))
    return chance
