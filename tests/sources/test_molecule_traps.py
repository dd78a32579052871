"""The public molecule sources: their configuration, and the traps that the data set."""

from __future__ import annotations

import csv
import gzip
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from pydantic import TypeAdapter

from med_maml_pipeline.sources import smiles
from med_maml_pipeline.sources.examples import load_examples
from med_maml_pipeline.sources.ingest import Ingestion
from med_maml_pipeline.sources.smiles import read_smiles
from med_maml_pipeline.sources.spec import SmilesSource, SupportRule
from med_maml_pipeline.tasks.build import build_tasks
from med_maml_pipeline.tasks.types import Examples, MetaSplit

CONFIGURATION = Path(__file__).parents[2] / "conf" / "public" / "catalog_01_raw.yml"


@pytest.fixture(scope="module")
def sources() -> dict[str, SmilesSource]:
    declared = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))["molecules_sources"]["sources"]
    return TypeAdapter(dict[str, SmilesSource]).validate_python(declared)


class Store:
    """A snapshot in memory."""

    def __init__(self, files: dict[str, Any]) -> None:
        self.files = files

    def names(self, prefix: str = "") -> list[str]:
        return [name for name in self.files if name.startswith(prefix)]

    def read(self, name: str) -> Any:
        return self.files[name]


def cluster(sources: dict[str, SmilesSource], name: str) -> str:
    pattern = sources["toxcast"].tasks[0].cluster_pattern
    assert pattern is not None
    match = re.search(pattern, name)
    assert match is not None
    return match.group(1)


@pytest.mark.parametrize(
    "variants",
    [
        ("APR_HepG2_CellLoss_24h_dn", "APR_HepG2_CellLoss_72h_dn"),
        ("APR_HepG2_StressKinase_1h_up", "APR_HepG2_StressKinase_72h_up"),
        ("APR_Hepat_MitoFxnI_1hr_dn", "APR_Hepat_MitoFxnI_48hr_dn"),
        ("ATG_AP_1_CIS_dn", "ATG_AP_1_CIS_up"),
        ("ATG_NRF2_ARE_CIS_dn", "ATG_NRF2_ARE_CIS_up"),
        ("ATG_M_06_TRANS_up", "ATG_M_61_TRANS_up", "ATG_M_19_CIS_dn"),
        ("ACEA_T47D_80hr_Negative", "ACEA_T47D_80hr_Positive"),
        ("BSK_CASM3C_uPAR_down", "BSK_CASM3C_uPAR_up"),
        ("CEETOX_H295R_DOC_dn", "CEETOX_H295R_DOC_up"),
        ("CLD_CYP1A1_6hr", "CLD_CYP1A1_24hr", "CLD_CYP1A1_48hr"),
        ("NCCT_QuantiLum_inhib_2_dn", "NCCT_QuantiLum_inhib_dn"),
        ("NVS_NR_hFXR_Agonist", "NVS_NR_hFXR_Antagonist"),
        ("NVS_NR_hRAR_Antagonist", "NVS_NR_hRARa_Agonist"),
        ("NVS_NR_bER", "NVS_NR_hER", "NVS_NR_mERa"),
        ("NVS_NR_cAR", "NVS_NR_hAR", "NVS_NR_rAR"),
        ("NVS_ENZ_rMAOAC", "NVS_ENZ_rMAOAP"),
        ("NVS_GPCR_rOpiate_NonSelective", "NVS_GPCR_rOpiate_NonSelectiveNa"),
        ("OT_ER_ERaERa_0480", "OT_ER_ERaERb_1440"),
        ("TOX21_AR_BLA_Agonist_ratio", "TOX21_AR_BLA_Antagonist_viability", "TOX21_AR_BLA_Agonist_ch1"),
        ("Tanguay_ZF_120hpf_JAW_up", "Tanguay_ZF_120hpf_ActivityScore"),
    ],
)
def test_variants_of_an_assay_share_a_cluster(
    sources: dict[str, SmilesSource], variants: tuple[str, ...]
) -> None:
    assert len({cluster(sources, name) for name in variants}) == 1


