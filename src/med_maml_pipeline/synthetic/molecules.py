"""The molecule library with its assay panel, as the one table that a reader expects."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from med_maml_pipeline.synthetic.settings import SyntheticHospitalSettings

__all__ = ["write_molecules"]


def write_molecules(settings: SyntheticHospitalSettings, seed: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """The assay table.

    Args:
        settings: Sizes.
        seed: Seed.

    Yields:
        ``assays.csv``: ``smiles``, then one column per assay with 0, 1 or missing (``Int8``).
    """
    # rdkit is heavy: loaded when molecules are made, not when the graph is listed
    from med_maml_pipeline.synthetic.library import make_library
    from med_maml_pipeline.synthetic.panel import make_panel
    from med_maml_pipeline.synthetic.results import measure_panel

    library = make_library(settings.n_molecules, seed)
    panel = make_panel(settings.n_assays, seed)
    hits = measure_panel(library, panel, seed).hits
    table = pd.DataFrame(hits, columns=[assay.name for assay in panel]).astype("Int8")
    table.insert(0, "smiles", list(library.smiles))
    yield "assays.csv", table
