import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from task_fabric import cells, class_family, family, panel, table
from test_task_build import build, same

from med_maml_pipeline.errors import ConfigurationError, InfeasibleTaskError, LeakageError
from med_maml_pipeline.tasks.candidate import joined_label
from med_maml_pipeline.tasks.problems import load_problems
from med_maml_pipeline.tasks.types import MetaSplit, TargetType

GROUPS = (0.5, 0.2, 0.3)
NAMED = {
    "mode": "named",
    "train": ["cell_0", "cell_1", "cell_2"],
    "validation": ["cell_3", "cell_5"],
    "test": ["cell_4", "cell_6"],
}


def smears(n_classes=9, n_rows=360, n_smears=120, seed=0):
    """Cells of several classes on one smear, as in blood films."""
    rng = np.random.default_rng(seed)
    return cells([n_rows // n_classes] * n_classes, groups=rng.integers(n_smears, size=n_rows))


def members(catalog, split=None):
    """Class names by fold and meta-split, from the task table."""
    tasks = catalog.tasks if split is None else catalog.tasks[catalog.tasks["meta_split"] == split]
    return {(row.fold, row.meta_split): set(json.loads(row.classes)) for row in tasks.itertuples()}


def test_the_classes_of_a_meta_split_are_one_task_with_numbers_from_zero():
    examples = cells([10] * 8)
    catalog = build([examples], (class_family(split=NAMED, support={"ways": 2}),))
    test, train, validation = catalog.tasks.sort_values("meta_split").to_dict("records")
    assert test["task_id"] == "clinic/main/cells/cell_4+cell_6"
    assert json.loads(test["classes"]) == ["cell_4", "cell_6"]
    assert (test["target_type"], test["n_classes"], train["n_classes"]) == ("multiclass", 2, 3)
    assert train["ways"] == 2
    assert pd.isna(validation["ways"])
    for task in (test, train, validation):
        pool = catalog.pools.set_index("task_id").loc[task["task_id"]]
        numbers = [int(name.removeprefix("cell_")) for name in json.loads(task["classes"])]
        np.testing.assert_array_equal(np.array(numbers)[pool["y"].astype(int)], examples.y[pool["rows"], 0])
    assert str(catalog.tasks["ways"].dtype) == "Int64"


def test_other_kinds_name_no_classes():
    catalog = build([panel(200, 8)], (family(group_split=GROUPS),))
    assert set(catalog.tasks["classes"]) == {"[]"}
    assert catalog.tasks["ways"].isna().all()


def test_long_names_are_cut_and_still_tell_tasks_apart():
    names = [f"class number {i}" for i in range(9)]
    assert joined_label(["a", "b"]) == "a+b"
    assert joined_label([names[0] * 9]) == names[0] * 9
    assert joined_label(names).startswith("class number 0+8 more (")
    assert len({joined_label(names), joined_label(names[:-1]), joined_label([*names[:-1], "x"])}) == 3


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 99),
    n_classes=st.integers(6, 12),
    ways=st.sampled_from([None, 2, 3, 5]),
    mode=st.sampled_from(
        [{"mode": "random"}, {"mode": "rotate", "folds": 2}, {"mode": "rotate", "folds": 3}]
    ),
)
def test_meta_splits_and_episodes_share_neither_classes_nor_smears(seed, n_classes, ways, mode):
    """By plain sets over the stored tables and the source's own labels, apart from the audit's code."""
    examples = smears(n_classes, 60 * n_classes, 50 * n_classes, seed)
    spec = class_family(
        split=mode,
        group_split=GROUPS,
        clusters=(("cell_0", "cell_1"),),
        support={"ways": ways, "sizes": (1, 2)},
    )
    catalog = build([examples], (spec,), seed)
    pools = {(row.fold, row.task_id): np.asarray(row.rows) for row in catalog.pools.itertuples()}
    for fold, tasks in catalog.tasks.groupby("fold"):
        shown = {
            task.meta_split: set(examples.y[pools[fold, task.task_id], 0]) for task in tasks.itertuples()
        }
        used = {
            task.meta_split: set(examples.groups[pools[fold, task.task_id]]) for task in tasks.itertuples()
        }
        assert {"train", "test"} <= set(shown)
        for sets in (shown, used):
            assert sum(map(len, sets.values())) == len(set().union(*sets.values()))
        assert sum(bool({0, 1} & one) for one in shown.values()) == 1  # near-copies do not part
        assert all(len(one) >= 2 for one in shown.values())
    facts = catalog.tasks.set_index(["fold", "task_id"])
    for episode in catalog.episodes.itertuples():
        rows, task = pools[episode.fold, episode.task_id], facts.loc[(episode.fold, episode.task_id)]
        support, query = rows[episode.support], rows[episode.query]
        drawn = set(examples.y[support, 0])
        assert len(drawn) == min(ways or n_classes, task["n_classes"])
        assert set(examples.y[query, 0]) == drawn
        assert not set(examples.groups[support]) & set(examples.groups[query])
    assert "train and test tasks: classes" in set(catalog.audit["check"])
    assert set(catalog.audit["verdict"]) == {"pass"}


