import json

import numpy as np
import pandas as pd
import pytest
from task_fabric import cells, class_family, family, panel
from test_task_build import build
from test_task_splits import TEST, TRAIN, VALIDATION, plan

from med_maml_pipeline.errors import ConfigurationError, LeakageError
from med_maml_pipeline.tasks.agreement import check_agreement
from med_maml_pipeline.tasks.clusters import cluster_tasks
from med_maml_pipeline.tasks.families import find_candidates
from med_maml_pipeline.tasks.splits import plan_folds

ROTATIONS = [
    {"validation": ["label_0"], "test": ["label_1", "label_2"]},
    {"validation": ["label_2"], "test": ["label_3"]},
]


def rotating(**kwargs):
    rotations = kwargs.pop("rotations", ROTATIONS)
    return family(split={"mode": "named", "rotations": rotations}, **kwargs)


def tables_of(*sizes):
    """Data sets of one source, a table each, with these numbers of classes and groups of their own."""
    made = []
    for number, n_classes in enumerate(sizes):
        one = cells([20] * n_classes, name=f"set_{number}")
        object.__setattr__(one, "groups", one.groups + 1000 * number)
        made.append(one)
    return made


def test_each_rotation_is_a_fold_and_other_labels_train():
    assert plan([panel(3, 5)], {"clinic": (rotating(),)}) == [
        {"label_0": VALIDATION, "label_1": TEST, "label_2": TEST, "label_3": TRAIN, "label_4": TRAIN},
        {"label_0": TRAIN, "label_1": TRAIN, "label_2": VALIDATION, "label_3": TEST, "label_4": TRAIN},
    ]


def test_near_copies_of_a_rotating_label_follow_it():
    spec = rotating(rotations=[ROTATIONS[1]], clusters=(("label_3", "label_4"),))
    (fold,) = plan([panel(3, 5)], {"clinic": (spec,)})
    assert (fold["label_3"], fold["label_4"]) == (TEST, TEST)


def test_other_sources_are_pinned_or_rotate_as_often():
    other = panel(3, 4, source="other", labels=["label_3", "u", "v", "w"])
    tables = [panel(3, 5), other]
    for split in (
        {"mode": "fixed", "meta_split": "train"},
        {"mode": "named", "train": ["label_3", "u"], "test": ["v", "w"]},
    ):
        specs = {"clinic": (rotating(problem="p"),), "other": (family(problem="p", split=split),)}
        folds = plan_apart(tables, specs)
        assert [fold["other/main/label/u"] for fold in folds] == [TRAIN, TRAIN]
    specs = {
        "clinic": (rotating(problem="p"),),
        "other": (family(problem="p", split={"mode": "rotate", "folds": 2}),),
    }
    folds = plan_apart(tables, specs)
    assert [fold["other/main/label/label_3"] for fold in folds] == [TRAIN, TEST]  # its copy rotates
    tested = [sum(fold[f"other/main/label/{name}"] == TEST for fold in folds) for name in "uvw"]
    assert tested == [1, 1, 1]


def plan_apart(tables, specs):
    tasks = find_candidates({t.key: t for t in tables}, specs)
    check_agreement(tasks)
    return plan_folds(tasks, cluster_tasks(tasks), lambda task, fold: True, 0)


@pytest.mark.parametrize(
    "split",
    [
        {"mode": "random"},
        {"mode": "rotate"},
        {"mode": "rotate", "folds": 3},
        {"mode": "named", "rotations": [*ROTATIONS, ROTATIONS[0]]},
    ],
)
def test_sources_with_other_numbers_of_folds_are_refused(split):
    specs = {"clinic": (rotating(problem="p"),), "other": (family(problem="p", split=split),)}
    with pytest.raises(ConfigurationError, match="declare different numbers of folds"):
        plan_apart([panel(3, 5), panel(3, 5, source="other")], specs)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (
            {"mode": "named", "train": ["label_4"], "rotations": ROTATIONS},
            "'rotations' belong to split mode 'named' and take the place of its lists",
        ),
        ({"mode": "rotate", "rotations": ROTATIONS}, "'rotations' belong to split mode 'named'"),
        (
            {"mode": "named", "rotations": [{"validation": ["label_0"], "test": ["label_0"]}]},
            "named in two meta-splits",
        ),
        (
            {"mode": "named", "rotations": [{"validation": ["label_0"], "test": ["label_1", "label_1"]}]},
            "or twice in one",
        ),
        (
            {"mode": "named", "rotations": [{"validation": ["label_0"], "test": ["label_8"]}]},
            r"unknown: \['label_8'\]",
        ),
    ],
)
def test_contradictory_rotations_are_said(split, message):
    with pytest.raises(ConfigurationError, match=message):
        plan([panel(3, 5)], {"clinic": (family(split=split),)})


