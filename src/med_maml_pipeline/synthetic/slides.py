"""Slides: a folder of PNG pictures of stained tissue and its table of labels."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from med_maml_pipeline.synthetic.appearance import Plan, plan_pictures
from med_maml_pipeline.synthetic.microscope import dye
from med_maml_pipeline.synthetic.organs import FAMILIES
from med_maml_pipeline.synthetic.scanners import SCANNERS, digitise
from med_maml_pipeline.synthetic.seeds import Stream, generator
from med_maml_pipeline.synthetic.settings import SyntheticHospitalSettings
from med_maml_pipeline.synthetic.sites import SITES
from med_maml_pipeline.synthetic.stains import STAIN_SHARES, STAINS, colour
from med_maml_pipeline.synthetic.tissue import TISSUES, lay_out

__all__ = ["SLIDE_FAMILIES", "draw_slide", "plan_slides", "slide_paths", "slide_stains", "write_slides"]

SLIDE_FAMILIES = ("renal", "hepatic", "endocrine", "blood", "immune")
"""Organ families that are biopsied."""


def write_slides(
    settings: SyntheticHospitalSettings, seed: int
) -> Iterator[tuple[str, pd.DataFrame | bytes]]:
    """The collection of slides, one picture in memory at a time.

    Args:
        settings: Sizes.
        seed: Seed.

    Yields:
        ``slides/labels.csv`` (path, patient, site, organ, diagnosis), then the PNG files that it names.
    """
    plan = plan_slides(settings, seed)
    paths, stains = slide_paths(plan), slide_stains(plan, seed)
    yield "slides/labels.csv", _labels(plan, paths)
    for number, path in enumerate(paths):
        yield f"slides/{path}", _png(draw_slide(settings, plan, int(stains[number]), seed, number))


def plan_slides(settings: SyntheticHospitalSettings, seed: int) -> Plan:
    """Who is biopsied and how their organs look."""
    return plan_pictures(settings, seed, SLIDE_FAMILIES, settings.n_slides, Stream.SLIDE_PLAN)


def slide_paths(plan: Plan) -> list[str]:
    """Path of each picture, relative to the folder of the collection."""
    return [f"images/slide-{number:05d}.png" for number in range(len(plan.looks))]


def slide_stains(plan: Plan, seed: int) -> NDArray[np.int64]:
    """Number of each picture's stain: a habit of the site, and no sign of disease."""
    draws = generator(seed, Stream.SLIDE_PLAN, 2).random(len(plan.looks))
    sites = np.array([plan.specimens.cases[case].site for case in plan.specimens.case])
    bounds = np.cumsum(STAIN_SHARES, axis=1)[sites, :-1]
    return np.asarray((draws[:, None] > bounds).sum(axis=1), dtype=np.int64)


def draw_slide(
    settings: SyntheticHospitalSettings, plan: Plan, stain: int, seed: int, number: int
) -> NDArray[np.uint8]:
    """One picture ``[h, w, 3]``: a pure function of its arguments, whatever was drawn before."""
    rng = generator(seed, Stream.SLIDES, number)
    case = plan.specimens.cases[plan.specimens.case[number]]
    tissue, look = TISSUES[FAMILIES[plan.specimens.classes[case.kind].family]], plan.looks[number]
    scene = lay_out(rng, tissue, look)
    light = colour(STAINS[stain], dye(rng, tissue, scene, look, settings.picture_size))
    return digitise(rng, SCANNERS[case.site], light)


def _labels(plan: Plan, paths: list[str]) -> pd.DataFrame:
    cases = [plan.specimens.cases[case] for case in plan.specimens.case]
    kinds = [plan.specimens.classes[case.kind] for case in cases]
    return pd.DataFrame(
        {
            "path": paths,
            "patient": [case.subject_id for case in cases],
            "site": [SITES[case.site] for case in cases],
            "organ": [kind.organ for kind in kinds],
            "diagnosis": [kind.name for kind in kinds],
        }
    )


def _png(picture: NDArray[np.uint8]) -> bytes:
    """PNG without a time stamp: equal pictures give equal bytes."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "png", compress_level=6)
    return buffer.getvalue()
