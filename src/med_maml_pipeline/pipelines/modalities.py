"""The static lists that shape the graph: one namespace per modality, one inside it per lane."""

from __future__ import annotations

from med_maml_pipeline.learners.registry import LANES
from med_maml_pipeline.modalities import MODALITIES

__all__ = [
    "ENSEMBLE",
    "JUDGED_NAMESPACES",
    "LANE_NAMESPACES",
    "MODALITIES",
    "lane_namespace",
    "learning_parameters",
    "task_tables",
]

LANE_NAMESPACES: tuple[str, ...] = tuple(LANES)
"""Where learners are meta-trained."""

ENSEMBLE = "ensemble"
"""Where their predictions are combined."""

JUDGED_NAMESPACES: tuple[str, ...] = (*LANE_NAMESPACES, ENSEMBLE)
"""Whose predictions the scoreboard judges."""


def lane_namespace(modality: str, lane: str) -> str:
    """Namespace of a lane's nodes: ``ehr.maml``."""
    return f"{modality}.{lane}"


def task_tables(modality: str) -> dict[str, str]:
    """Inputs that every learning node reads: argument to dataset."""
    return {name: f"{modality}_{name}" for name in ("examples", "tasks", "pools", "episodes")}


def learning_parameters() -> dict[str, str]:
    """Parameters that every learning node reads: argument to ``params:`` entry."""
    names = ("learners", "roster", "budgets", "budget", "seed", "seeds", "workers")
    return {name: f"params:{name}" for name in names}
