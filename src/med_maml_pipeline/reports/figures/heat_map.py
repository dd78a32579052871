"""Expression in the embedded hospital: gene means by class and site, as a heat map."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from med_maml_pipeline.reports.figures.facets import Facet, Facets
from med_maml_pipeline.reports.showcase import Collection
from med_maml_pipeline.reports.wording import plain

__all__ = ["heat_map"]

CAPTION = (
    "Made by this project's generator: these are no patients. Mean of each gene over the samples of a class "
    "at a site, minus its mean over all samples; rows of fewer than three samples are blank. The genes are "
    "those whose class means differ most. Columns that stand out at one site alone are its batch effect."
)
GENES = 24
MOST_SITES = 3
LEAST = 3  # samples behind a cell
ROW_PX = 13
LEFT_PX = 132
SCALE = ["#2166ac", "#92c5de", "#f7f7f7", "#f4a582", "#b2182b"]
"""Blue below, red above, pale at zero: ColorBrewer's RdBu, safe for readers with colour-blindness."""


def heat_map(title: str, one: Collection) -> go.Figure:
    """A panel per site and one for the colours.

    Args:
        title: Of the figure.
        one: A synthetic collection with features.
    """
    classes, sites = np.unique(one.classes), np.unique(one.sites)[:MOST_SITES]
    centred = one.x - np.nanmean(one.x, axis=0)
    genes = _telling(centred, one.classes, classes)
    means = [_means(centred[:, genes], one, classes, str(site)) for site in sites]
    limit = _limit(means)
    height = ROW_PX * len(classes)
    x_title = f"{len(genes)} of {len(one.features)} genes (names on hover)"
    frames = [Facet(f"site {site}", x_title, "", height, one.label) for site in sites]
    key = Facet("What the colours mean", f"{one.unit}, minus the gene's mean", "", 16)
    facets = Facets(title, CAPTION, [*frames, key], columns=len(frames), left=LEFT_PX)
    for number, values in enumerate(means):
        _fill(facets, number, values, classes, [one.features[gene] for gene in genes], limit, one.unit)
    _fill_key(facets, len(means), limit)
    return facets.finish()


def _telling(x: NDArray[np.float32], of: NDArray[np.str_], classes: NDArray[np.str_]) -> NDArray[np.int64]:
    """The genes whose class means vary most, ordered by the class in which they are highest."""
    means = np.stack([np.nanmean(x[of == name], axis=0) for name in classes])
    genes = np.argsort(-means.var(axis=0), kind="stable")[:GENES]
    return genes[np.argsort(means[:, genes].argmax(axis=0), kind="stable")]


def _means(
    x: NDArray[np.float32], one: Collection, classes: NDArray[np.str_], site: str
) -> NDArray[np.float64]:
    """``[classes, genes]`` means at one site, NaN where few samples are behind them."""
    means = np.full((len(classes), x.shape[1]), np.nan)
    for row, name in enumerate(classes):
        mine = (one.classes == name) & (one.sites == site)
        if mine.sum() >= LEAST:
            means[row] = np.nanmean(x[mine], axis=0)
    return means


def _limit(means: list[NDArray[np.float64]]) -> float:
    """End of the colour scale: nearly all cells lie within, to half a unit."""
    values = np.abs(np.concatenate(means))
    values = values[~np.isnan(values)]
    return max(0.5, float(np.ceil(2 * np.quantile(values, 0.98)) / 2)) if len(values) else 1.0


def _fill(
    facets: Facets,
    number: int,
    values: NDArray[np.float64],
    classes: NDArray[np.str_],
    genes: list[str],
    limit: float,
    unit: str,
) -> None:
    cells = [[None if np.isnan(value) else round(float(value), 2) for value in row] for row in values]
    names = [plain(str(name)) for name in classes]
    trace = _heat(cells, limit, x=list(range(len(genes))), y=list(range(len(names))))
    trace.customdata = [[f"{name}, {plain(gene)}" for gene in genes] for name in names]
    trace.hovertemplate = f"%{{customdata}}: %{{z:.2f}} {unit}<extra></extra>"
    facets.add(number, trace)
    facets.axis(number, "x", showgrid=False, showticklabels=False, ticks="")
    facets.axis(
        number, "y", range=[len(names) - 0.5, -0.5], tickvals=list(range(len(names))), ticktext=names,
        tickfont={"size": 10}, showgrid=False, ticks="",
    )  # fmt: skip


def _fill_key(facets: Facets, number: int, limit: float) -> None:
    shades = [round(float(value), 3) for value in np.linspace(-limit, limit, 61)]
    trace = _heat([shades], limit, x=shades, y=[0])
    trace.hoverinfo = "skip"
    facets.add(number, trace)
    ticks = [-limit, -limit / 2, 0, limit / 2, limit]
    told = [f"{tick:+g}".replace("-", "−") if tick else "0" for tick in ticks]
    facets.axis(number, "x", range=[-limit, limit], tickvals=ticks, ticktext=told, showgrid=False)
    facets.axis(number, "y", showgrid=False, ticks="", tickvals=[0], ticktext=["colour"])


def _heat(z: list[list[float | None]] | list[list[float]], limit: float, **places: object) -> go.Heatmap:
    scale = [[step / (len(SCALE) - 1), colour] for step, colour in enumerate(SCALE)]
    return go.Heatmap(z=z, zmin=-limit, zmax=limit, colorscale=scale, showscale=False, **places)