def test_rotating_classes_are_each_tested_once_and_validated_in_twos():
    catalog = build([smears()], (class_family(split={"mode": "rotate", "folds": 3}, group_split=GROUPS),))
    tested = [name for (_, split), names in members(catalog).items() if split == "test" for name in names]
    assert sorted(tested) == [f"cell_{i}" for i in range(9)]
    assert {len(names) for names in members(catalog, "validation").values()} == {2}
    assert catalog.tasks[catalog.tasks["meta_split"] == "test"]["task_id"].is_unique


def test_few_random_classes_give_two_to_the_test_and_none_to_validation():
    for n, expected in ((4, {"train": 2, "test": 2}), (6, {"train": 2, "validation": 2, "test": 2})):
        catalog = build([cells([20] * n)], (class_family(group_split=GROUPS),))
        assert {split: len(names) for (_, split), names in members(catalog).items()} == expected


def test_a_rotation_that_tests_one_class_alone_is_refused():
    with pytest.raises(
        ConfigurationError, match="5 folds of 5 classes leave one class.*'folds' to 2 or less"
    ):
        build([cells([20] * 5)], (class_family(split={"mode": "rotate"}, group_split=GROUPS),))


def test_patterns_choose_among_classes():
    spec = class_family(include=("cell_*",), exclude=("cell_0", "cell_[78]"), group_split=GROUPS)
    catalog = build([smears()], (spec,))
    assert set().union(*members(catalog).values()) == {f"cell_{i}" for i in range(1, 7)}


def test_classes_of_an_equal_name_in_another_source_follow_the_named_ones():
    other = cells([20] * 6, source="other", names=["cell_4", "cell_6", "u", "v", "w", "x"])
    specs = {
        "clinic": (class_family(problem="p", split=NAMED),),
        "other": (
            class_family(problem="p", split={"mode": "fixed", "meta_split": "train"}, include=("[u-x]",)),
        ),
    }
    catalog = build([cells([20] * 8), _moved(other)], specs)
    train = catalog.tasks[(catalog.tasks["source"] == "other")]
    assert json.loads(train["classes"].item()) == ["u", "v", "w", "x"]
    clash = (class_family(problem="p", split={"mode": "fixed", "meta_split": "train"}),)
    with pytest.raises(LeakageError, match="train and test tasks share 2 clusters"):
        build([cells([20] * 8), _moved(other)], {**specs, "other": clash})
    free = (class_family(problem="p", split={"mode": "random"}),)
    catalog = build([cells([20] * 8), _moved(other)], {**specs, "other": free})
    followed = catalog.tasks[(catalog.tasks["source"] == "other") & (catalog.tasks["meta_split"] == "test")]
    assert {"cell_4", "cell_6"} <= set(json.loads(followed["classes"].item()))


def _moved(examples):
    object.__setattr__(examples, "groups", examples.groups + 10_000)
    return examples


def test_a_family_over_whole_tables_cannot_train_on_test_classes():
    whole = family(
        problem="p",
        family="whole",
        kind="table",
        target="cell",
        split={"mode": "fixed", "meta_split": "train"},
    )
    named = class_family(problem="p", split={"mode": "fixed", "meta_split": "test"}, protocol="published")
    waived = whole.model_copy(update={"protocol": "published"})
    with pytest.raises(LeakageError, match="train and test tasks share 4 classes; each class belongs"):
        build([cells([20] * 4)], (waived, named))


def test_a_class_that_the_configuration_names_must_serve_the_support():
    examples = cells([20, 20, 20, 20, 3, 20, 20])
    split = {"mode": "named", "train": ["cell_0", "cell_1"], "test": ["cell_3", "cell_4"]}
    with pytest.raises(InfeasibleTaskError) as caught:
        build([examples], (class_family(split=split, support={"sizes": (1, 5), "min_per_class": 2}),))
    assert str(caught.value) == (
        "source 'clinic', task family 'cells': fewer groups than the support asks for: the class, 'cell_4', "
        "has 3 groups and needs 7; lower 'support.sizes', 'support.min_per_class' or 'min_examples', or "
        "leave it out."
    )
    listed = class_family(include=tuple(f"cell_{i}" for i in range(7)), support={"sizes": (5,)})
    with pytest.raises(InfeasibleTaskError, match="'cell_4', has 3 groups and needs 6"):
        build([examples], (listed,))


def test_a_named_class_that_shares_its_smears_is_short_in_its_meta_split():
    """Twelve groups of each class before the split; too few once they are dealt and each serves one."""
    groups = np.tile(np.arange(12), 8)
    spec = class_family(split=NAMED, group_split=(0.4, 0.3, 0.3), support={"sizes": (4,)})
    with pytest.raises(InfeasibleTaskError, match=r"'cell_\d', has \d groups in its meta-split and needs 5"):
        build([cells([12] * 8, groups=groups)], (spec,))