def test_rotating_classes_give_the_named_ones():
    rotations = [
        {"validation": ["cell_0", "cell_1"], "test": ["cell_2", "cell_3"]},
        {"validation": ["cell_2", "cell_3"], "test": ["cell_4", "cell_5", "cell_0"]},
    ]
    split = {"mode": "named", "rotations": rotations}
    catalog = build([cells([20] * 8)], (class_family(split=split, support={"ways": 2}),))
    for fold, rotation in enumerate(rotations):
        tasks = catalog.tasks[catalog.tasks["fold"] == fold].set_index("meta_split")
        for side in ("validation", "test"):
            assert json.loads(tasks.loc[side, "classes"]) == sorted(rotation[side])
        listed = {*rotation["validation"], *rotation["test"]}
        train = set(json.loads(tasks.loc["train", "classes"]))
        assert train == {f"cell_{i}" for i in range(8)} - listed
    assert set(catalog.audit["verdict"]) == {"pass"}


def test_whole_data_sets_rotate_beside_a_pinned_one():
    """Each free table is tested once, another one validates, the rest and the pinned source train."""
    pinned = cells([20] * 12, source="pinned", groups=np.arange(100_000, 100_240))
    specs = {
        "clinic": (
            family(kind="table", family="whole", problem="p", split={"mode": "rotate"}, support={"ways": 5}),
        ),
        "pinned": (
            family(
                kind="table",
                family="whole",
                problem="p",
                split={"mode": "fixed", "meta_split": "train"},
                support={"ways": 5},
            ),
        ),
    }
    for sizes in ((7, 4, 3, 6, 9), (7, 4)):
        catalog = build([*tables_of(*sizes), pinned], specs)
        free = catalog.tasks[catalog.tasks["source"] == "clinic"]
        tested = free[free["meta_split"] == "test"]
        assert sorted(tested["label"]) == [f"set_{i}" for i in range(len(sizes))]
        assert tested["fold"].is_unique
        for _, fold in catalog.tasks.groupby("fold"):
            counts = fold["meta_split"].value_counts()
            assert (counts["test"], counts["validation"]) == (1, 1)
            assert fold.set_index("source").loc["pinned", "meta_split"] == "train"
        expected = {f"set_{i}": n for i, n in enumerate(sizes)}
        for row in free.itertuples():
            assert row.n_classes == expected[row.label]
            assert pd.isna(row.ways) if row.n_classes <= 5 else row.ways == 5
        for episode in catalog.episodes.itertuples():
            task = free[(free["task_id"] == episode.task_id)].iloc[0]
            assert len(episode.support) == 2 * min(5, task["n_classes"])


def test_data_sets_are_split_by_name_with_their_near_copies():
    tables = tables_of(3, 3, 2, 4, 3, 2)
    split = {
        "mode": "named",
        "train": ["set_0", "set_1", "set_2"],
        "validation": ["set_3"],
        "test": ["set_4"],
    }
    spec = {"kind": "table", "family": "sets", "shared_inputs": False, "clusters": (("set_0", "set_1"),)}
    catalog = build(tables, (family(**spec, split=split),))
    sides = dict(zip(catalog.tasks["label"], catalog.tasks["meta_split"], strict=True))
    assert sides == {
        "set_0": "train",
        "set_1": "train",
        "set_2": "train",
        "set_3": "validation",
        "set_4": "test",
    }
    left = catalog.attrition[catalog.attrition["step"].str.contains("not named")]
    assert (left["table"].item(), left["lost"].item()) == ("set_5", 1)
    parted = family(**{**spec, "clusters": (("set_0", "set_4"),)}, split=split)
    with pytest.raises(LeakageError, match="train and test tasks share 1 clusters"):
        build(tables, (parted,))


def test_near_copies_of_data_sets_rotate_together():
    tables = tables_of(3, 3, 2, 4)
    spec = family(kind="table", family="sets", clusters=(("set_0", "set_1"),), split={"mode": "rotate"})
    catalog = build(tables, (spec,))
    for _, fold in catalog.tasks.groupby("fold"):
        assert fold[fold["label"].isin(["set_0", "set_1"])]["meta_split"].nunique() == 1
    assert np.unique(catalog.tasks["fold"]).tolist() == [0, 1, 2]
