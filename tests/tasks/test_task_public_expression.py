"""The meta-split of the public expression studies, built from the real files as configured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from public_tasks import configured, tasks_of

from med_maml_pipeline.tasks.build import TaskCatalog
from med_maml_pipeline.tasks.types import Examples

pytestmark = pytest.mark.public
SPLIT = {
    "train": {"alon", "borovecki", "chowdary", "christensen", "gravier", "sorlie", "su", "west"},
    "validation": {"nci9", "singh", "subramanian"},
    "test": {"glioma", "golub", "gordon", "lung_small", "lymphoma", "pomeroy", "shipp", "tox_171"},
}


@pytest.fixture(scope="module")
def built(public_data: Path) -> tuple[dict[str, Examples], TaskCatalog]:
    return tasks_of(configured("expression"), public_data)


def test_every_study_is_on_one_side(built: tuple[dict[str, Examples], TaskCatalog]) -> None:
    _, catalog = built
    found = catalog.tasks.groupby("meta_split")["label"].agg(set).to_dict()
    assert found == SPLIT
    assert catalog.tasks["label"].is_unique
    assert set(catalog.tasks["problem"]) == {"expression_studies"}
    assert not catalog.tasks["shared_inputs"].any()


def test_the_sets_of_the_same_cell_lines_are_in_one_meta_split(
    built: tuple[dict[str, Examples], TaskCatalog], public_data: Path
) -> None:
    _, catalog = built
    side = catalog.tasks.set_index("label")["meta_split"]
    assert side["nci9"] == side["subramanian"] != side["tox_171"]
    first = [
        pd.read_csv(public_data / "gene_expression" / f"{name}.csv.gz", nrows=0)
        for name in ("borovecki", "chowdary")
    ]
    genes = [set(frame.columns) for frame in first]
    assert len(genes[0] & genes[1]) > 500  # one chip: why these two are a cluster as well
    assert side["borovecki"] == side["chowdary"]


def test_many_classes_are_judged_too(built: tuple[dict[str, Examples], TaskCatalog]) -> None:
    _, catalog = built
    classes = catalog.tasks.query("meta_split == 'test'").set_index("label")["n_classes"]
    assert classes[classes > 2].to_dict() == {"glioma": 4, "lung_small": 5, "lymphoma": 6, "tox_171": 4}
    judged = catalog.episodes.query("meta_split == 'test'")
    sizes = judged.groupby("task_id")["support_size"].agg(set).map(sorted).tolist()
    assert all(found in ([1, 2, 5], [1, 2, 5, 10]) for found in sizes)
    assert [1, 2, 5, 10] in sizes


def test_samples_of_small_classes_are_counted_out(built: tuple[dict[str, Examples], TaskCatalog]) -> None:
    _, catalog = built
    rare = catalog.attrition[catalog.attrition["step"].str.contains("rare class")]
    assert rare[rare["lost"] > 0].set_index("table")["lost"].to_dict() == {
        "lymphoma": 8,
        "lung_small": 10,
        "nci9": 7,
    }


def test_alike_samples_never_face_each_other(built: tuple[dict[str, Examples], TaskCatalog]) -> None:
    examples, catalog = built
    pools = catalog.pools.set_index("task_id")["rows"]
    table_of = catalog.tasks.set_index("task_id")["examples"]
    for row in catalog.episodes.itertuples():
        pool, x = np.asarray(pools[row.task_id]), examples[table_of[row.task_id]].inputs.x
        support, query = ({x[at].tobytes() for at in pool[side]} for side in (row.support, row.query))
        assert not support & query
