"""The named splits of the public pictures, built from the real files as configured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from public_tasks import configured, tasks_of

from med_maml_pipeline.tasks.build import TaskCatalog
from med_maml_pipeline.tasks.types import Examples

pytestmark = pytest.mark.public
ROTATIONS = (
    {"microcyte", "ovalocyte", "target_cell", "burr_cell"},
    {"normal", "macrocyte", "spherocyte", "stomatocyte"},
    {"teardrop", "schistocyte", "hypochromia", "ovalocyte"},
)


class Built(NamedTuple):
    """Rows of examples follow the rows of the label tables: none is excluded."""

    examples: dict[str, Examples]
    catalog: TaskCatalog
    labels: dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def built(public_data: Path) -> Built:
    specs = configured("imaging", size=16, features=(), workers=1)
    examples, catalog = tasks_of(specs, public_data)
    files = {"ham10000": "metadata.csv"}
    labels = {
        name: pd.read_csv(public_data / name / files.get(name, "labels.csv"), dtype=str) for name in specs
    }
    assert {key: len(table) for key, table in examples.items()} == {
        f"{name}/main": len(table) for name, table in labels.items()
    }
    return Built(examples, catalog, labels)


def sides(built: Built, problem: str) -> Iterator[tuple[int, pd.DataFrame]]:
    """Tasks with their pools, fold by fold."""
    merged = built.catalog.tasks.merge(built.catalog.pools, on=["problem", "fold", "task_id"])
    yield from merged[merged["problem"] == problem].groupby("fold")


def episodes(built: Built, source: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of the source in support and query of each stored episode."""
    keys = ["problem", "fold", "task_id"]
    pools = built.catalog.pools.set_index(keys)["rows"]
    for row in built.catalog.episodes.itertuples():
        if row.task_id.startswith(f"{source}/"):
            pool = np.asarray(pools[row.problem, row.fold, row.task_id])
            yield pool[row.support], pool[row.query]


def shown(built: Built, source: str, column: str, rows: Any) -> set[str]:
    return set(built.labels[source][column].iloc[rows])


def test_rotations_of_red_cells_share_neither_classes_nor_smears(built: Built) -> None:
    folds = dict(sides(built, "chula_rbc12_cell_class"))
    assert len(folds) == 3
    for fold, tasks in folds.items():
        split = {row.meta_split: row.rows for row in tasks.itertuples()}
        assert split.keys() == {"train", "validation", "test"}
        assert shown(built, "chula_rbc12", "label", split["test"]) == ROTATIONS[fold]
        assert len(shown(built, "chula_rbc12", "label", split["validation"])) == 3
        for one, other in combinations(split.values(), 2):
            for column in ("label", "smear_image"):
                assert not shown(built, "chula_rbc12", column, one) & shown(
                    built, "chula_rbc12", column, other
                )
        names = {row.meta_split: set(json.loads(row.classes)) for row in tasks.itertuples()}
        assert names["test"] == ROTATIONS[fold]
        assert set(tasks["ways"].dropna()) == {4}


def test_more_than_half_of_the_crops_is_lost_to_disjointness_and_told(built: Built) -> None:
    attrition = built.catalog.attrition.query("source == 'chula_rbc12'")
    lost = attrition[attrition["step"].str.contains("cell_class: lost to disjointness")]
    assert len(lost) == 3  # one line per rotation
    for (fold, tasks), line in zip(
        sides(built, "chula_rbc12_cell_class"), lost.sort_values("step").itertuples(), strict=True
    ):
        used = len(np.unique(np.concatenate([row.rows for row in tasks.itertuples()])))
        assert f"fold {fold}" in line.step
        assert (line.kept, line.lost) == (used, 2160 - used)
        assert line.lost > 2160 / 2


def test_elliptocytes_are_never_judged(built: Built) -> None:
    tasks = built.catalog.tasks.merge(built.catalog.pools, on=["problem", "fold", "task_id"])
    cells = tasks[tasks["source"] == "chula_rbc12"]
    seen = cells["rows"].map(lambda rows: "elliptocyte" in shown(built, "chula_rbc12", "label", rows))
    assert seen.any()
    assert set(cells["meta_split"][seen]) == {"train"}


def test_whole_collections_are_left_out_and_red_cells_always_train(built: Built) -> None:
    folds = {
        fold: tasks.set_index("source")["meta_split"].to_dict()
        for fold, tasks in sides(built, "image_collections")
    }
    assert len(folds) == 3
    tested = [next(name for name, side in split.items() if side == "test") for split in folds.values()]
    assert sorted(tested) == ["brain_tumor_mri", "ham10000", "mednist"]
    for split in folds.values():
        assert set(split) == {"chula_rbc12", "ham10000", "brain_tumor_mri", "mednist"}
        assert split["chula_rbc12"] == "train"
        assert sorted(split.values()) == ["test", "train", "train", "validation"]


def test_copies_of_a_brain_slice_never_face_each_other(built: Built, public_data: Path) -> None:
    files = public_data / "brain_tumor_mri" / built.labels["brain_tumor_mri"]["path"]
    digests = np.array([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    repeated = pd.Series(digests).duplicated(keep=False).to_numpy()
    assert repeated.sum() == 194
    met = 0
    for support, query in episodes(built, "brain_tumor_mri"):
        assert not set(digests[support]) & set(digests[query])
        met += repeated[support].sum() + repeated[query].sum()
    assert met > 0  # they are in the episodes, or this test would be empty


def test_pictures_of_one_lesion_never_face_each_other(built: Built) -> None:
    lesion = built.labels["ham10000"]["lesion_id"].to_numpy()
    several = pd.Series(lesion).duplicated(keep=False).to_numpy()
    found = list(episodes(built, "ham10000"))
    assert found
    assert any(several[query].any() for _, query in found)
    for support, query in found:
        assert not set(lesion[support]) & set(lesion[query])
        assert len(set(lesion[support])) == len(support)


def test_smears_never_face_each_other(built: Built) -> None:
    smear = built.labels["chula_rbc12"]["smear_image"].to_numpy()
    found = list(episodes(built, "chula_rbc12"))
    assert found
    assert not [1 for support, query in found if set(smear[support]) & set(smear[query])]


def test_the_audit_passed_without_a_waiver(built: Built) -> None:
    audit = built.catalog.audit
    assert set(audit["problem"]) == {"chula_rbc12_cell_class", "image_collections"}
    assert set(audit["protocol"]) == {"disjoint"}
    assert audit["overlaps"].sum() == 0
