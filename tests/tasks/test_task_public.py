"""The traps of the public data that this room must not step into: shared molecules, shared stays."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from task_fabric import table

from med_maml_pipeline.errors import LeakageError
from med_maml_pipeline.sources.spec import TaskFamilySpec
from med_maml_pipeline.tasks.build import build_tasks
from med_maml_pipeline.tasks.types import TargetType

pytestmark = pytest.mark.public
OUTCOMES = ("mortality24", "aki", "sepsis", "los", "kidney_function")


@pytest.fixture(scope="module")
def molecules(public_data):
    """Assays of ToxCast (one in six) and Tox21; a molecule is its SMILES string."""
    numbers: dict[str, int] = {}
    tables = {}
    for name in ("toxcast", "tox21"):
        frame = pd.read_csv(public_data / "molecules" / f"{name}.csv.gz").drop_duplicates("smiles")
        labels = [c for c in frame if c not in ("smiles", "mol_id") and not c.startswith("TOX21_")]
        labels = labels[::6] if name == "toxcast" else labels
        groups = [numbers.setdefault(smiles, len(numbers)) for smiles in frame["smiles"]]
        tables[f"{name}/main"] = table(frame[labels].to_numpy(), source=name, labels=labels, groups=groups)
    return tables


def families(group_split):
    shared = {"family": "assay", "kind": "target", "problem": "toxicity", "group_split": group_split}
    support = {"sizes": (10,), "draws": 1}
    fixed = {"mode": "fixed", "meta_split": "test"}
    return {
        "toxcast": (TaskFamilySpec.model_validate({**shared, "support": support}),),
        "tox21": (TaskFamilySpec.model_validate({**shared, "support": support, "split": fixed}),),
    }


def test_molecules_that_tox21_is_judged_on_never_train(molecules):
    catalog = build_tasks(molecules, families((0.6, 0.15, 0.25)), 0)
    merged = catalog.tasks.merge(catalog.pools, on=["problem", "fold", "task_id"])
    used: dict[str, set[int]] = {"train": set(), "validation": set(), "test": set()}
    for row in merged.itertuples():
        used[row.meta_split] |= set(molecules[row.examples].groups[row.rows])
    assert not used["train"] & used["test"]
    assert not used["validation"] & used["test"]
    judged = catalog.tasks[catalog.tasks["source"] == "tox21"]
    assert len(judged) == 12
    assert (judged["lost_examples"] > 3_000).all()


def test_assays_over_the_same_molecules_stop_a_run_without_a_group_split(molecules):
    with pytest.raises(LeakageError, match=r"share \d{4} groups; set 'group_split'"):
        build_tasks(molecules, families(None), 0)


@pytest.fixture(scope="module")
def stays(public_data):
    """One label per stay and outcome: the largest of its hourly labels."""
    numbers: dict[int, int] = {}
    tables = {}
    for outcome in OUTCOMES:
        frame = pd.read_parquet(public_data / "icu_demo_yaib" / outcome / "eicu_demo" / "outc.parquet")
        labels = frame.dropna(subset=["label"]).groupby("stay_id")["label"].max()
        numeric = labels.nunique() > 2
        made = table(
            labels.to_numpy(dtype=np.float32)[:, None],
            source="icu",
            name=outcome,
            labels=[outcome],
            types=[TargetType.REGRESSION if numeric else TargetType.BINARY],
            groups=[numbers.setdefault(stay, len(numbers)) for stay in labels.index],
        )
        tables[made.key] = made
    return tables


def outcome_family(group_split):
    return TaskFamilySpec.model_validate(
        {
            "family": "outcome",
            "kind": "target",
            "split": {"mode": "rotate"},
            "group_split": group_split,
            "support": {"sizes": (5,)},
        }
    )


def test_one_stay_never_serves_two_meta_splits_of_a_fold(stays):
    catalog = build_tasks(stays, {"icu": (outcome_family((0.5, 0.25, 0.25)),)}, 0)
    pools = {(row.fold, row.task_id): row.rows for row in catalog.pools.itertuples()}
    for fold, tasks in catalog.tasks.groupby("fold"):
        sides = [
            {
                stay
                for row in part.itertuples()
                for stay in stays[row.examples].groups[pools[fold, row.task_id]]
            }
            for _, part in tasks.groupby("meta_split")
        ]
        assert len(sides) == 3
        assert sum(map(len, sides)) == len(set.union(*sides))


def test_stays_under_several_outcomes_stop_a_run_without_a_group_split(stays):
    with pytest.raises(LeakageError, match=r"share \d+ groups"):
        build_tasks(stays, {"icu": (outcome_family(None),)}, 0)