def test_different_assays_do_not_share_a_cluster(sources: dict[str, SmilesSource]) -> None:
    names = [
        *("APR_HepG2_CellLoss_24h_dn", "APR_Hepat_CellLoss_24hr_dn", "APR_HepG2_MitoMass_24h_dn"),
        *("ATG_AP_1_CIS_dn", "ATG_AP_2_CIS_dn", "ATG_Myb_CIS_up", "ATG_MRE_CIS_up", "ATG_TAL_CIS_up"),
        *("ATG_RARa_TRANS_up", "ATG_RARb_TRANS_up", "BSK_3C_MCP1_down", "BSK_4H_MCP1_down"),
        *("CLD_CYP1A1_6hr", "CLD_CYP1A2_6hr", "NVS_ADME_hCYP1A1", "NVS_ADME_hCYP1A2"),
        *(
            "NVS_ENZ_rMAOAC",
            "NVS_ENZ_rMAOBC",
            "NVS_NR_hER",
            "NVS_NR_hPR",
            "NVS_NR_hAR",
            "NVS_NR_hCAR_Antagonist",
        ),
        *("NVS_GPCR_hM1", "NVS_GPCR_hM2", "NVS_GPCR_h5HT2A", "NVS_GPCR_h5HT6", "OT_AR_ARSRC1_0480"),
    ]
    for one, other in combinations(names, 2):
        assert cluster(sources, one) != cluster(sources, other)


