from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from task_fabric import family, panel

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.tasks.agreement import check_agreement
from med_maml_pipeline.tasks.clusters import cluster_tasks
from med_maml_pipeline.tasks.families import find_candidates
from med_maml_pipeline.tasks.splits import plan_folds
from med_maml_pipeline.tasks.types import MetaSplit, TargetType

TRAIN, VALIDATION, TEST = MetaSplit


def plan(tables, specs, seed=0, can_validate=lambda task, fold: True):
    tasks = find_candidates({t.key: t for t in tables}, specs)
    check_agreement(tasks)
    clusters = cluster_tasks(tasks)
    plans = plan_folds(tasks, clusters, can_validate, seed)
    assert all(set(fold) == {t.task_id for t in tasks} for fold in plans)
    for fold in plans:
        for one in fold:
            assert {fold[other] for other in fold if clusters[other] == clusters[one]} == {fold[one]}
    return [{task_id.split("/", 3)[-1]: split for task_id, split in fold.items()} for fold in plans]


@settings(max_examples=60, deadline=None)
@given(n=st.integers(3, 40), variants=st.integers(1, 4), seed=st.integers(0, 99))
def test_random_split_never_parts_a_cluster_and_fills_every_meta_split(n, variants, seed):
    names = [f"assay{i // variants}_v{i}" for i in range(n * variants)]
    spec = family(cluster_pattern="^(.+)_v", split={"fractions": (0.5, 0.25, 0.25)})
    (fold,) = plan([panel(3, len(names), labels=names)], {"clinic": (spec,)}, seed)
    counts = Counter(fold.values())
    assert set(counts) == {TRAIN, VALIDATION, TEST}
    if n >= 8:
        assert abs(counts[TRAIN] / len(names) - 0.5) <= 1.01 / n
        assert abs(counts[TEST] / len(names) - 0.25) <= 1.01 / n


def test_random_split_follows_the_seed():
    tables, spec = [panel(3, 12)], {"clinic": (family(),)}
    assert plan(tables, spec, 1) == plan(tables, spec, 1)
    assert plan(tables, spec, 1) != plan(tables, spec, 2)


def test_two_clusters_are_training_and_test():
    (fold,) = plan([panel(3, 2)], {"clinic": (family(),)})
    assert sorted(fold.values()) == [TEST, TRAIN]


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 15), k=st.integers(2, 6), seed=st.integers(0, 99))
def test_rotation_tests_every_cluster_once(n, k, seed):
    folds = min(n, k)
    plans = plan([panel(3, n)], {"clinic": (family(split={"mode": "rotate", "folds": folds}),)}, seed)
    assert len(plans) == folds
    tested = [label for fold in plans for label, split in fold.items() if split == TEST]
    assert sorted(tested) == sorted(plans[0])
    for fold in plans:
        counts = Counter(fold.values())
        assert counts[TRAIN] >= 1
        assert counts[VALIDATION] >= (n - counts[TEST] > 1)
        assert counts[VALIDATION] <= counts[TEST]


def test_no_folds_leaves_one_cluster_out():
    spec = family(split={"mode": "rotate"}, clusters=(("label_0", "label_1"),))
    plans = plan([panel(3, 5)], {"clinic": (spec,)})
    assert len(plans) == 4
    assert sorted(Counter(fold.values())[TEST] for fold in plans) == [1, 1, 1, 2]


def test_validation_has_the_target_type_of_the_test_task():
    kinds = [TargetType.BINARY] * 3 + [TargetType.REGRESSION] * 2
    outcomes = panel(3, 5, types=kinds, labels=["b0", "b1", "b2", "r0", "r1"])
    for seed in range(5):
        for fold in plan([outcomes], {"clinic": (family(split={"mode": "rotate"}),)}, seed):
            by_split = {split: label for label, split in fold.items() if split != TRAIN}
            assert by_split[TEST][0] == by_split[VALIDATION][0]


def test_every_target_type_of_the_test_tasks_has_a_validation_task():
    kinds = [TargetType.BINARY] * 5 + [TargetType.REGRESSION] * 3
    outcomes = panel(3, 8, types=kinds, labels=[*(f"b{i}" for i in range(5)), *(f"r{i}" for i in range(3))])
    for seed in range(5):
        for fold in plan([outcomes], {"clinic": (family(split={"mode": "rotate", "folds": 3}),)}, seed):
            tested, validating = (
                {label[0] for label, split in fold.items() if split == side} for side in (TEST, VALIDATION)
            )
            left = {label[0] for label, split in fold.items() if split != TEST}
            assert validating == tested & left


def test_validation_tasks_must_fit_their_groups():
    def can_validate(task, fold):
        return task.label == "label_3"

    for fold in plan([panel(3, 5)], {"clinic": (family(split={"mode": "rotate"}),)}, 0, can_validate):
        chosen = [label for label, split in fold.items() if split == VALIDATION]
        assert chosen == ([] if fold["label_3"] == TEST else ["label_3"])


def test_fixed_and_named_tasks_stay_where_they_are_put():
    specs = {
        "clinic": (family(problem="p", split={"mode": "named", "train": ["label_0"], "test": ["label_1"]}),),
        "other": (family(problem="p", split={"mode": "fixed", "meta_split": "validation"}),),
    }
    (fold,) = plan([panel(3, 2), panel(3, 2, source="other", labels=["u", "v"])], specs)
    assert fold == {"label_0": TRAIN, "label_1": TEST, "u": VALIDATION, "v": VALIDATION}


def test_a_copy_of_a_test_task_follows_it_out_of_training():
    """The trap of ToxCast, which carries the Tox21 tasks."""
    names = [f"a{i}" for i in range(20)]
    specs = {
        "clinic": (family(problem="tox"),),
        "other": (family(problem="tox", split={"mode": "fixed", "meta_split": "test"}),),
    }
    tables = [panel(3, 20, labels=names), panel(3, 5, source="other", labels=names[:5])]
    for seed in range(5):
        (fold,) = plan(tables, specs, seed)
        assert {fold[name] for name in names[:5]} == {TEST}
        assert TRAIN in fold.values()


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ([{"split": {"mode": "fixed"}}], "needs 'meta_split'"),
        (
            [{"split": {"mode": "named", "train": ["label_0"], "test": ["label_7"]}}],
            r"unknown: \['label_7'\]",
        ),
        (
            [{"split": {"mode": "named", "train": ["label_0"], "test": ["label_0"]}}],
            "named in two meta-splits",
        ),
        ([{"split": {"mode": "named"}}], "needs labels"),
        ([{"split": {"mode": "rotate", "folds": 9}}], "9 folds were asked for and there are 4 clusters"),
        ([{"split": {"fractions": (0.5, 0.1, 0.1)}}], "'split.fractions' must add up to 1, not 0.7"),
        ([{"group_split": (0.9, 0.2, 0.1)}], "'group_split' must add up to 1, not 1.2"),
        ([{"group_split": (0.6, 0.2, 0.2)}, {}], "disagree on 'group_split'"),
        ([{"protocol": "published"}, {}], "disagree on 'protocol'"),
        ([{"shared_inputs": False}, {}], "disagree on 'shared_inputs'"),
        ([{"shared_meaning": True}, {}], "disagree on 'shared_meaning'"),
        ([{"split": {"mode": "rotate"}}, {}], "'random' and 'rotate' do not mix"),
    ],
)
def test_contradictions_are_said_before_anything_is_split(specs, message):
    families = tuple(family(problem="p", family=f"f{i}", **spec) for i, spec in enumerate(specs))
    with pytest.raises(ConfigurationError, match=message):
        plan([panel(3, 4)], {"clinic": families})
