"""Raw features as network and estimator inputs: scaling, missingness flags, damped counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.features.quantiles import NormalScores, column_quantiles
from med_maml_pipeline.tasks.types import FeatureKind, FloatArray

__all__ = ["Encoder", "Scaling"]

Scaling = Literal["robust", "quantile"]
"""How numeric columns are scaled: by median and quartiles, or to normal scores."""


@dataclass(frozen=True)
class Encoder:
    """A fitted, inductive map from raw features ``[n, f]`` to dense inputs ``[n, width]``.

    Numeric columns are centred and scaled by robust statistics of the fitting rows and clipped to ±5, or
    mapped to normal scores by their quantiles. They are set to 0 where missing; each numeric column with
    missing cells in the fitting rows gets a missingness flag.
    Indicators pass as they are (missing → 0). Counts are damped by ``log1p``. Constant columns are dropped.
    Fitted on meta-training rows where inputs are shared, on the support otherwise; never on a query.
    """

    centre: FloatArray
    scale: FloatArray
    kinds: NDArray[np.int64]
    kept: NDArray[np.int64]
    flagged: NDArray[np.int64]
    scores: NormalScores | None = None

    @classmethod
    def fit(cls, x: FloatArray, kinds: Sequence[FeatureKind], scaling: Scaling = "robust") -> Encoder:
        """Learns the statistics from ``x`` ``[n, f]`` (NaN = missing).

        Raises:
            ConfigurationError: there is no such scaling.
        """
        if scaling not in get_args(Scaling):
            known = ", ".join(get_args(Scaling))
            raise ConfigurationError(f"unknown scaling '{scaling}'; expected one of: {known}.")
        codes = np.array([list(FeatureKind).index(kind) for kind in kinds], dtype=np.int64)
        observed = ~np.isnan(x)
        numeric = codes == list(FeatureKind).index(FeatureKind.NUMERIC)
        centre = np.zeros(x.shape[1], dtype=np.float32)
        scale = np.ones(x.shape[1], dtype=np.float32)
        columns = np.flatnonzero(numeric & observed.any(axis=0))
        if len(columns):
            low, middle, high = column_quantiles(x[:, columns], [0.25, 0.5, 0.75])
            spread = (high - low) / 1.349  # the interquartile range of a unit normal
            deviation = np.nanstd(x[:, columns], axis=0)
            spread = np.where(spread > 1e-6 * np.maximum(deviation, 1e-12), spread, deviation)
            centre[columns] = middle
            scale[columns] = np.where(spread > 0, spread, 1.0)
        filled = np.where(observed, x, centre)
        kept = np.flatnonzero(filled.max(axis=0) > filled.min(axis=0)) if len(x) else np.arange(x.shape[1])
        flagged = np.flatnonzero(numeric & ~observed.all(axis=0) & observed.any(axis=0))
        ranked = x[:, kept[numeric[kept]]]
        scores = NormalScores.fit(ranked) if scaling == "quantile" and len(x) else None
        return cls(centre, scale, codes, kept.astype(np.int64), flagged.astype(np.int64), scores)

    @property
    def width(self) -> int:
        """Number of columns that `transform` gives."""
        return len(self.kept) + len(self.flagged)

    def transform(self, x: FloatArray) -> FloatArray:
        """Encodes ``x`` ``[n, f]`` as ``[n, width]`` float32 without missing cells."""
        columns = x[:, self.kept]
        kinds = self.kinds[self.kept]
        missing = np.isnan(columns)
        scaled = np.clip((columns - self.centre[self.kept]) / self.scale[self.kept], -5.0, 5.0)
        damped = np.log1p(np.maximum(columns, 0.0))
        is_numeric = kinds == list(FeatureKind).index(FeatureKind.NUMERIC)
        is_count = kinds == list(FeatureKind).index(FeatureKind.COUNT)
        values = np.where(is_numeric, scaled, np.where(is_count, damped, columns))
        if self.scores is not None:
            values[:, is_numeric] = self.scores.transform(columns[:, is_numeric])
        values = np.where(missing, 0.0, values)
        flags = np.isnan(x[:, self.flagged])
        return np.concatenate([values, flags], axis=1).astype(np.float32)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Arrays to put into a checkpoint."""
        scores = {} if self.scores is None else vars(self.scores)
        return {
            "centre": self.centre,
            "scale": self.scale,
            "kinds": self.kinds,
            "kept": self.kept,
            "flagged": self.flagged,
            **scores,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[np.generic]]) -> Encoder:
        """The inverse of `state`."""
        held: dict[str, NDArray[Any]] = dict(state)
        ranks = {name: held.pop(name) for name in ("quantiles", "observed") if name in held}
        return cls(**held, scores=NormalScores(**ranks) if ranks else None)