def test_identifier_column_of_tox21_is_neither_input_nor_assay(
    sources: dict[str, SmilesSource], tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text("NR-AR,mol_id,smiles\n1,TOX1,CCO\n0,TOX2,CCN\n")
    reading = read_smiles("tox21", sources["tox21"].model_copy(update={"path": "t.csv"}), tmp_path)
    assert [target.name for target in reading.schemas[0].targets] == ["NR-AR"]
    assert "mol_id" not in reading.schemas[0].features


def test_published_splits_are_those_of_the_literature(sources: dict[str, SmilesSource]) -> None:
    for name, n_source, n_test in (("tox21", 9, 3), ("sider", 21, 6)):
        (family,) = (f for f in sources[name].tasks if f.protocol == "published")
        split = family.split
        assert len(split.train) + len(split.validation) == n_source
        assert len(split.test) == n_test
        assert len({*split.train, *split.validation, *split.test}) == n_source + n_test
        assert family.group_split is None
        assert family.problem == f"{name}_published"


def write_sources(root: Path) -> None:
    """Two tables over the same 96 molecules: acids as such in one, as sodium salts in the other."""
    tails = ("O", "N", "F", "Cl", "S", "C#N", "Br")
    plain = [f"{'C' * n}{tail}" for n in range(1, 13) for tail in tails]
    acids = [f"{'C' * n}C(=O)O" for n in range(1, 13)]
    salts = [f"{'C' * n}C(=O)[O-].[Na+]" for n in range(1, 13)]
    assays = ["TOX21_AhR_LUC_Agonist", "TOX21_p53_BLA_p1_ratio"]
    assays += [
        f"APR_HepG2_{x}_{hours}h_dn" for x in ("CellLoss", "MitoMass", "NuclearSize") for hours in (24, 72)
    ]
    assays += [f"ATG_{x}_CIS_{way}" for x in ("Ahr", "AP_1", "ERE", "p53", "Sox") for way in ("dn", "up")]
    rng = np.random.default_rng(0)
    for name, molecules, columns in (
        ("toxcast", plain + acids, assays),
        ("tox21", salts + plain, ["NR-AhR"]),
    ):
        frame = pd.DataFrame(rng.integers(0, 2, (96, len(columns))), columns=columns)
        frame.insert(0, "smiles", molecules)
        frame["mol_id"] = np.arange(96)
        frame.to_csv(root / f"{name}.csv", index=False)


@pytest.fixture
def specs(sources: dict[str, SmilesSource]) -> dict[str, SmilesSource]:
    """ToxCast and Tox21 as configured, with small fingerprints and supports."""
    made = {}
    for name in ("toxcast", "tox21"):
        family = (
            sources[name]
            .tasks[0]
            .model_copy(
                update={"clusters": (), "support": SupportRule(sizes=(2,), draws=1), "min_examples": 5}
            )
        )
        made[name] = sources[name].model_copy(
            update={"path": f"{name}.csv", "drop": ("mol_id",), "fingerprint_bits": 64, "tasks": (family,)}
        )
    return made


def ingest(specs: dict[str, SmilesSource], root: Path) -> dict[str, Examples]:
    ingestion = Ingestion(specs, dict.fromkeys(specs, root), lambda ids, _: ids)
    return load_examples(Store(dict(ingestion)))


def test_one_molecule_is_one_group_in_all_sources(specs: dict[str, SmilesSource], tmp_path: Path) -> None:
    write_sources(tmp_path)
    examples = ingest(specs, tmp_path)
    toxcast, tox21 = (examples[f"{name}/main"].groups for name in ("toxcast", "tox21"))
    assert len(set(toxcast)) == 96
    np.testing.assert_array_equal(toxcast, np.roll(tox21, -12))  # the acids moved from front to back


def test_meta_splits_share_no_tox21_assay_no_variant_and_no_molecule(
    specs: dict[str, SmilesSource], tmp_path: Path
) -> None:
    write_sources(tmp_path)
    examples = ingest(specs, tmp_path)
    catalog = build_tasks(examples, {name: spec.tasks for name, spec in specs.items()}, seed=0)
    tasks = catalog.tasks.set_index("task_id")
    split_of_label = dict(zip(tasks["label"], tasks["meta_split"], strict=True))
    assert not any(label.startswith("TOX21_") for label in split_of_label)
    assert split_of_label.pop("NR-AhR") == MetaSplit.TEST
    stems: dict[str, set[str]] = {}
    for label, split in split_of_label.items():
        stems.setdefault(re.sub(r"_(24h_dn|72h_dn|dn|up)$", "", label), set()).add(split)
    assert all(len(splits) == 1 for splits in stems.values())
    assert set.union(*stems.values()) == set(MetaSplit)

    groups: dict[str, set[int]] = {}
    for pool in catalog.pools.itertuples():
        table = examples[tasks.at[pool.task_id, "examples"]]
        found = table.groups[np.asarray(pool.rows, dtype=np.int64)]
        groups.setdefault(tasks.at[pool.task_id, "meta_split"], set()).update(found.tolist())
    for one, other in combinations(MetaSplit, 2):
        assert not groups[one] & groups[other]


@pytest.mark.public
def test_toxcast_header_splits_into_the_expected_clusters(
    sources: dict[str, SmilesSource], public_data: Path
) -> None:
    with gzip.open(public_data / sources["toxcast"].path, "rt", encoding="utf-8") as lines:
        names = next(csv.reader(lines))[1:]
    kept = [name for name in names if not name.startswith("TOX21_")]
    assert (len(names), len(kept)) == (617, 517)
    clusters = {name: cluster(sources, name) for name in kept}
    stem = re.compile(r"(_\d+hr?)?_(up|dn|down)$|_\d+hr$|_(Agonist|Antagonist)$|_(0120|0480|0960|1440)$")
    for one, other in combinations(kept, 2):
        if stem.sub("", one) == stem.sub("", other):
            assert clusters[one] == clusters[other], (one, other)
    listed = {label for group in sources["toxcast"].tasks[0].clusters for label in group}
    assert listed <= set(names)
    assert listed >= {name for name in kept if re.fullmatch(r"BSK_\w+_SRB_down", name)}


@pytest.mark.public
@pytest.mark.parametrize("name", ["tox21", "sider"])
def test_published_labels_are_all_columns_in_the_order_of_the_file(
    sources: dict[str, SmilesSource], public_data: Path, name: str
) -> None:
    with gzip.open(public_data / sources[name].path, "rt", encoding="utf-8") as lines:
        header = [column for column in next(csv.reader(lines)) if column not in ("smiles", "mol_id")]
    (family,) = (f for f in sources[name].tasks if f.protocol == "published")
    n_test = len(family.split.test)
    assert list(family.split.test) == header[-n_test:]
    assert {*family.split.train, *family.split.validation} == set(header[:-n_test])


@pytest.mark.public
def test_clintox_sets_aside_merges_and_is_nearly_its_own_inverse(
    sources: dict[str, SmilesSource], public_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smiles, "featurise", lambda molecules, **_: np.zeros((len(molecules), 1)))
    spec = sources["clintox"]
    reading = read_smiles("clintox", spec, public_data)
    parts = list(reading.parts)
    assert {row.step: row.lost for row in reading.attrition} == {
        "rows read": 0,
        "unparsable SMILES": 4,
        "duplicate molecules merged": 63,
        "assay cells in conflict (cells, not rows)": 93,
    }
    groups = np.concatenate([part.group_ids for part in parts])
    assert len(set(groups)) == len(groups)
    y = np.concatenate([part.y for part in parts])
    y = y[~np.isnan(y).any(axis=1)]
    assert (y[:, 0] != y[:, 1]).mean() > 0.98  # why FDA_APPROVED is no task of its own
    assert "FDA_APPROVED" in spec.tasks[0].exclude
