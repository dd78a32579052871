"""Latent patients: who they are, which diseases they have, and what that does to their bodies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.analytes import ANALYTES
from med_maml_pipeline.synthetic.organs import FAMILIES
from med_maml_pipeline.synthetic.seeds import Stream, generator
from med_maml_pipeline.synthetic.settings import SyntheticHospitalSettings
from med_maml_pipeline.synthetic.sites import SITE_SHARES, Sites
from med_maml_pipeline.synthetic.world import LIABILITY, NUISANCE_FACTORS, World

__all__ = ["REFERRAL_BLOCK", "Patients", "draw_patients", "draw_referrals"]

Floats = NDArray[np.float64]

REFERRAL_BLOCK = 1000
"""Patients per block of the referral cohort."""

_FIRST_DAY, _LAST_DAY = 15_340, 17_896  # index days, from 2012-01-01 to 2018-12-31, since 1970-01-01


@dataclass(frozen=True)
class Patients:
    """The n latent patients of one shard.

    Attributes:
        subject_id: ``[n]`` from 1, ascending, without gaps over the shards.
        site: ``[n]`` site number.
        female: ``[n]``.
        index_day: ``[n]`` day of the first admission, since 1970-01-01.
        age_days: ``[n]`` age on that day.
        frailty: ``[n]`` standard normal; raises every disease and every outcome.
        severity: ``[n, D]`` severity of each disease, 0 where absent.
        strain: ``[n, F]`` strain of each organ, of about mean 0.2 and deviation 1.
        illness: ``[n, A]`` what strain and diseases do to the analytes, in healthy deviations.
        baseline: ``[n, A]`` each patient's own healthy level, in healthy deviations.
    """

    subject_id: NDArray[np.int64]
    site: NDArray[np.int64]
    female: NDArray[np.bool_]
    index_day: NDArray[np.int64]
    age_days: NDArray[np.int64]
    frailty: Floats
    severity: Floats
    strain: Floats
    illness: Floats
    baseline: Floats

    def __len__(self) -> int:
        return len(self.subject_id)

    @property
    def decades_over_60(self) -> Floats:
        """``[n]`` age relative to 60 years, in decades."""
        return (self.age_days / 365.25 - 60.0) / 10.0


def draw_patients(
    settings: SyntheticHospitalSettings, world: World, sites: Sites, seed: int, shard: int
) -> Patients:
    """Draws the patients of one shard: a pure function of its arguments."""
    rng = generator(seed, Stream.PATIENTS, shard)
    first = shard * settings.patients_per_shard + 1
    return _draw(rng, world, sites, first, settings.shard_size(shard))


def draw_referrals(
    settings: SyntheticHospitalSettings, world: World, sites: Sites, seed: int, block: int
) -> Patients:
    """Draws `REFERRAL_BLOCK` patients who are not in the record: their ids follow those of the hospital.

    They live in the same world and come through the same sites. Specialist collections need them where
    the hospital has too few cases of a disease.
    """
    rng = generator(seed, Stream.REFERRALS, block)
    first = settings.n_patients + block * REFERRAL_BLOCK + 1
    return _draw(rng, world, sites, first, REFERRAL_BLOCK)


def _draw(rng: np.random.Generator, world: World, sites: Sites, first: int, n: int) -> Patients:
    """n patients with subject ids from ``first``."""
    site = rng.choice(len(SITE_SHARES), size=n, p=SITE_SHARES)
    age = np.clip(rng.normal(60.0, 15.0, n), 18.0, 98.0)
    frailty = rng.normal(size=n)
    factor = rng.normal(size=(n, len(FAMILIES))) @ world.factor_root.T
    severity = _severity(rng, world, sites.case_mix[site], factor, frailty, (age - 60.0) / 15.0)
    strain = 0.6 * factor + _sum_by_family(severity, world)
    return Patients(
        subject_id=np.arange(first, first + n, dtype=np.int64),
        site=site.astype(np.int64),
        female=rng.random(n) < 0.52,
        index_day=rng.integers(_FIRST_DAY, _LAST_DAY, n, endpoint=True),
        age_days=(age * 365.25).astype(np.int64),
        frailty=frailty,
        severity=severity,
        strain=strain,
        illness=strain @ world.organ_effect + severity @ world.disease_effect,
        baseline=_baseline(rng, world, n),
    )


def _severity(
    rng: np.random.Generator, world: World, case_mix: Floats, factor: Floats, frailty: Floats, age: Floats
) -> Floats:
    """Severity ``[n, D]``: 0 below the liability threshold, 0.5 to 3 above it, rising with the excess."""
    own = rng.normal(size=(len(frailty), len(world.family)))
    liability = (
        np.sqrt(LIABILITY["factor"]) * factor[:, world.family]
        + np.sqrt(LIABILITY["frailty"]) * frailty[:, None]
        + np.sqrt(LIABILITY["age"]) * age[:, None]
        + np.sqrt(LIABILITY["own"]) * own
    )
    excess = liability + case_mix[:, world.family] - world.threshold
    graded = 0.5 + 0.8 * excess + rng.exponential(0.4, excess.shape)
    return np.where(excess > 0, np.minimum(graded, 3.0), 0.0)


def _sum_by_family(severity: Floats, world: World) -> Floats:
    """Half the severity of each organ's diseases, summed: ``[n, F]``."""
    membership = np.eye(len(FAMILIES))[world.family]
    return 0.5 * severity @ membership


def _baseline(rng: np.random.Generator, world: World, n: int) -> Floats:
    nuisance = rng.normal(size=(n, NUISANCE_FACTORS))
    return nuisance @ world.nuisance_effect + rng.normal(0.0, 0.7, (n, len(ANALYTES)))
