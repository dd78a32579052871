"""A user's own expression data, an .h5ad file and a folder of matrices, with canaries beside the genes."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd

CATALOG = """
expression_sources:
  active_sources: [my_cohort, my_studies]
  sources:
    my_cohort:
      format: h5ad
      path: mine/cohort.h5ad
      layer: counts
      columns: {target: subtype, more_targets: [relapse], group: patient, stratum: hospital}
      scale: {values: counts, scaling: log}
      tasks:
        - family: subtype
          kind: classes
          target: subtype
          min_examples: 6
          split: {mode: random, fractions: [0.5, 0.2, 0.3]}
          support: {rule: balanced, sizes: [1], ways: 2, draws: 1, max_query: 20}
    my_studies:
      format: expression
      path: mine/studies
      sets:
        kidney: {file: kidney.tsv, columns: &study {target: grade, sample: sample_id, drop: [letter]}}
        liver: {columns: *study, scale: {values: intensity, scaling: quantile}}
        lung: {columns: *study, missing: [NA]}
        skin: {columns: *study, scale: {values: intensity}}
      tasks:
        - family: study
          kind: table
          shared_inputs: false
          support: {rule: balanced, sizes: [2], draws: 1, max_query: 20}
"""

_SUBTYPES = ("a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2")
_PER_CLASS = 10


def write_cohort(file: Path) -> None:
    """Counts with telling names of samples, a free-text column and a note in ``uns``."""
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(len(_SUBTYPES)), _PER_CLASS)
    rates = rng.gamma(2, 2, (len(_SUBTYPES), 30))
    n = len(codes)
    obs = pd.DataFrame(
        {
            "subtype": np.array(_SUBTYPES)[codes],
            "relapse": rng.integers(0, 2, n),
            "patient": [f"kanarie-patient-{number // 2}" for number in range(n)],
            "hospital": np.array(["north", "south"])[np.arange(n) % 2],
            "letter": [f"kanarie letter {number}" for number in range(n)],
        },
        index=[f"kanarie-sample-{number}" for number in range(n)],
    )
    counts = rng.poisson(rates[codes] * rng.uniform(5, 20, (n, 1))).astype(np.float32)
    genes = pd.DataFrame(index=[f"GENE{number}" for number in range(counts.shape[1])])
    noise = np.zeros_like(counts)  # what a user left in X
    anndata.AnnData(noise, obs, genes, layers={"counts": counts}, uns={"contact": "kanarie"}).write_h5ad(file)


def write_studies(folder: Path, value: float) -> None:
    """Four matrices of different genes, one of them with a telling value."""
    folder.mkdir(parents=True)
    for number, name in enumerate(("kidney", "liver", "lung", "skin")):
        rng = np.random.default_rng(number)
        grade = np.arange(32) % 2
        genes = rng.normal(6, 1, (32, 12 + number))
        genes[:, :4] += 1.5 * grade[:, None]
        table = pd.DataFrame(genes.round(3), columns=[f"{name.upper()}{gene}" for gene in range(12 + number)])
        table.insert(0, "sample_id", [f"kanarie-{name}-{sample}" for sample in range(32)])
        table["grade"] = np.array(["high", "low"])[grade]
        table["letter"] = "kanarie letter"
        if name == "lung":
            table["LUNG3"] = table["LUNG3"].astype(object)
            table.loc[4, "LUNG3"] = "NA"
        if name == "skin":
            table.loc[6, "SKIN5"] = value
        separator = "\t" if name == "kidney" else ","
        table.to_csv(
            folder / (f"{name}.tsv" if name == "kidney" else f"{name}.csv.gz"), sep=separator, index=False
        )
