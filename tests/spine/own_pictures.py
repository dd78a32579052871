"""A user's own pictures, a folder with a table and array shards; canaries in all that names a patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from PIL.PngImagePlugin import PngInfo

SELDOM = "seldomitis"
"""A class of two patients: too rare for any task, so that nobody downstream may read its name."""

CATALOG = """
imaging_sources:
  active_sources: [my_pictures, my_arrays]
  sources:
    my_pictures:
      format: pictures
      path: mine/pictures
      labels: cases.tsv
      pictures: scans
      columns:
        target: finding
        file: scan
        file_pattern: "scans/{}"
        group: patient
        stratum: scanner
        exclude_rows: {quality: [blurred]}
      options: {size: 16, features: [hog], batch: 50, workers: 1}
      tasks:
        - &few_classes
          family: finding
          kind: classes
          target: finding
          min_examples: 6
          split: {mode: random, fractions: [0.5, 0.2, 0.3]}
          support: {rule: balanced, sizes: [1], ways: 2, draws: 1, max_query: 20}
    my_arrays:
      format: npz
      path: mine/arrays
      target: finding
      classes: [bone, brain, heart, kidney, liver, lung, skin, spleen]
      options: {size: 16, channels: 1, features: [texture], batch: 50, workers: 1}
      tasks: [*few_classes]
"""

_FINDINGS = ("adenoma", "cyst", "fibrosis", "inflammation", "lipoma", "naevus", "polyp", "ulcer")
_PER_CLASS = 10


def write_pictures(folder: Path) -> None:
    """PNG and JPEG of several sizes and depths, a table with a free-text column, notes inside the files."""
    (folder / "scans").mkdir(parents=True)
    rng = np.random.default_rng(0)
    labels = [*np.repeat(_FINDINGS, _PER_CLASS), SELDOM, SELDOM]
    rows = []
    for number, label in enumerate(labels):
        shade = 20 + 25 * sorted({*labels}).index(label)
        pixels = np.clip(rng.normal(shade, 12, (20 + number % 3, 24, 3)), 0, 255).astype(np.uint8)
        scan = f"kanarie_jane_doe_{number}.{'jpg' if number % 2 else 'png'}"
        _save(pixels, folder / "scans" / scan, number)
        rows.append(
            {
                "scan": scan,
                "finding": label,
                "patient": f"kanarie-patient-{number // 2}",
                "scanner": f"scanner {number % 3}",
                "quality": "blurred" if number == 5 else "sharp",
                "letter": "kanarie: the patient was told on the phone",
            }
        )
    pd.DataFrame(rows).to_csv(folder / "cases.tsv", sep="\t", index=False)


def _save(pixels: np.ndarray, file: Path, number: int) -> None:
    if file.suffix == ".jpg":
        exif = Image.Exif()
        exif[0x010E] = "kanarie image description"
        Image.fromarray(pixels).save(file, exif=exif, comment="kanarie comment")
        return
    notes = PngInfo()
    notes.add_text("Patient", "kanarie-name")
    deep = number % 4 == 0
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257 if deep else pixels).save(file, pnginfo=notes)


def write_arrays(folder: Path) -> None:
    """Two shards with a patient per picture or two, and a member that nobody asked for."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(8), _PER_CLASS)
    images = np.clip(rng.normal(20 + 25 * labels[:, None, None], 12, (len(labels), 22, 22)), 0, 255)
    patients = np.array([f"kanarie-patient-{number // 2}" for number in range(len(labels))])
    for shard in range(2):
        mine = np.arange(len(labels)) % 2 == shard
        np.savez(
            folder / f"kanarie_shard_{shard}.npz",
            images=images[mine].astype(np.uint8),
            labels=labels[mine],
            groups=patients[mine],
            notes=np.array([b"kanarie note"]),
        )
