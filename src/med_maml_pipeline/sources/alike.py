"""Groups that share an example alike in every byte are one group, in every kind of data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["codes_of", "join_alike"]


def codes_of(digests: Sequence[bytes]) -> NDArray[np.int64]:
    """Number of each digest by first appearance, ``[n]``."""
    codes, _ = pd.factorize(np.fromiter(digests, dtype=object, count=len(digests)))
    return codes.astype(np.int64)


def join_alike(groups: NDArray[np.object_], digests: Sequence[bytes]) -> NDArray[np.object_]:
    """Joins groups that share a digest, over any number of steps (connected components).

    Args:
        groups: ``[n]`` group identifiers.
        digests: ``n`` digests: equal where examples are alike.

    Returns:
        The groups ``[n]``, each under the identifier that came first.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    codes, names = pd.factorize(groups)
    _, first, same = np.unique(codes_of(digests), return_index=True, return_inverse=True)
    edges = coo_array((np.ones(len(codes)), (codes, codes[first[same]])), shape=(len(names), len(names)))
    _, component = connected_components(edges, directed=False)
    _, oldest = np.unique(component, return_index=True)
    return np.asarray(names, dtype=object)[oldest[component[codes]]]
