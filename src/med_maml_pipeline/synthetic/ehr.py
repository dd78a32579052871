"""The hospital's record as a MEDS 0.4 data set, one shard in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import meds
import numpy as np
import pyarrow as pa

from med_maml_pipeline.synthetic.codebook import DIPSTICK_LEVELS, Codebook, make_codebook
from med_maml_pipeline.synthetic.events import concatenate, take, to_meds
from med_maml_pipeline.synthetic.measurements import measure
from med_maml_pipeline.synthetic.outcomes import draw_fates, outcome_events, with_readmissions
from med_maml_pipeline.synthetic.patients import draw_patients
from med_maml_pipeline.synthetic.records import diagnose, prescribe, register, stays
from med_maml_pipeline.synthetic.seeds import Stream, generator
from med_maml_pipeline.synthetic.settings import SyntheticHospitalSettings
from med_maml_pipeline.synthetic.sites import Sites, make_sites
from med_maml_pipeline.synthetic.visits import draw_visits
from med_maml_pipeline.synthetic.world import World, make_world

__all__ = ["ehr_shard", "write_ehr"]


def write_ehr(
    settings: SyntheticHospitalSettings, seed: int
) -> Iterator[tuple[str, pa.Table | dict[str, Any]]]:
    """The files of the record in MEDS 0.4 layout, made one at a time.

    Each shard is a pure function of (settings, seed, shard number), so that memory does not grow with
    the number of patients and shards can be made in any order.

    Args:
        settings: Sizes.
        seed: Seed.

    Yields:
        Relative posix path and content: ``metadata/dataset.json``, ``metadata/codes.parquet``, then
        ``data/<shard>.parquet`` with ``subject_id``, ``time``, ``code``, ``numeric_value``, ``text_value``.
    """
    world, sites = make_world(settings, seed), make_sites(seed)
    codebook = make_codebook(world.diseases)
    yield "metadata/dataset.json", _description()
    yield "metadata/codes.parquet", codebook.metadata()
    width = len(str(settings.n_shards - 1))  # padded, so that the order of names is the order of shards
    for shard in range(settings.n_shards):
        yield f"data/{shard:0{width}d}.parquet", ehr_shard(settings, world, sites, codebook, seed, shard)


def ehr_shard(
    settings: SyntheticHospitalSettings,
    world: World,
    sites: Sites,
    codebook: Codebook,
    seed: int,
    shard: int,
) -> pa.Table:
    """One MEDS data table: all events of the shard's patients, by subject and time, none after death."""
    patients = draw_patients(settings, world, sites, seed, shard)
    rng = generator(seed, Stream.EVENTS, shard)
    fates = draw_fates(rng, patients)
    visits = with_readmissions(rng, draw_visits(rng, patients), fates)
    admissions, discharges = stays(rng, patients, visits, codebook)
    events = concatenate(
        [
            register(patients, codebook),
            admissions,
            measure(rng, patients, visits, sites, codebook),
            prescribe(rng, patients, visits, world, codebook),
            discharges,
            diagnose(rng, patients, visits, world, sites, codebook),
            outcome_events(rng, patients, visits, fates, codebook),
        ]
    )
    died = np.flatnonzero(events.code == codebook.numbers[meds.death_code])
    last = np.full(len(patients), np.iinfo(np.int64).max)
    last[events.patient[died]] = events.time[died]
    alive = take(events, events.time <= last[events.patient])
    return to_meds(alive, patients.subject_id, codebook.codes, DIPSTICK_LEVELS)


def _description() -> dict[str, Any]:
    """The MEDS 0.4 data set description. No date, so that the same seed gives the same bytes."""
    return {
        "dataset_name": "synthetic_hospital",
        "dataset_version": "1",
        "etl_name": "med_maml_pipeline.synthetic",
        "etl_version": "1",
        "meds_version": meds.__version__,
    }
