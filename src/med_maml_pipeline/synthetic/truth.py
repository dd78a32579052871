"""The generating truth, kept apart from the data: for checks, never for learning."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from med_maml_pipeline.synthetic.analytes import ANALYTES
from med_maml_pipeline.synthetic.drugs import DRUGS
from med_maml_pipeline.synthetic.expression_truth import expression_truth
from med_maml_pipeline.synthetic.organs import FAMILIES
from med_maml_pipeline.synthetic.outcome_rules import BINARY_OUTCOMES, risk
from med_maml_pipeline.synthetic.patients import Patients, draw_patients
from med_maml_pipeline.synthetic.picture_truth import picture_truth
from med_maml_pipeline.synthetic.settings import SyntheticHospitalSettings
from med_maml_pipeline.synthetic.sites import SITE_SHARES, SITES, Sites, make_sites
from med_maml_pipeline.synthetic.world import World, make_world

__all__ = ["write_truth"]


def write_truth(settings: SyntheticHospitalSettings, seed: int) -> Iterator[tuple[str, pa.Table]]:
    """The truth behind the data that the other writers make of the same settings and seed.

    Args:
        settings: Sizes.
        seed: Seed.

    Yields:
        Relative posix path and table, one at a time: ``diseases`` (family, prevalence), ``effects`` (cause,
        code, effect), ``sites`` and ``site_effects``, ``outcomes`` (weights of the risks), ``assays``,
        ``assay_rules`` and ``assay_scores``, ``molecules``, the tables of `picture_truth` and
        `expression_truth`, and ``patients/<shard>`` (latent diseases with severity, organ strain, frailty,
        risks), all as Parquet.
    """
    world, sites = make_world(settings, seed), make_sites(seed)
    yield "diseases.parquet", _diseases(world)
    yield "effects.parquet", _effects(world)
    yield "sites.parquet", _sites(sites)
    yield "site_effects.parquet", _site_effects(sites)
    yield "outcomes.parquet", _outcomes()
    # rdkit is heavy: loaded when molecules are made, not when the graph is listed
    from med_maml_pipeline.synthetic.molecule_truth import molecule_truth

    yield from molecule_truth(settings, seed)
    yield from picture_truth(settings, seed)
    yield from expression_truth(settings, seed)
    width = len(str(settings.n_shards - 1))
    for shard in range(settings.n_shards):
        patients = draw_patients(settings, world, sites, seed, shard)
        yield f"patients/{shard:0{width}d}.parquet", _patients(world, patients)


def _diseases(world: World) -> pa.Table:
    return pa.table(
        {
            "code": [disease.code for disease in world.diseases],
            "name": [disease.name for disease in world.diseases],
            "family": [disease.family for disease in world.diseases],
            "prevalence": world.prevalence,
        }
    )


def _effects(world: World) -> pa.Table:
    """One row per cause and code that it moves. Causes: ``organ//<family>`` or a diagnosis code.

    Kinds: ``level`` is a shift in healthy standard deviations (per unit of strain or severity),
    ``treatment`` the chance per visit of a drug at severity 1.
    """
    diagnoses = [disease.code for disease in world.diseases]
    analytes, drugs = [analyte.code for analyte in ANALYTES], [drug.code for drug in DRUGS]
    blocks = (
        ("level", [f"organ//{family}" for family in FAMILIES], analytes, world.organ_effect),
        ("level", diagnoses, analytes, world.disease_effect),
        ("treatment", diagnoses, drugs, world.treatment),
    )
    rows = [
        {"kind": kind, "cause": causes[row], "code": codes[column], "effect": float(effect[row, column])}
        for kind, causes, codes, effect in blocks
        for row, column in zip(*np.nonzero(effect), strict=True)
    ]
    return pa.Table.from_pylist(rows)


def _sites(sites: Sites) -> pa.Table:
    return pa.table(
        {
            "site": SITES,
            "share": SITE_SHARES,
            "noise": sites.noise,
            "coding": sites.coding,
            "miscoding": sites.miscoding,
            "unit_slip": sites.unit_slip,
        }
    )


def _site_effects(sites: Sites) -> pa.Table:
    """Kinds: ``case_mix`` and ``ordering`` by family, ``bias`` and ``uses_si`` by analyte."""
    analytes = [analyte.code for analyte in ANALYTES]
    blocks = (
        ("case_mix", FAMILIES, sites.case_mix),
        ("ordering", FAMILIES, sites.ordering),
        ("bias", analytes, sites.bias),
        ("uses_si", analytes, sites.uses_si),
    )
    rows = [
        {"site": site, "kind": kind, "on": name, "effect": float(effect[row, column])}
        for kind, names, effect in blocks
        for row, site in enumerate(SITES)
        for column, name in enumerate(names)
    ]
    return pa.Table.from_pylist(rows)


def _outcomes() -> pa.Table:
    """One row per binary outcome and cause: weights on the log-odds."""
    rows = [
        {"code": rule.code, "cause": cause, "weight": weight}
        for rule in BINARY_OUTCOMES
        for cause, weight in (
            ("base", rule.base),
            ("frailty", rule.frailty),
            ("age", rule.age),
            *((f"organ//{family}", weight) for family, weight in rule.organs.items()),
        )
    ]
    return pa.Table.from_pylist(rows)


def _patients(world: World, patients: Patients) -> pa.Table:
    columns = {
        "subject_id": patients.subject_id,
        "site": np.array(SITES)[patients.site],
        "frailty": patients.frailty.astype(np.float32),
    }
    columns |= {
        f"organ//{family}": patients.strain[:, column].astype(np.float32)
        for column, family in enumerate(FAMILIES)
    }
    columns |= {
        disease.code: patients.severity[:, column].astype(np.float32)
        for column, disease in enumerate(world.diseases)
    }
    columns |= {rule.code: risk(rule, patients).astype(np.float32) for rule in BINARY_OUTCOMES}
    return pa.table(columns)