def test_other_rare_classes_are_left_out_counted_and_never_named():
    examples = cells([40] * 6 + [2])
    catalog = build([examples], (class_family(group_split=GROUPS),))
    assert "cell_6" not in set().union(*members(catalog).values())
    steps = catalog.attrition.set_index("step")[["kept", "lost"]]
    assert steps.loc["cells: too small (classes)"].tolist() == [6, 1]
    with pytest.raises(InfeasibleTaskError) as caught:
        build([cells([3] * 6)], (class_family(support={"sizes": (5,)}),))
    assert "cell_" not in str(caught.value)
    assert "the closest class of the family has 3 groups and needs 6" in str(caught.value)


def test_every_crop_is_accounted_for():
    """Kept in tasks, lost to disjoint smears or left out with a rare class: nothing else, in each fold."""
    examples = smears(9, 720, 240)
    spec = class_family(split={"mode": "rotate", "folds": 3}, group_split=GROUPS, support={"sizes": (10,)})
    catalog = build([examples], (spec,))
    rows = catalog.attrition
    without = rows[rows["step"].str.startswith("cells: of classes without a task")]["lost"].sum()
    lost = rows[rows["step"].str.startswith("cells: lost to disjointness (examples)")]
    assert lost["kept"].sum() + lost["lost"].sum() + without == 3 * 720
    assert without > 0
    assert (lost["lost"] > lost["kept"]).all()  # more than half
    per_fold = catalog.tasks.groupby("fold")[["n_examples", "lost_examples"]].sum()
    assert sorted(per_fold["lost_examples"]) == sorted(lost["lost"])
    rare = rows[rows["step"].str.startswith("cells: rare classes (examples)")]["lost"].sum()
    assert per_fold["n_examples"].sum() + rare == lost["kept"].sum()


def test_a_meta_split_with_one_usable_class_makes_no_task():
    examples = cells([40] * 4 + [2])
    split = {
        "mode": "named",
        "rotations": [{"validation": ["cell_0", "cell_1"], "test": ["cell_2", "cell_3"]}],
    }
    with pytest.raises(ConfigurationError, match="no fold with both training and test tasks"):
        build([examples], (class_family(split=split),))
    two_tables = [
        cells([40] * 6, name="a"),
        _moved(cells([40, 40, 40], name="b", names=["cell_0", "y", "z"])),
    ]
    catalog = build(two_tables, (class_family(include=("*",), split={"mode": "random"}),), seed=3)
    counted = catalog.attrition[catalog.attrition["step"].str.contains("too small in the groups")]
    assert counted["lost"].sum() > 0
    assert all(len(json.loads(classes)) >= 2 for classes in catalog.tasks["classes"])


@pytest.mark.parametrize(
    ("examples", "spec", "message"),
    [
        (panel(9, 1), class_family(target=None), "'label_0' of table 'main' is binary with 0 names"),
        (
            table([[0], [1], [2]], types=[TargetType.MULTICLASS]),
            class_family(target=None),
            "is multiclass with 0 names",
        ),
        (panel(9, 2), class_family(target=None), "table 'main' has 2 targets"),
        (panel(9, 2), class_family(), "no table has the target 'cell'"),
        (cells([9] * 4), class_family(include=("x*",)), "leave none of its 4 labels"),
        (cells([9] * 4), class_family(clusters=(("cell_0", "y"),)), r"do not exist: \['y'\]"),
        (
            cells([9] * 4),
            class_family(support={"ways": 2, "rule": "natural"}),
            "'ways' needs supports that show every class",
        ),
        (
            cells([9] * 5),
            class_family(split={"mode": "named", "train": ["cell_0", "cell_1"], "test": ["cell_2"]}),
            "a list names one class alone",
        ),
    ],
)
def test_contradictions_are_said(examples, spec, message):
    with pytest.raises(ConfigurationError, match=message):
        build([examples], (spec,))


def test_classes_depend_on_data_and_seed_alone():
    spec = class_family(split={"mode": "rotate", "folds": 3}, group_split=GROUPS, support={"ways": 2})
    here, there = smears(), _moved(smears(seed=4))
    alone = build([here], {"clinic": (spec,)})
    same(alone, build([here], {"clinic": (spec,)}))
    object.__setattr__(there, "source", "other")
    beside = build([there, here], {"other": (spec,), "clinic": (spec,)})
    for name in ("tasks", "pools", "episodes", "audit"):
        frame = getattr(beside, name)
        mine = frame[frame["problem"] == "clinic_cells"].reset_index(drop=True)
        assert mine.map(str).equals(getattr(alone, name).map(str))
    assert not build([here], {"clinic": (spec,)}, seed=1).episodes.map(str).equals(alone.episodes.map(str))


def test_problems_come_back_from_parquet_with_their_ways(tmp_path):
    examples = smears()
    catalog = build([examples], (class_family(group_split=GROUPS, support={"ways": 2}),))
    catalog.tasks.to_parquet(tmp_path / "tasks.parquet")
    stored = pd.read_parquet(tmp_path / "tasks.parquet")
    (problem,) = load_problems({examples.key: examples}, stored, catalog.pools, catalog.episodes)
    (train,) = problem.split(MetaSplit.TRAIN)
    assert (train.ways, train.n_way, train.target_type) == (2, 2, TargetType.MULTICLASS)
    assert train.n_classes > 2
