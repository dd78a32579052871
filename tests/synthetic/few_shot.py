"""An independent yardstick: nearest neighbours, with support and query of different patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

__all__ = ["Collection", "few_shot", "statistics"]


@dataclass(frozen=True)
class Collection:
    """Inputs ``[n, f]`` with class, patient, site and latent severity of each row."""

    x: NDArray[np.floating]
    kind: NDArray[np.object_]
    patient: NDArray[np.int64]
    site: NDArray[np.object_]
    severity: NDArray[np.float64]

    def rows(self, use: NDArray[np.bool_]) -> Collection:
        return Collection(self.x[use], self.kind[use], self.patient[use], self.site[use], self.severity[use])


def few_shot(data: Collection, *, episodes: int, ways: int = 5, shots: int = 5) -> NDArray[np.floating]:
    """``[queries, 2]``: right or wrong, and the severity, over episodes of ``ways`` classes."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(episodes):
        support, query = [], []
        for kind in rng.choice(np.unique(data.kind), ways, replace=False):
            patients = rng.permutation(np.unique(data.patient[data.kind == kind]))[: shots + 6]
            rows = [rng.choice(np.flatnonzero(data.patient == patient)) for patient in patients]
            support += rows[:shots]
            query += rows[shots:]
        mean, spread = data.x[support].mean(axis=0), data.x[support].std(axis=0) + 1e-6
        x = (data.x - mean) / spread
        model = KNeighborsClassifier(min(3, shots)).fit(x[support], data.kind[support])
        right = model.predict(x[query]) == data.kind[query]
        found.append(np.stack([right, data.severity[query]], axis=1))
    return np.concatenate(found)


def statistics(picture: NDArray[np.uint8]) -> list[float]:
    """Colours and roughness at four scales; a picture ``[h, w]`` or ``[h, w, 3]``."""
    light = picture.reshape(*picture.shape[:2], -1) / 255.0
    values = [light.mean((0, 1)), light.std((0, 1)), *np.percentile(light, [5, 25, 75, 95], axis=(0, 1))]
    grey, size = light.mean(axis=2), len(light)
    for block in (1, 2, 4, 8):
        coarse = grey.reshape(size // block, block, size // block, block).mean((1, 3))
        steps = [np.abs(np.diff(coarse, axis=axis)).mean() for axis in (0, 1)]
        values.append(np.log(np.array(steps) + 1e-3))
    return np.concatenate(values).tolist()
