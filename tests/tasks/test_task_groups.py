import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from task_fabric import family, panel

from med_maml_pipeline.tasks.families import find_candidates
from med_maml_pipeline.tasks.groups import GroupSplit
from med_maml_pipeline.tasks.types import MetaSplit

FRACTIONS = (0.6, 0.15, 0.25)


def dealt(tables, fold=0, seed=0, group_split=FRACTIONS):
    specs = {t.source: (family(problem="p", group_split=group_split),) for t in tables}
    tasks = find_candidates({t.key: t for t in tables}, specs)
    split = GroupSplit.of(tasks, seed)
    return {(t.task_id, side): split.rows(t, side, fold) for t in tasks for side in MetaSplit}


@settings(max_examples=40, deadline=None)
@given(n=st.integers(20, 200), n_groups=st.integers(10, 60), seed=st.integers(0, 9), fold=st.integers(0, 3))
def test_groups_never_part_across_tables_and_rows_are_not_lost(n, n_groups, seed, fold):
    rng = np.random.default_rng(seed)
    here = panel(n, 2, groups=rng.integers(n_groups, size=n), missing=0.3)
    there = panel(n, 1, source="other", groups=rng.integers(n_groups, size=n))
    rows = dealt([here, there], fold, seed)
    tables = {here.key: here, there.key: there}
    sides = {side: set() for side in MetaSplit}
    for (task_id, side), found in rows.items():
        sides[side] |= set(tables["/".join(task_id.split("/")[:2])].groups[found])
    assert not sides[MetaSplit.TRAIN] & sides[MetaSplit.TEST]
    assert not sides[MetaSplit.TRAIN] & sides[MetaSplit.VALIDATION]
    assert not sides[MetaSplit.VALIDATION] & sides[MetaSplit.TEST]
    kept = np.concatenate([rows["clinic/main/label/label_0", side] for side in MetaSplit])
    assert sorted(kept) == np.flatnonzero(~np.isnan(here.y[:, 0])).tolist()


def test_fractions_are_of_groups():
    rows = dealt([panel(400, 1, groups=np.repeat(np.arange(100), 4))])
    assert [len(rows["clinic/main/label/label_0", side]) for side in MetaSplit] == [240, 60, 100]


def test_folds_deal_anew_and_the_numbering_of_groups_does_not_matter():
    patients = panel(60, 1)
    shifted = dataclasses.replace(patients, groups=patients.groups + 1_000)
    key = ("clinic/main/label/label_0", MetaSplit.TEST)
    assert dealt([patients])[key].tolist() == dealt([shifted])[key].tolist()
    assert dealt([patients], fold=0)[key].tolist() != dealt([patients], fold=1)[key].tolist()
    assert dealt([patients], seed=0)[key].tolist() != dealt([patients], seed=1)[key].tolist()


def test_without_a_group_split_every_task_has_all_its_rows():
    rows = dealt([panel(10, 1)], group_split=None)
    assert all(len(found) == 10 for found in rows.values())
