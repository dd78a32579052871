"""Thin nodes: a user's tables and a checkpoint in, predictions under the user's own identifiers out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from med_maml_pipeline.datasets.snapshot import Snapshot
from med_maml_pipeline.personalisation import PersonalisationSettings, personalise, personalise_ensemble

__all__ = ["personalise_ensembles", "personalise_lane"]


def personalise_lane(modality: str, lane: str) -> Callable[..., pd.DataFrame]:
    """The node function of one lane of one modality; ``lane`` is its namespace."""

    def adapt_to_own_cases(
        support: Path, query: Path, checkpoints: Snapshot, settings: Mapping[str, Any], seed: int
    ) -> pd.DataFrame:
        """Adapts a checkpoint to a user's labelled cases and predicts the others."""
        return personalise(
            checkpoints,
            support,
            query,
            PersonalisationSettings.model_validate(settings),
            modality=modality,
            lane=lane,
            seed=seed,
        )

    return adapt_to_own_cases


def personalise_ensembles(modality: str, lane: str) -> Callable[..., pd.DataFrame]:
    """The node function of the ensembles of one modality; ``lane`` is their namespace."""

    def adapt_all_lanes_to_own_cases(
        support: Path,
        query: Path,
        ensembles: Snapshot,
        settings: Mapping[str, Any],
        seed: int,
        **lanes: Snapshot,
    ) -> pd.DataFrame:
        """Adapts all members of an ensemble to a user's labelled cases and combines their predictions."""
        return personalise_ensemble(
            ensembles,
            list(lanes.values()),
            support,
            query,
            PersonalisationSettings.model_validate(settings),
            modality=modality,
            lane=lane,
            seed=seed,
        )

    return adapt_all_lanes_to_own_cases
