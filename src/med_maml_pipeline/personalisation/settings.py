"""Parameters of personalisation."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["PersonalisationSettings"]


class PersonalisationSettings(BaseModel):
    """Which checkpoint serves one's own cases, and how their tables are laid out.

    Attributes:
        problem: Name of the problem; may be left out where the lane has only one.
        fold: Fold whose checkpoint to use.
        learner: Learner of the lane; default: the one that did best on validation tasks with supports of
            about this size.
        table: ``source/table`` of meta-training that one's own data are prepared like; needed only where the
            tables were prepared in different ways.
        target_type: ``class`` or ``regression``.
        positive: Label of the positive class, where there are two; default: the second of the labels in
            order, which for 0 and 1 is 1.
        id_column / label_column / smiles_column / path_column: Names of the columns.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    problem: str | None = None
    fold: int = Field(default=0, ge=0)
    learner: str | None = None
    table: str | None = None
    target_type: Literal["class", "regression"] = "class"
    positive: str | int | float | None = None
    id_column: str = "id"
    label_column: str = "label"
    smiles_column: str = "smiles"
    path_column: str = "path"
