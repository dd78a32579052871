"""The distribution of colours in a picture, wherever they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.tasks.types import PixelArray

__all__ = ["colour_features", "colour_names"]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
GREY_BINS = 12
HUE_BINS, SATURATION_BINS, VALUE_BINS = 12, 6, 6
LAB_BINS = 8
LAB_LIMIT = 64.0
"""Tissue and stains stay within ±64 in a* and b*; what is beyond counts in the outermost bin."""


def colour_names(channels: int) -> tuple[str, ...]:
    """Names of the columns of `colour_features` for 1 or 3 channels."""
    labels = ("grey",) if channels == 1 else ("red", "green", "blue")
    moments = [f"{label}_{what}" for label in labels for what in ("mean", "sd")]
    quantiles = [f"{label}_q{round(100 * q)}" for label in labels for q in QUANTILES]
    if channels == 1:
        return (*moments, *quantiles, *(f"grey_bin_{i}" for i in range(GREY_BINS)))
    bins = {"hue": HUE_BINS, "saturation": SATURATION_BINS, "value": VALUE_BINS, "a": LAB_BINS, "b": LAB_BINS}
    histograms = [f"{label}_bin_{i}" for label, count in bins.items() for i in range(count)]
    lab = [f"lab_{label}_{what}" for label in ("l", "a", "b") for what in ("mean", "sd")]
    return (*moments, *quantiles, *histograms, *lab)


def colour_features(picture: PixelArray) -> NDArray[np.float64]:
    """Mean, standard deviation and quantiles per channel, histograms, and moments in CIE Lab.

    Intensities are fractions of 255; histograms are fractions of the pixels; hue is weighted by saturation,
    since the hue of grey means nothing. The same in all eight views of a picture, to rounding.

    Args:
        picture: ``[1 or 3, h, w]`` uint8.

    Returns:
        ``[19]`` for grey, ``[67]`` for colour.
    """
    channels = picture.reshape(len(picture), -1).astype(np.float64) / 255
    moments = np.stack([channels.mean(axis=1), channels.std(axis=1)], axis=1).ravel()
    quantiles = np.quantile(channels, QUANTILES, axis=1).T.ravel()
    if len(picture) == 1:
        return np.concatenate([moments, quantiles, _histogram(channels[0], GREY_BINS, 0, 1)])
    return np.concatenate([moments, quantiles, _spaces(picture)])


def _spaces(picture: PixelArray) -> NDArray[np.float64]:
    from skimage.color import rgb2hsv, rgb2lab

    last = np.ascontiguousarray(picture.transpose(1, 2, 0))
    hue, saturation, value = rgb2hsv(last).reshape(-1, 3).T
    lab = rgb2lab(last).reshape(-1, 3).T
    return np.concatenate(
        [
            _histogram(hue, HUE_BINS, 0, 1, saturation),
            _histogram(saturation, SATURATION_BINS, 0, 1),
            _histogram(value, VALUE_BINS, 0, 1),
            _histogram(lab[1], LAB_BINS, -LAB_LIMIT, LAB_LIMIT),
            _histogram(lab[2], LAB_BINS, -LAB_LIMIT, LAB_LIMIT),
            np.stack([lab.mean(axis=1), lab.std(axis=1)], axis=1).ravel() / 100,
        ]
    )


def _histogram(
    values: NDArray[np.float64],
    bins: int,
    low: float,
    high: float,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    places = ((values - low) * (bins / (high - low))).astype(np.int64).clip(0, bins - 1)
    return np.bincount(places, weights, minlength=bins) / len(values)
