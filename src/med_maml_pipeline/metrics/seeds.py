"""How far a result depends on the seed of meta-training."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from med_maml_pipeline.metrics.probabilities import Floats

__all__ = ["seed_sd"]


def seed_sd(by_seed: Floats, tasks: ArrayLike) -> Floats:
    """Sample standard deviation over seeds of the mean over tasks of the mean over draws, ``[m]``.

    Args:
        by_seed: ``[s, e, m]`` metrics of each seed on the same episodes, NaN where undefined: left out.
        tasks: ``[e]`` names or numbers of the tasks.

    Returns:
        NaN with one seed, and where a seed has no defined value.
    """
    if len(by_seed) == 1:
        return np.full(by_seed.shape[2], np.nan)
    names = np.asarray(tasks)
    means = [pd.DataFrame(values).groupby(names).mean().mean().to_numpy() for values in by_seed]
    return np.asarray(np.std(means, axis=0, ddof=1))
