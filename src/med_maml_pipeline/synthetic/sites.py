"""Three hospitals that see different patients, measure differently and code differently."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.analytes import ANALYTES
from med_maml_pipeline.synthetic.organs import FAMILIES
from med_maml_pipeline.synthetic.seeds import Stream, generator

__all__ = ["SITES", "SITE_SHARES", "Sites", "make_sites"]

Floats = NDArray[np.float64]

SITES = ("A", "B", "C")
SITE_SHARES = (0.5, 0.3, 0.2)
"""Share of the patients: a university hospital, a district hospital, a clinic."""


@dataclass(frozen=True)
class Sites:
    """Effects of the S sites on F families and A analytes.

    Attributes:
        case_mix: ``[S, F]`` shift of the liability of a family's diseases; its share-weighted mean is 0.
        bias: ``[S, A]`` systematic shift of a measurement, in healthy standard deviations.
        noise: ``[S]`` factor on measurement noise.
        ordering: ``[S, F]`` shift of the log-odds that a panel is ordered.
        coding: ``[S]`` chance that a present disease of severity 1 is coded at a visit.
        miscoding: ``[S]`` chance that a coded disease gets the code of a sibling of its family.
        uses_si: ``[S, A]`` whether the site reports the analyte in the other unit, under that code.
        unit_slip: ``[S]`` chance that a value is in the other unit although the code says otherwise.
    """

    case_mix: Floats
    bias: Floats
    noise: Floats
    ordering: Floats
    coding: Floats
    miscoding: Floats
    uses_si: NDArray[np.bool_]
    unit_slip: Floats


def make_sites(seed: int) -> Sites:
    """Draws the site effects. Site A is the reference in units; B reports SI units; C slips at times."""
    rng = generator(seed, Stream.SITES)
    n_sites, n_analytes = len(SITES), len(ANALYTES)
    case_mix = rng.normal(0.0, 0.3, (n_sites, len(FAMILIES)))
    has_si = np.array([analyte.si is not None for analyte in ANALYTES])
    return Sites(
        case_mix=case_mix - np.average(case_mix, axis=0, weights=SITE_SHARES),
        bias=rng.normal(0.0, 0.25, (n_sites, n_analytes)),
        noise=np.array([0.9, 1.0, 1.3]),
        ordering=rng.normal(0.0, 0.4, (n_sites, len(FAMILIES))),
        coding=np.array([0.85, 0.75, 0.65]),
        miscoding=np.array([0.01, 0.02, 0.05]),
        uses_si=np.array([False, True, False])[:, None] & has_si[None, :],
        unit_slip=np.array([0.0, 0.0, 0.01]),
    )
