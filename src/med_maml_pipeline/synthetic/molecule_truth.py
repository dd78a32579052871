"""The truth behind the assay table: rules, thresholds, scores, and what became of each row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from med_maml_pipeline.synthetic.library import Library, make_library
from med_maml_pipeline.synthetic.mechanisms import FEATURES
from med_maml_pipeline.synthetic.panel import Assay, make_panel
from med_maml_pipeline.synthetic.results import Results, measure_panel
from med_maml_pipeline.synthetic.settings import SyntheticHospitalSettings

__all__ = ["molecule_truth"]


def molecule_truth(settings: SyntheticHospitalSettings, seed: int) -> Iterator[tuple[str, pa.Table]]:
    """Tables on molecules and assays.

    Args:
        settings: Sizes.
        seed: Seed.

    Yields:
        ``assays.parquet``, ``assay_rules.parquet``, ``assay_scores.parquet`` (noise-free score of each
        distinct molecule), ``molecules.parquet`` (per row of the assay table: kind and distinct molecule).
    """
    library = make_library(settings.n_molecules, seed)
    panel = make_panel(settings.n_assays, seed)
    results = measure_panel(library, panel, seed)
    yield "assays.parquet", _assays(panel, results)
    yield "assay_rules.parquet", _rules(panel)
    yield "assay_scores.parquet", _scores(library, panel, results)
    yield "molecules.parquet", _molecules(library)


def _assays(panel: tuple[Assay, ...], results: Results) -> pa.Table:
    return pa.table(
        {
            "assay": [assay.name for assay in panel],
            "mechanism": [assay.mechanism for assay in panel],
            "cell": [assay.cell for assay in panel],
            "variant": [assay.variant for assay in panel],
            "hit_rate": [assay.hit_rate for assay in panel],
            "missing": [assay.missing for assay in panel],
            "noise": results.noise,
            "threshold": results.threshold,
        }
    )


def _rules(panel: tuple[Assay, ...]) -> pa.Table:
    rows = [
        {"assay": assay.name, "feature": FEATURES[column], "weight": float(assay.weights[column])}
        for assay in panel
        for column in np.flatnonzero(assay.weights)
    ]
    return pa.Table.from_pylist(rows)


def _scores(library: Library, panel: tuple[Assay, ...], results: Results) -> pa.Table:
    columns = {assay.name: results.scores[:, column] for column, assay in enumerate(panel)}
    return pa.table({"smiles": library.distinct, **columns})


def _molecules(library: Library) -> pa.Table:
    kind = np.where(library.molecule < 0, "unparsable", np.where(library.duplicate, "duplicate", "distinct"))
    return pa.table({"row": np.arange(len(kind)), "kind": kind, "molecule": library.molecule})
