"""Means over what is defined."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

__all__ = ["mean_of_defined"]


def mean_of_defined(values: Iterable[float]) -> float:
    """Mean of the values that are defined; NaN where none is."""
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")
