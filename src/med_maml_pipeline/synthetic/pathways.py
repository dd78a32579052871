"""Pathways: which genes act together, which pathways a disease turns on, and which drugs they answer to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.organs import FAMILIES
from med_maml_pipeline.synthetic.seeds import Stream, generator
from med_maml_pipeline.synthetic.settings import SyntheticHospitalSettings
from med_maml_pipeline.synthetic.sites import SITES
from med_maml_pipeline.synthetic.world import World

__all__ = ["PATHWAYS", "RESPONSES", "Genome", "make_genome"]

Floats = NDArray[np.float64]

PATHWAYS: tuple[str, ...] = (
    *("INTERFERON", "TNF_NFKB", "COMPLEMENT", "TGFB_FIBROSIS", "HYPOXIA", "GLYCOLYSIS", "OXPHOS"),
    *("FATTY_ACID", "CHOLESTEROL", "E2F_CYCLE", "MYC", "P53", "APOPTOSIS", "ER_STRESS", "AUTOPHAGY"),
    *("WNT", "NOTCH", "HEDGEHOG", "ANGIOGENESIS", "COAGULATION", "HEME", "XENOBIOTIC", "INSULIN", "KRAS"),
)
"""Named in the manner of the MSigDB hallmark sets; what is in them is drawn."""

RESPONSES: tuple[str, ...] = tuple(f"responds_drug_{letter}" for letter in "abcdefghijkl")
"""Binary targets: whether the patient answered to a drug; blank where it was not given."""

_MEMBERS = 0.07  # share of the genes in a pathway; many genes are in two or three
_TISSUE_GENES = 0.12
_DISEASE_PATHWAYS, _FAMILY_PATHWAYS = 4, 2
_STRENGTH = (0.35, 0.8)  # activation of a pathway per unit of severity


@dataclass(frozen=True)
class Genome:
    """Laws of expression. P pathways, G genes, F families, D diseases, S sites, R drugs.

    Attributes:
        genes: The G names.
        base: ``[G]`` log abundance in no tissue in particular.
        dispersion: ``[G]`` of the negative binomial: variance is mean + dispersion × mean².
        loadings: ``[P, G]`` log change per unit of activity; 0 where the gene is no member.
        tissue: ``[F, G]`` log change in each organ.
        batch: ``[S, G]`` log change at each site, of technical origin.
        activation: ``[D, P]`` activity per unit of severity.
        response: ``[R, P]`` weights of the pathways in the log-odds of an answer to the drug.
        response_base: ``[R]`` their constants.
    """

    genes: tuple[str, ...]
    base: Floats
    dispersion: Floats
    loadings: Floats
    tissue: Floats
    batch: Floats
    activation: Floats
    response: Floats
    response_base: Floats


def make_genome(settings: SyntheticHospitalSettings, world: World, seed: int) -> Genome:
    """Draws the laws of expression. They depend on the seed, the diseases and the number of genes."""
    laws, genes = generator(seed, Stream.PATHWAYS), generator(seed, Stream.PATHWAYS, 1)
    n, shape = settings.n_genes, (len(PATHWAYS), settings.n_genes)
    width = max(4, len(str(n)))
    member = genes.random(shape) < _MEMBERS
    sign = np.where(genes.random(shape) < 0.85, 1.0, -1.0)
    specific = genes.random((len(FAMILIES), n)) < _TISSUE_GENES
    return Genome(
        genes=tuple(f"GENE{number:0{width}d}" for number in range(1, n + 1)),
        base=genes.normal(0.0, 1.4, n),
        dispersion=genes.lognormal(np.log(0.25), 0.4, n),
        loadings=member * sign * genes.uniform(0.3, 0.9, shape),
        tissue=specific * genes.normal(0.0, 0.8, specific.shape),
        batch=genes.normal(0.0, 0.3, (len(SITES), n)),
        activation=_activation(laws, world),
        response=_response(laws),
        response_base=laws.uniform(-1.0, 0.3, len(RESPONSES)),
    )


def _activation(rng: np.random.Generator, world: World) -> Floats:
    """Each disease has pathways of its own and those of its family."""
    shared = np.stack([_some(rng, _FAMILY_PATHWAYS, 0.4) for _ in FAMILIES])
    own = np.stack([_some(rng, _DISEASE_PATHWAYS, 1.0) for _ in world.diseases])
    return np.asarray(shared[world.family] + own)


def _some(rng: np.random.Generator, count: int, scale: float) -> Floats:
    """``[P]`` activation of ``count`` pathways, mostly upwards."""
    activity = np.zeros(len(PATHWAYS))
    chosen = rng.choice(len(PATHWAYS), count, replace=False)
    sign = np.where(rng.random(count) < 0.7, 1.0, -1.0)
    activity[chosen] = scale * sign * rng.uniform(*_STRENGTH, count)
    return activity


def _response(rng: np.random.Generator) -> Floats:
    """Each drug hits three pathways; neighbours in the list share one, so that answers are related tasks."""
    weights = np.zeros((len(RESPONSES), len(PATHWAYS)))
    targets = rng.permutation(len(PATHWAYS))
    for row in range(len(RESPONSES)):
        hit = targets[[2 * row, 2 * row + 1, (2 * row + 2) % len(PATHWAYS)]]
        weights[row, hit] = rng.choice([-1.0, 1.0], 3) * rng.uniform(1.5, 3.0, 3)
    return weights
