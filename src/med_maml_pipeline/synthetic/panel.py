"""The assay panel: each mechanism read in several cell lines, at several times and in two directions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.mechanisms import FEATURES, GENERAL, MECHANISMS
from med_maml_pipeline.synthetic.seeds import Stream, generator

__all__ = ["CELLS", "VARIANTS", "Assay", "make_panel"]

CELLS = ("HEPG2", "HEK293", "MCF7", "A549")
VARIANTS = ("24h_up", "72h_up", "24h_dn")
"""Near-copies of one endpoint: the same rule, read later or from the other side."""

_LOWEST_RATE, _HIGHEST_RATE = 0.03, 0.40


@dataclass(frozen=True)
class Assay:
    """One assay.

    Attributes:
        name: ``<mechanism>_<cell>_<variant>``; what precedes the variant names the cluster of near-copies.
        mechanism: Name of the mechanism.
        cell: Cell line.
        variant: Time and direction.
        weights: ``[len(FEATURES)]`` weights of the causal features in the score.
        hit_rate: Share of measured molecules that hit.
        missing: Share of molecules not measured.
    """

    name: str
    mechanism: str
    cell: str
    variant: str
    weights: NDArray[np.float64]
    hit_rate: float
    missing: float


def make_panel(count: int, seed: int) -> tuple[Assay, ...]:
    """The first ``count`` assays: one variant of every endpoint before the next variant of any."""
    rng = generator(seed, Stream.ASSAYS)
    endpoints = list(product(CELLS, MECHANISMS))
    rules = [_rule(rng, mechanism.weights) for _, mechanism in endpoints]
    rates = _LOWEST_RATE + (_HIGHEST_RATE - _LOWEST_RATE) * rng.random(len(endpoints)) ** 1.5
    assays = []
    for variant in VARIANTS:
        for (cell, mechanism), rule, rate in zip(endpoints, rules, rates, strict=True):
            assays.append(
                Assay(
                    name=f"{mechanism.name}_{cell}_{variant}",
                    mechanism=mechanism.name,
                    cell=cell,
                    variant=variant,
                    weights=rule * rng.normal(1.0, 0.05, len(rule)),
                    hit_rate=float(np.clip(rate * rng.uniform(0.8, 1.2), _LOWEST_RATE, _HIGHEST_RATE)),
                    missing=float(rng.uniform(0.2, 0.6)),
                )
            )
    return tuple(assays[:count])


def _rule(rng: np.random.Generator, mechanism: dict[str, float]) -> NDArray[np.float64]:
    """The mechanism as this cell line shows it, general toxicity, and two effects of its own."""
    weights = np.zeros(len(FEATURES))
    for name, weight in mechanism.items():
        weights[FEATURES.index(name)] += weight * rng.uniform(0.7, 1.3)
    for name, weight in GENERAL.items():
        weights[FEATURES.index(name)] += weight * rng.uniform(0.5, 1.0)
    own = rng.choice(len(FEATURES), size=2, replace=False)
    weights[own] += rng.choice([-1.0, 1.0], size=2) * rng.uniform(0.4, 0.8, 2)
    return weights
