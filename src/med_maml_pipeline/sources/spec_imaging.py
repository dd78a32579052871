"""Picture sources in configuration: a folder with a table, or arrays in .npz files."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from med_maml_pipeline.sources.spec_base import Source, Strict

__all__ = ["ArraysSource", "PictureColumns", "PictureOptions", "PicturesSource"]


class PictureOptions(Strict):
    """What becomes of a picture before it is an example.

    Attributes:
        size: Height and width in pixels after resizing.
        channels: 1 (grey) or 3 (RGB); other numbers of channels are converted (alpha is dropped, more than
            three keep the first three).
        centre: Share of each side that is kept, around the middle: single cells have neighbours at the
            border.
        fit: ``crop`` the middle square, ``stretch`` it, or ``pad`` with the border's median colour.
        depth_range: ``full`` maps the range of the bit depth to 0..255; ``picture`` maps each picture's own
            1st to 99th percentile (12-bit scans in 16-bit files).
        features: Hand-crafted features beside the pixels (`features.pictures`), from the resized picture.
        views: 8 averages the features over the rotations and reflections of the picture; 1 takes it as it is.
        max_pixels: Largest declared width × height that is decoded.
        batch: Pictures decoded and in memory at a time: bounds the memory of ingestion.
        workers: Worker processes that decode; the result does not depend on it.
    """

    size: int = Field(default=32, ge=16, le=256)
    channels: Literal[1, 3] = 3
    centre: float = Field(default=1.0, ge=0.1, le=1.0)
    fit: Literal["crop", "stretch", "pad"] = "crop"
    depth_range: Literal["full", "picture"] = "full"
    features: tuple[Literal["hog", "colour", "texture"], ...] = ("hog", "colour", "texture")
    views: Literal[1, 8] = 8
    max_pixels: int = Field(default=40_000_000, ge=256)
    batch: int = Field(default=512, ge=1)
    workers: int = Field(default=2, ge=1)


class PictureColumns(Strict):
    """Columns of the label table.

    Attributes:
        target: Column of the class.
        file: Column that names the picture.
        file_pattern: Path of the picture below the source's folder; ``{}`` stands for the cell of ``file``.
        positive: Values of the target that count as positive; gives a binary task.
        group: Column that must not be split (patient, lesion, smear); default: every picture is its own.
            Pictures that are alike byte for byte are one group in any case.
        stratum: Column of sites or scanners.
        exclude_rows: Column → values; matching rows are left out and counted.
    """

    target: str
    file: str = "path"
    file_pattern: str = "{}"
    positive: tuple[str | int | float, ...] = ()
    group: str | None = None
    stratum: str | None = None
    exclude_rows: dict[str, tuple[str | int | float, ...]] = Field(default_factory=dict)


class PicturesSource(Source):
    """A folder of JPEG or PNG pictures of any size, bit depth and channel count, and a table of labels.

    Attributes:
        labels: Delimited or Parquet table, relative to ``path``.
        columns: Roles of its columns.
        pictures: Folder, relative to ``path``, whose pictures must all be in the table.
        unlisted: What to do with pictures that the table does not name: ``error``, or ``ignore`` and count.
        options: Resizing, features, limits.
    """

    format: Literal["pictures"]
    labels: str = "labels.csv"
    columns: PictureColumns
    pictures: str = "images"
    unlisted: Literal["error", "ignore"] = "error"
    options: PictureOptions = PictureOptions()


class ArraysSource(Source):
    """MedMNIST-style .npz: one file, or a folder of shards of the same layout.

    Arrays are ``<part>_images`` ``[n, h, w]`` or ``[n, h, w, c]`` (uint8 or uint16) and ``<part>_labels``
    ``[n]`` or ``[n, 1]`` for the parts ``train``, ``val`` and ``test``, or plain ``images`` and ``labels``;
    optional, in the same way, ``groups`` and ``strata``. The parts are joined: splits are made here, by task
    and group. Nothing that needs pickle is read.

    Attributes:
        classes: Name of each class by its number; default: the numbers.
        target: Name of the target in tables and tasks.
        positive: Class names that count as positive; gives a binary task.
        options: Resizing, features, limits.
    """

    format: Literal["npz"]
    classes: tuple[str, ...] = ()
    target: str = "label"
    positive: tuple[str, ...] = ()
    options: PictureOptions = PictureOptions()
