"""A user's own data of every kind: files and YAML, no Python. The data carry canaries.

Nobody may ever read the canaries again: identifiers, free text, file names, notes inside files, rare levels
and codes, names of molecules and samples, strings that are no SMILES. Pictures are in `own_pictures`,
expression in `own_samples`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import own_pictures
import own_samples
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from spine_project import SpineProject

from med_maml_pipeline.synthetic import SyntheticHospitalSettings, write_ehr, write_molecules

FIRST_SUBJECT = 7_709_130_000
LAB_VALUE = 31337.4242
CANARIES = ("kanarie", str(FIRST_SUBJECT)[:6], "31337.4")
SOURCES = {
    "ehr": {"my_hospital", "my_clinic"},
    "molecules": {"my_assays"},
    "imaging": {"my_pictures", "my_arrays"},
    "expression": {"my_cohort", "my_studies"},
}
SETTINGS = SyntheticHospitalSettings(n_patients=240, patients_per_shard=120, n_molecules=200, n_assays=60)

CATALOG = """
ehr_sources:
  active_sources: [my_hospital, my_clinic]
  sources:
    my_hospital:
      format: meds
      path: mine/export
      condition_codes: ["DIAGNOSIS//*"]
      exclude_codes: ["OUTCOME//*"]
      tasks:
        - family: condition
          kind: target
          group_split: [0.5, 0.2, 0.3]
          support: {rule: enriched, sizes: [3], draws: 1, max_query: 40}
    my_clinic:
      format: table
      path: mine/clinic.csv
      columns: {target: disease, id: visit, group: patient, stratum: site, categorical: [sex], missing: ["?"]}
      tasks:
        - family: site
          kind: stratum
          target: disease
          shared_meaning: true
          split: {mode: rotate}
          support: {rule: natural, sizes: [10], draws: 1, max_query: 40}
molecules_sources:
  active_sources: [my_assays]
  sources:
    my_assays:
      format: smiles
      path: mine/assays.csv
      drop: [name]
      tasks:
        - family: assay
          kind: target
          cluster_pattern: "^(.*)_(?:24h|72h)_(?:up|dn)$"
          group_split: [0.5, 0.2, 0.3]
          support: {rule: balanced, sizes: [3], draws: 1, max_query: 40}
"""
CATALOG += own_pictures.CATALOG + own_samples.CATALOG


def own_sources(project: SpineProject) -> SpineProject:
    """Adds the sources to a fresh project, in an environment of their own."""
    conf = project.path / "conf" / "mine"
    shutil.copytree(project.path / "conf" / "test", conf)
    (conf / "globals.yml").write_text("workspace: mine\n")
    (conf / "catalog_01_raw.yml").write_text(CATALOG)
    raw = project.path / "data" / "01_raw" / "mine"
    raw.mkdir(parents=True)
    _write_meds(raw / "export" / "data")
    _write_table(raw / "clinic.csv")
    _write_assays(raw / "assays.csv")
    own_pictures.write_pictures(raw / "pictures")
    own_pictures.write_arrays(raw / "arrays")
    own_samples.write_cohort(raw / "cohort.h5ad")
    own_samples.write_studies(raw / "studies", LAB_VALUE)
    return project


def _write_meds(folder: Path) -> None:
    folder.mkdir(parents=True)
    shards = [content for path, content in write_ehr(SETTINGS, seed=1) if path.startswith("data/")]
    for number, shard in enumerate(shards):
        table = _with_canaries(shard, rare=number == 0)
        pq.write_table(table, folder / f"kanarie_jane_doe_{number}.parquet")


def _with_canaries(shard: pa.Table, *, rare: bool) -> pa.Table:
    """Telling identifiers, text in every row and, for the last subject, codes that nobody else has."""
    subjects = pc.add(shard["subject_id"].cast(pa.int64()), FIRST_SUBJECT)
    shard = shard.set_column(shard.schema.get_field_index("subject_id"), "subject_id", subjects)
    text = pa.array(["kanarie note"] * len(shard), shard.schema.field("text_value").type)
    shard = shard.set_column(shard.schema.get_field_index("text_value"), "text_value", text)
    if not rare:
        return shard
    last = shard["subject_id"][-1]
    others = shard.filter(pc.not_equal(shard["subject_id"], last))
    events = shard.filter(pc.equal(shard["subject_id"], last)).to_pylist()
    static = {**events[0], "time": None, "code": "LAB//KANARIE_RARE"}
    coded = {**events[-1], "code": "DIAGNOSIS//KANARIE_RARE"}
    return pa.concat_tables([others, pa.Table.from_pylist([static, *events, coded], schema=shard.schema)])


def _write_table(file: Path) -> None:
    rng = np.random.default_rng(0)
    n = 240
    age, marker = rng.uniform(20, 90, n).round(), rng.normal(5, 2, n).round(2)
    frame = pd.DataFrame(
        {
            "visit": [f"kanarie-visit-{i}" for i in range(n)],
            "patient": [f"kanarie-patient-{i}" for i in range(n)],
            "site": np.array(["north", "south", "east"])[np.arange(n) % 3],
            "sex": np.array(["f", "m"])[rng.integers(0, 2, n)],
            "age": age,
            "marker": marker,
            "disease": np.where(age / 20 + marker + rng.normal(size=n) > 7.5, "yes", "no"),
        }
    )
    frame.loc[5, "sex"] = "kanarielevel"
    frame.loc[6, "marker"] = LAB_VALUE
    frame["age"] = frame["age"].astype(object)
    frame.loc[7, "age"] = "?"
    frame.to_csv(file, index=False)


def _write_assays(file: Path) -> None:
    ((_, content),) = [item for item in write_molecules(SETTINGS, seed=1) if item[0] == "assays.csv"]
    frame = content.copy()
    frame.insert(1, "name", [f"kanarie-compound-{i}" for i in range(len(frame))])
    frame.loc[3, "smiles"] = "kanarie((("
    frame.to_csv(file, index=False)
