"""The observation window of each MEDS subject: what may be an input, and what came after."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
from meds import birth_code

__all__ = ["AFTER", "VISIBLE", "in_window"]

VISIBLE = "visible"
AFTER = "after"


def in_window(shard: pl.DataFrame, window_days: float) -> pl.DataFrame:
    """Adds ``start``, ``visible`` and ``after`` to the events; subjects without a timed event leave.

    The window of a subject starts with its first timed event (birth aside) and is half-open: static events
    (no time) and those before ``start + window_days`` are visible, those from then on come after.

    Args:
        shard: Events with ``subject_id``, ``time``, ``code``.
        window_days: Length of the window.
    """
    time = pl.col("time")
    end = pl.col("start") + timedelta(days=window_days)
    start = time.filter(pl.col("code") != birth_code).min().over("subject_id")
    return (
        shard.with_columns(start=start)
        .filter(pl.col("start").is_not_null())
        .with_columns(
            (time.is_null() | (time < end)).alias(VISIBLE),
            (time >= end).fill_null(False).alias(AFTER),
        )
    )
