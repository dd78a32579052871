"""What the tests of this room share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from own_cases import Store, rows, tables, trained

from med_maml_pipeline.personalisation import PersonalisationSettings, personalise

torch.set_num_threads(1)

Ask = Callable[..., pd.DataFrame]


@pytest.fixture
def own() -> pd.DataFrame:
    """Thirty cases of a user."""
    return rows(30, seed=7)


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Writes a user's tables and asks a lane for predictions."""

    def predict(
        frame: pd.DataFrame,
        lane: str = "metric",
        *,
        store: Store | None = None,
        query: pd.DataFrame | None = None,
        n_support: int = 10,
        **settings: object,
    ) -> pd.DataFrame:
        support_file, query_file = tables(tmp_path, frame, n_support)
        if query is not None:
            query.to_csv(query_file, index=False)
        return personalise(
            trained(lane) if store is None else store,
            support_file,
            query_file,
            PersonalisationSettings(**settings),
            modality="ehr",
            lane=f"ehr.{lane}",
            seed=0,
        )

    return predict
