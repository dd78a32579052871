"""The public picture sources and the traps they set: repeated patients, smears and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from picture_files import SPEC, TASKS, account, joined

from med_maml_pipeline.sources import open_source
from med_maml_pipeline.sources.reading import TablePart, TableSchema

pytestmark = pytest.mark.public

DUPLICATES = "pictures with an exact duplicate, kept in one group with it"
SETS = "sets of exact duplicates (sets, not rows)"
Read = tuple[TableSchema, TablePart, dict[str, tuple[int, int]]]


def read(root: Path, name: str, **entry: Any) -> Read:
    options = {"size": 16, "features": [], "workers": 1}
    spec = {"format": "pictures", "path": name, "tasks": TASKS, "options": options, **entry}
    reading = open_source(name, SPEC.validate_python(spec), root)
    part = joined(reading)
    return reading.schemas[0], part, account(reading)


@pytest.fixture(scope="module")
def cells(public_data: Path) -> Read:
    return read(public_data, "chula_rbc12", columns={"target": "label", "group": "smear_image"})


@pytest.fixture(scope="module")
def skin(public_data: Path) -> Read:
    roles = {"target": "dx", "file": "image_id", "file_pattern": "images/{}.jpg", "group": "lesion_id"}
    return read(public_data, "ham10000", labels="metadata.csv", columns=roles)


@pytest.fixture(scope="module")
def brains(public_data: Path) -> Read:
    return read(public_data, "brain_tumor_mri", columns={"target": "label", "stratum": "orig_split"})


def same_groups(ids: np.ndarray, declared: pd.Series) -> bool:
    """Whether two labellings cut the rows alike."""
    pairs = pd.DataFrame({"ids": ids, "declared": declared.to_numpy()}).drop_duplicates()
    return pairs["ids"].is_unique and pairs["declared"].is_unique


def test_red_cells_of_one_smear_are_one_group(cells: Read, public_data: Path) -> None:
    schema, part, _ = cells
    table = pd.read_csv(public_data / "chula_rbc12" / "labels.csv")
    assert part.pixels is not None
    assert part.pixels.shape == (2160, 3, 16, 16)
    assert schema.targets[0].n_classes == len(schema.targets[0].classes) == 12
    assert np.bincount(part.y[:, 0].astype(int)).tolist() == [180] * 12
    assert [schema.targets[0].classes[int(label)] for label in part.y[:, 0]] == table["label"].tolist()
    assert same_groups(part.group_ids, table["smear_image"])


def test_elliptocytes_come_from_smears_of_their_own(cells: Read) -> None:
    """Their acquisition gives them away: why they are never in test alone."""
    schema, part, _ = cells
    elliptocyte = part.y[:, 0] == schema.targets[0].classes.index("elliptocyte")
    shared = set(part.group_ids[elliptocyte]) & set(part.group_ids[~elliptocyte])
    assert not shared


def test_pictures_of_one_lesion_are_one_group(skin: Read, public_data: Path) -> None:
    schema, part, _ = skin
    table = pd.read_csv(public_data / "ham10000" / "metadata.csv")
    assert len(part.y) == 1507
    assert len(set(part.group_ids)) == 1255
    assert same_groups(part.group_ids, table["lesion_id"])
    assert schema.targets[0].classes == ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")


def test_exact_duplicates_of_brain_slices_are_one_group(brains: Read) -> None:
    _, part, steps = brains
    assert len(part.y) == 960
    assert steps[DUPLICATES] == (194, 0)
    assert steps[SETS] == (84, 0)
    assert steps["of them with different labels (sets, not rows)"] == (0, 0)
    assert len(set(part.group_ids)) == 960 - 194 + 84
    assert part.pixels is not None
    by_pixels: dict[bytes, set[str]] = {}
    for pixels, group in zip(part.pixels, part.group_ids, strict=True):
        by_pixels.setdefault(pixels.tobytes(), set()).add(group)
    assert all(len(groups) == 1 for groups in by_pixels.values())


def test_the_publishers_own_split_would_leak(brains: Read) -> None:
    _, part, _ = brains
    assert part.strata is not None
    sides = pd.DataFrame({"group": part.group_ids, "side": part.strata}).groupby("group")["side"].nunique()
    assert int((sides > 1).sum()) == 54


def test_duplicates_of_mednist_are_one_group(public_data: Path) -> None:
    schema, part, steps = read(public_data, "mednist", columns={"target": "label"})
    assert len(part.y) == 900
    assert schema.targets[0].n_classes == 6
    assert (steps[DUPLICATES], steps[SETS]) == ((3, 0), (1, 0))
    assert len(set(part.group_ids)) == 898
