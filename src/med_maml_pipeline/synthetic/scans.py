"""Scans: grey pictures of the same patients in shards of arrays, as MedMNIST lays them out."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.anatomy import ANATOMIES, section
from med_maml_pipeline.synthetic.appearance import Plan, plan_pictures
from med_maml_pipeline.synthetic.organs import FAMILIES
from med_maml_pipeline.synthetic.scanners import SCANNERS, digitise
from med_maml_pipeline.synthetic.seeds import Stream, generator
from med_maml_pipeline.synthetic.settings import SyntheticHospitalSettings
from med_maml_pipeline.synthetic.sites import SITES

__all__ = ["SCAN_FAMILIES", "draw_scan", "plan_scans", "scan_shards", "write_scans"]

SCAN_FAMILIES = ("cardiac", "renal", "hepatic", "pulmonary")
"""Organ families that are scanned; kidney and liver are biopsied as well."""


def write_scans(settings: SyntheticHospitalSettings, seed: int) -> Iterator[tuple[str, bytes]]:
    """The collection of scans, one shard in memory at a time.

    Args:
        settings: Sizes.
        seed: Seed.

    Yields:
        ``scans/shard-<number>.npz`` with ``images`` uint8 ``[n, h, w]``, ``labels`` int64 ``[n]`` (number of
        the class), and ``groups`` (patient) and ``strata`` (site) as text ``[n]``.
    """
    plan = plan_scans(settings, seed)
    for path, numbers in scan_shards(settings):
        cases = [plan.specimens.cases[plan.specimens.case[number]] for number in numbers]
        arrays: dict[str, NDArray[np.generic]] = {
            "images": np.stack([draw_scan(settings, plan, seed, number) for number in numbers]),
            "labels": np.array([case.kind for case in cases], dtype=np.int64),
            "groups": np.array([str(case.subject_id) for case in cases]),
            "strata": np.array([SITES[case.site] for case in cases]),
        }
        yield path, _npz(arrays)


def plan_scans(settings: SyntheticHospitalSettings, seed: int) -> Plan:
    """Who is scanned and how their organs look."""
    return plan_pictures(settings, seed, SCAN_FAMILIES, settings.n_scans, Stream.SCAN_PLAN)


def scan_shards(settings: SyntheticHospitalSettings) -> Iterator[tuple[str, range]]:
    """Path of each shard and the numbers of its pictures."""
    per_shard = settings.scans_per_shard
    width = max(3, len(str((settings.n_scans - 1) // per_shard)))  # so that names sort as numbers do
    for shard, first in enumerate(range(0, settings.n_scans, per_shard)):
        yield (
            f"scans/shard-{shard:0{width}d}.npz",
            range(first, min(first + per_shard, settings.n_scans)),
        )


def draw_scan(settings: SyntheticHospitalSettings, plan: Plan, seed: int, number: int) -> NDArray[np.uint8]:
    """One picture ``[h, w]``: a pure function of its arguments, whatever was drawn before."""
    rng = generator(seed, Stream.SCANS, number)
    case = plan.specimens.cases[plan.specimens.case[number]]
    anatomy = ANATOMIES[FAMILIES[plan.specimens.classes[case.kind].family]]
    light = section(rng, anatomy, plan.looks[number], settings.picture_size)
    return digitise(rng, SCANNERS[case.site], light)[:, :, 0]


def _npz(arrays: dict[str, NDArray[np.generic]]) -> bytes:
    """Without a time stamp and without pickle: equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
