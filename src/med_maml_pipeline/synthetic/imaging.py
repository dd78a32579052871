"""Pictures of the hospital's patients: a folder of slides and shards of scans."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import pandas as pd

from med_maml_pipeline.synthetic.scans import write_scans
from med_maml_pipeline.synthetic.settings import SyntheticHospitalSettings
from med_maml_pipeline.synthetic.slides import write_slides

__all__ = ["write_imaging"]


def write_imaging(
    settings: SyntheticHospitalSettings, seed: int
) -> Iterator[tuple[str, pd.DataFrame | bytes]]:
    """The files of both collections, made one at a time; see `write_slides` and `write_scans`."""
    return chain(write_slides(settings, seed), write_scans(settings, seed))
