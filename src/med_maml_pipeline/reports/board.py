"""Views of the scoreboard that figures and tables share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.metrics.primary import chance_level, is_primary
from med_maml_pipeline.reports.style import lane_rank
from med_maml_pipeline.reports.wording import family_label, source_label, support_label

__all__ = ["ALL_FOLDS", "Group", "groups", "in_order", "largest", "need", "primary"]

ALL_FOLDS = "all"
"""Value of ``fold`` in rows that aggregate over the folds."""

KEYS = ["modality", "source", "task_family", "protocol", "metric"]


@dataclass(frozen=True)
class Group:
    """Rows that may be compared with each other: one family of one source, one metric, all sizes.

    Attributes:
        modality: Modality.
        source: Source name.
        family: Task family.
        protocol: ``disjoint`` or the name of a waiver.
        metric: Metric.
        rows: The scoreboard rows.
    """

    modality: str
    source: str
    family: str
    protocol: str
    metric: str
    rows: pd.DataFrame

    @property
    def label(self) -> str:
        """Source, family and waiver for people."""
        return source_label(self.source, self.family, self.protocol)

    @property
    def family_label(self) -> str:
        """Family and waiver for people."""
        return family_label(self.family, self.protocol)

    @property
    def size(self) -> int:
        """The largest support size."""
        return int(self.rows["support_size"].max())

    @property
    def per_class(self) -> bool:
        """Whether support sizes count examples per class (else in all)."""
        return bool(self.rows["n_shot"].notna().any())

    @property
    def n_way(self) -> int | None:
        """Number of classes in an episode; None for numbers and where it varies."""
        ways = self.rows["n_way"].unique()
        return None if len(ways) != 1 or pd.isna(ways[0]) else int(ways[0])

    @property
    def chance(self) -> float | None:
        """What blind guessing reaches; None where that has no one value."""
        return chance_level(self.metric, self.n_way)

    @property
    def support_label(self) -> str:
        """The largest support size for people."""
        return support_label(self.size, self.per_class, self.n_way)


def need(frame: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    """Checks that a table has the columns that the report reads.

    Raises:
        ConfigurationError: some are missing; the message names them.
    """
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ConfigurationError(
            f"table '{name}' lacks the columns {', '.join(missing)}; run the stage that makes it again."
        )


def primary(scoreboard: pd.DataFrame) -> pd.DataFrame:
    """Rows of the primary metric of their family, over all folds."""
    return scoreboard[is_primary(scoreboard) & (scoreboard["fold"].astype(str) == ALL_FOLDS)]


def largest(scoreboard: pd.DataFrame) -> pd.DataFrame:
    """Rows at the largest support size of their source, family, protocol and metric."""
    top = scoreboard.groupby(KEYS, dropna=False)["support_size"].transform("max")
    return scoreboard[scoreboard["support_size"] == top]


def in_order(scoreboard: pd.DataFrame) -> pd.DataFrame:
    """Rows by source, family, metric and size, then lane as in the legends, then learner."""
    ranked = scoreboard.assign(_lane=scoreboard["lane"].map(lane_rank))
    by = [*KEYS, "support_size", "_lane", "learner", "fold"]
    return ranked.sort_values(by, kind="stable").drop(columns="_lane").reset_index(drop=True)


def groups(scoreboard: pd.DataFrame) -> Iterator[Group]:
    """Splits the rows into comparable groups, in reading order."""
    for key, rows in in_order(scoreboard).groupby(KEYS, dropna=False, sort=True):
        modality, source, family, protocol, metric = (str(part) for part in key)
        yield Group(modality, source, family, protocol, metric, rows)
