"""Pictures of the embedded hospital, a row per class and a few columns per site."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from med_maml_pipeline.reports.figures.facets import Facet, Facets
from med_maml_pipeline.reports.showcase import Collection
from med_maml_pipeline.reports.wording import plain

__all__ = ["contact_sheet"]

CAPTION = (
    "Made by this project's generator: these are no patients. A row per class, up to three pictures of each "
    "site, as learners get them. Classes differ in shape, texture and colour; sites in stain, light and "
    "scanner."
)
MOST_CLASSES = 12
MOST_SITES = 4
EACH = 3  # pictures of a class and site
SIDE_PX = 42  # of a picture on a wide page
LEFT_PX = 136
MARGIN = 1  # pixels around each picture
GAP = 0.4  # of a picture, between two sites


def contact_sheet(title: str, collections: Sequence[Collection]) -> go.Figure:
    """A panel per collection.

    Args:
        title: Of the figure.
        collections: Synthetic collections with pictures. At least one.
    """
    classes = [_spread(one.classes, MOST_CLASSES) for one in collections]
    sites = [_spread(one.sites, MOST_SITES) for one in collections]
    frames = [_facet(*shown) for shown in zip(collections, classes, sites, strict=True)]
    facets = Facets(title, CAPTION, frames, columns=2, left=LEFT_PX)
    for number, shown in enumerate(zip(collections, classes, sites, strict=True)):
        _fill(facets, number, *shown)
    return facets.finish()


def _spread(names: NDArray[np.str_], most: int) -> list[str]:
    """Up to ``most`` of the distinct names, evenly from first to last."""
    distinct = np.unique(names)
    places = np.linspace(0, len(distinct) - 1, min(most, len(distinct)))
    return [str(name) for name in distinct[places.round().astype(int)]]


def _width(sites: list[str]) -> float:
    """Width of the sheet in pictures."""
    return len(sites) * (EACH + GAP) - GAP


def _facet(one: Collection, classes: list[str], sites: list[str]) -> Facet:
    _, channels, height, width = _pixels(one).shape
    shown = f"{len(classes)} of {len(np.unique(one.classes))} classes"
    return Facet(
        title=one.label,
        x_title="site",
        y_title="",
        height=SIDE_PX * len(classes),
        note=f"{shown}; {width} × {height} pixels, {'RGB' if channels == 3 else 'grey'}",
        aspect=len(classes) / _width(sites),
    )


def _fill(facets: Facets, number: int, one: Collection, classes: list[str], sites: list[str]) -> None:
    spots = list(_spots(one, classes, sites))
    pixels, wide = _pixels(one), _width(sites)
    side = pixels.shape[2] + 2 * MARGIN
    sheet = np.zeros((side * len(classes), round(side * wide), 4), dtype=np.uint8)  # clear where empty
    for left, top, example in spots:
        _put(sheet, pixels[example], round(top * side) + MARGIN, round(left * side) + MARGIN)
    facets.picture(number, _png(sheet), (0, 0, wide, len(classes)))
    hovered = go.Scatter(
        x=[round(left + 0.5, 2) for left, _, _ in spots],
        y=[top + 0.5 for _, top, _ in spots],
        text=[plain(f"{one.classes[example]}, site {one.sites[example]}") for _, _, example in spots],
        mode="markers",
        marker={"opacity": 0, "size": 20, "color": "#000000"},
        hovertemplate="%{text}<extra></extra>",
    )
    facets.add(number, hovered)
    _name_rows_and_columns(facets, number, classes, sites)


def _spots(one: Collection, classes: list[str], sites: list[str]) -> Iterator[tuple[float, float, int]]:
    """Left and top of each picture, in pictures, and the number of its example."""
    for row, name in enumerate(classes):
        for column, site in enumerate(sites):
            found = np.flatnonzero((one.classes == name) & (one.sites == site))[:EACH]
            for place, example in enumerate(found):
                yield column * (EACH + GAP) + place, row, int(example)


def _name_rows_and_columns(facets: Facets, number: int, classes: list[str], sites: list[str]) -> None:
    bare = {"showgrid": False, "showline": False, "ticks": "", "constrain": "domain"}
    middles = [round(site * (EACH + GAP) + EACH / 2, 2) for site in range(len(sites))]
    names = [plain(name) for name in sites]
    facets.axis(number, "x", range=[0, _width(sites)], tickvals=middles, ticktext=names, **bare)
    rows = [row + 0.5 for row in range(len(classes))]
    suffix = str(number + 1) if number else ""
    facets.axis(
        number, "y", range=[len(classes), 0], tickvals=rows, ticktext=[*map(plain, classes)],
        tickfont={"size": 10}, scaleanchor=f"x{suffix}", constraintoward="top", **bare,
    )  # fmt: skip


def _pixels(one: Collection) -> NDArray[np.uint8]:
    if one.pixels is None:
        raise ValueError(f"collection '{one.label}' has no pictures")
    return one.pixels


def _put(sheet: NDArray[np.uint8], picture: NDArray[np.uint8], top: int, left: int) -> None:
    """Writes ``[channels, h, w]`` into ``[H, W, 4]``; grey is repeated, and alpha set."""
    place = sheet[top : top + picture.shape[1], left : left + picture.shape[2]]
    place[..., :3] = picture.transpose(1, 2, 0)
    place[..., 3] = 255


def _png(sheet: NDArray[np.uint8]) -> str:
    """The sheet ``[H, W, 4]`` as a ``data:`` address."""
    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(sheet).save(held, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}"
