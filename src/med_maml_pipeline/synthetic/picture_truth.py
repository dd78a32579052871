"""The truth behind slides and scans: effects of the diseases, scanners, and what each picture shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from med_maml_pipeline.synthetic.appearance import FACTORS, Plan, appearance_effects
from med_maml_pipeline.synthetic.cohort import Specimens
from med_maml_pipeline.synthetic.scanners import SCANNERS
from med_maml_pipeline.synthetic.scans import plan_scans, scan_shards
from med_maml_pipeline.synthetic.settings import SyntheticHospitalSettings
from med_maml_pipeline.synthetic.sites import SITES
from med_maml_pipeline.synthetic.slides import plan_slides, slide_paths, slide_stains
from med_maml_pipeline.synthetic.stains import STAIN_SHARES, STAINS
from med_maml_pipeline.synthetic.world import make_world

__all__ = ["picture_truth", "specimen_columns"]


def picture_truth(settings: SyntheticHospitalSettings, seed: int) -> Iterator[tuple[str, pa.Table]]:
    """Tables on pictures.

    Args:
        settings: Sizes.
        seed: Seed.

    Yields:
        ``picture_effects.parquet`` (shift of each factor per unit of severity), ``scanners.parquet`` (by
        site, with the shares of the stains), ``slides.parquet`` and ``scans.parquet`` (per picture: path, row
        in the shard, patient, class, latent severity, every factor).
    """
    yield "picture_effects.parquet", _effects(settings, seed)
    yield "scanners.parquet", _scanners()
    slides = plan_slides(settings, seed)
    names = np.array([stain.name for stain in STAINS])
    yield (
        "slides.parquet",
        _pictures(slides, {"path": slide_paths(slides), "stain": names[slide_stains(slides, seed)]}),
    )
    rows = [(path, row) for path, numbers in scan_shards(settings) for row in range(len(numbers))]
    places: dict[str, Any] = {"path": [path for path, _ in rows], "row": [row for _, row in rows]}
    yield "scans.parquet", _pictures(plan_scans(settings, seed), places)


def specimen_columns(specimens: Specimens) -> dict[str, list[Any]]:
    """Patient, site, organ, class and latent severity of each specimen."""
    cases = [specimens.cases[case] for case in specimens.case]
    kinds = [specimens.classes[case.kind] for case in cases]
    return {
        "subject_id": [case.subject_id for case in cases],
        "site": [SITES[case.site] for case in cases],
        "organ": [kind.organ for kind in kinds],
        "diagnosis": [kind.name for kind in kinds],
        "severity": [case.severity for case in cases],
    }


def _effects(settings: SyntheticHospitalSettings, seed: int) -> pa.Table:
    world = make_world(settings, seed)
    effects = appearance_effects(world, seed)
    rows = [
        {
            "code": world.diseases[row].code,
            "factor": name,
            "kind": kind,
            "effect": float(effects[row, column]),
        }
        for row in range(len(effects))
        for column, (name, kind) in enumerate(FACTORS.items())
        if effects[row, column]
    ]
    return pa.Table.from_pylist(rows)


def _scanners() -> pa.Table:
    rows = []
    for site, scanner, shares in zip(SITES, SCANNERS, STAIN_SHARES, strict=True):
        values = asdict(scanner)
        balance = dict(zip(("red", "green", "blue"), values.pop("balance"), strict=True))
        stains = {f"share_{stain.name}": share for stain, share in zip(STAINS, shares, strict=True)}
        rows.append({"site": site} | balance | values | stains)
    return pa.Table.from_pylist(rows)


def _pictures(plan: Plan, places: dict[str, Any]) -> pa.Table:
    looks = {name: plan.looks[:, column].astype(np.float32) for column, name in enumerate(FACTORS)}
    return pa.table(places | specimen_columns(plan.specimens) | looks)
