"""Several comparisons at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from med_maml_pipeline.metrics.probabilities import Floats

__all__ = ["holm"]


def holm(p_values: ArrayLike) -> Floats:
    """P-values adjusted for their number by the step-down method of Holm (Scand. J. Statist. 1979).

    Rejecting what is below a level keeps the chance of any false rejection below it, dependent or not.

    Args:
        p_values: ``[k]``; NaN for a comparison that was not made, which counts for nothing.

    Returns:
        ``[k]``, not below the given ones, 1 at most, NaN where they are.
    """
    given = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full_like(given, np.nan)
    made = np.flatnonzero(~np.isnan(given))
    order = made[np.argsort(given[made], kind="stable")]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(given[order] * factors), 1.0)
    return adjusted
