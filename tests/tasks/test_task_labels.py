"""Families of kind ``labels``: several binary targets as one multilabel task, with labels missing."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from task_fabric import family, panel, table
from test_task_build import build, same

from med_maml_pipeline.errors import ConfigurationError, InfeasibleTaskError, LeakageError
from med_maml_pipeline.sources.spec import SupportRule
from med_maml_pipeline.tasks.audit import audit_problem
from med_maml_pipeline.tasks.label_episodes import LabelIndex
from med_maml_pipeline.tasks.label_tasks import class_groups
from med_maml_pipeline.tasks.problems import load_problems
from med_maml_pipeline.tasks.types import MetaSplit, TargetType

GROUPS = (0.5, 0.2, 0.3)


def panels(*sizes, first=0):
    """Panels ``p0``, ``p1``, … of so many labels each, in the order of the columns."""
    starts = np.cumsum([first, *sizes])
    return [
        {"name": f"p{i}", "labels": [f"label_{column}" for column in range(start, start + size)]}
        for i, (start, size) in enumerate(zip(starts, sizes, strict=False))
    ]


def label_family(**kwargs):
    given_panels = kwargs.pop("panels", panels(3, 3, 3, 3))
    return family(
        **{"family": "effects", "kind": "labels", "panels": given_panels, "group_split": GROUPS, **kwargs}
    )


def examples(n=400, t=12, **kwargs):
    return panel(n, t, missing=0.2, **kwargs)


def test_a_panel_is_one_task_whose_labels_may_be_missing():
    data = examples()
    catalog = build([data], (label_family(support={"draws": 3}),))
    (problem,) = load_problems({data.key: data}, catalog.tasks, catalog.pools, catalog.episodes)
    assert {task.task_id for task in problem.tasks} == {f"clinic/main/effects/p{i}" for i in range(4)}
    assert {task.meta_split for task in problem.tasks} == set(MetaSplit)
    for row, task in zip(catalog.tasks.itertuples(), problem.tasks, strict=True):
        assert (task.target_type, task.n_classes, task.n_way) == (TargetType.MULTILABEL, 3, 3)
        columns = [int(name.removeprefix("label_")) for name in json.loads(row.classes)]
        assert columns == list(range(3 * int(row.label[1]), 3 * int(row.label[1]) + 3))
        np.testing.assert_array_equal(task.y, data.y[task.rows][:, columns])
        assert np.isnan(task.y).any()
        assert not np.isnan(task.y).all(axis=1).any()
        assert json.loads(row.class_counts) == {
            str(label): int(n) for label, n in enumerate(np.nansum(task.y, axis=0))
        }
    assert pd.isna(catalog.tasks["ways"]).all()
    support, query = problem.draw(problem.episodes[0])
    assert support.y.shape == (len(support.x), 3)
    assert query.y.shape == (len(query.x), 3)


def test_without_panels_all_binary_targets_of_each_table_are_one_task():
    types = [TargetType.BINARY, TargetType.REGRESSION, TargetType.BINARY]
    tables = [
        table(
            np.random.default_rng(i).integers(0, 2, (60, 3)),
            source=f"site{i}", types=types, labels=[f"{c}{i}" for c in "abc"], groups=np.arange(60) + 100 * i,
        )
        for i in range(3)
    ]  # fmt: skip
    whole = (label_family(panels=[], group_split=None, problem="all"),)
    catalog = build(tables, {data.source: whole for data in tables})
    found = {row.label: json.loads(row.classes) for row in catalog.tasks.itertuples()}
    assert found == {f"site{i}": [f"a{i}", f"c{i}"] for i in range(3)}


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 99),
    rule=st.sampled_from(["balanced", "natural"]),
    size=st.sampled_from([3, 12]),
    prevalence=st.sampled_from([0.2, 0.4]),
)
def test_episodes_show_both_classes_of_each_label_and_share_no_group(seed, rule, size, prevalence):
    """By plain counts over the stored tables."""
    rng = np.random.default_rng(seed)
    data = panel(900, 12, seed=seed, missing=0.3, prevalence=prevalence, groups=rng.integers(600, size=900))
    support = {"rule": rule, "sizes": (size if rule == "natural" else 3,), "draws": 2, "max_query": 60}
    patterns = [
        {"name": f"p{i}", "labels": [f"label_{c}" for c in range(3 * i, 3 * i + 3)]} for i in range(4)
    ]
    catalog = build([data], (label_family(support=support, panels=patterns),))
    (problem,) = load_problems({data.key: data}, catalog.tasks, catalog.pools, catalog.episodes)
    assert len(problem.episodes) >= 4
    for episode in problem.episodes:
        task = problem.task(episode.task_id)
        drawn, asked = task.y[episode.support], task.y[episode.query]
        assert not set(task.groups[episode.support]) & set(task.groups[episode.query])
        assert len(set(task.groups[episode.support])) == len(episode.support)
        assert len(episode.query) == min(60, int((~np.isin(task.groups, task.groups[episode.support])).sum()))
        for label in range(task.n_classes):
            assert {0.0, 1.0} <= set(asked[:, label])
            for value in (0, 1):
                shown = (drawn[:, label] == value).sum()
                if rule == "balanced":
                    assert shown >= 3
                    assert (episode.n_shot, episode.support_size) == (3, 3)
                elif size == 12 or prevalence == 0.4:
                    assert shown >= 1
        if rule == "natural":
            assert episode.n_shot is None
            assert episode.support_size == len(drawn) == size


def test_a_balanced_support_counts_a_row_for_every_label():
    """Where each row shows one class of all labels, two rows per class serve any number of labels."""
    y = np.repeat([[0.0] * 5, [1.0] * 5], 20, axis=0)
    index = LabelIndex.of(y.astype(np.float32), np.arange(40))
    support = index.support(SupportRule(), 2, np.random.default_rng(0))
    assert np.bincount(y[support, 0].astype(int)).tolist() == [2, 2]


def test_a_balanced_support_leaves_the_query_a_row_of_each_class():
    """Rows 0 and 1 alone show label 1 positive; both show label 0 positive too, as ten others do."""
    y = np.zeros((40, 2), dtype=np.float32)
    y[:12, 0], y[:2, 1] = 1, 1
    index = LabelIndex.of(y, np.arange(40))
    for seed in range(20):
        support = index.support(SupportRule(), 1, np.random.default_rng(seed))
        left = np.delete(y, support, axis=0)
        assert (y[support].sum(axis=0) >= 1).all()
        assert (left.sum(axis=0) >= 1).all()


def test_a_natural_support_takes_labels_that_a_thousand_draws_miss():
    y = np.zeros((5_000, 2), dtype=np.float32)
    y[:2, 0], y[2:2_500, 1] = 1, 1
    index = LabelIndex.of(y, np.arange(5_000))
    support = index.support(SupportRule(rule="natural"), 6, np.random.default_rng(0))
    assert len(support) == 6
    assert y[support].sum(axis=0).min() >= 1
    assert np.delete(y, support, axis=0).sum(axis=0).min() >= 1
    query = index.query(support, 10, np.random.default_rng(0))
    assert len(query) == 10
    assert y[query].sum(axis=0).min() >= 1


def test_groups_that_show_both_classes_of_a_label_count_for_one():
    y = np.array([[0], [1], [1], [np.nan]], dtype=np.float32)
    assert class_groups(y, np.array([0, 0, 1, 2])).tolist() == [[1, 1]]


def test_rare_labels_leave_and_are_counted():
    y = examples().y.copy()
    y[:, 2] = 0
    data = table(y)
    found = [
        {"name": p["name"], "labels": [f"{label}*" for label in p["labels"]]}
        for p in panels(3, 2, 2, 2, first=0)
    ]
    found[0]["labels"] = ["label_[012]"]
    catalog = build([data], (label_family(panels=found),))
    kept = catalog.tasks.set_index("label")["classes"].map(json.loads)
    assert kept["p0"] == ["label_0", "label_1"]
    lost = catalog.attrition[catalog.attrition["step"].str.contains("rare labels")]
    assert lost["lost"].tolist() == [1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"panels": [{"name": "p", "labels": ["label_0", "absent"]}]}, "has no target 'absent'"),
        ({"panels": [{"name": "p", "labels": ["absent"]}]}, "no table has a target of panel 'p'"),
        ({"panels": [{"name": "p", "labels": ["label_0", "value"]}]}, "'value' of table 'main' is not only"),
        ({"panels": [{"name": "p", "labels": ["*"]}]}, "'\\*' of table 'main' is not only"),
        ({"panels": [{"name": "p", "labels": ["label_0"]}]}, "its task 'p' has 1 binary targets"),
    ],
)  # fmt: skip
def test_panels_that_the_table_cannot_fill(change, said):
    types = [TargetType.BINARY] * 3 + [TargetType.REGRESSION]
    data = table(np.zeros((30, 4)), labels=["label_0", "label_1", "label_2", "value"], types=types)
    with pytest.raises(ConfigurationError, match=said):
        build([data], (label_family(**change),))


def test_a_label_of_one_class_that_is_spelled_out_stops_the_run():
    y = examples().y.copy()
    y[:, 4] = np.where(np.isnan(y[:, 4]), np.nan, 1)
    with pytest.raises(
        InfeasibleTaskError, match="has 0 groups of the rarer class of its label 'label_4' and needs 3"
    ):
        build([table(y)], (label_family(),))


def test_too_few_labels_with_both_classes():
    y = np.zeros((60, 4))
    y[:30, 0] = 1
    found = [{"name": "p", "labels": ["label_*"]}]
    with pytest.raises(
        InfeasibleTaskError, match="0 groups of the rarer class of a second label and needs 3"
    ):
        build([table(y)], (label_family(panels=found),))


@pytest.mark.parametrize(
    "change",
    [
        {"target": "label_0"},
        {"kind": "target"},
        {"support": {"rule": "enriched"}},
        {"support": {"ways": 2}},
        {"panels": [*panels(3), *panels(3)]},
        {"panels": [{"name": "p", "labels": []}]},
    ],
)
def test_settings_that_do_not_fit_the_kind(change):
    with pytest.raises(ValidationError):
        label_family(**change)


def test_panels_with_a_label_in_common_stay_together():
    shared = [*panels(3, 3, 3, 3), {"name": "again", "labels": ["label_0", "label_3"]}]
    catalog = build([examples()], (label_family(panels=shared),))
    split = catalog.tasks.set_index("label")["meta_split"]
    assert split["p0"] == split["p1"] == split["again"]


@pytest.mark.parametrize(
    "near_copies", [{"cluster_pattern": "^(.*)_(?:24h|72h)$"}, {"clusters": [["a_24h", "a_72h"]]}]
)
def test_panels_with_near_copies_of_labels_stay_together(near_copies):
    names = ["a_24h", "b_24h", "c_24h", "d_24h", "a_72h", "e_24h", "f_24h", "g_24h"]
    found = [{"name": f"p{i}", "labels": names[2 * i : 2 * i + 2]} for i in range(4)]
    for seed in range(4):
        data = examples(t=8, labels=names)
        catalog = build([data], (label_family(panels=found, **near_copies),), seed)
        split = catalog.tasks.set_index("label")["meta_split"]
        assert split["p0"] == split["p2"]


def test_a_binary_task_of_a_label_follows_the_panel_that_holds_it():
    both = (
        label_family(problem="all", panels=panels(3, 3)),
        family(family="single", problem="all", group_split=GROUPS),
    )
    catalog = build([examples(n=900)], both)
    split = catalog.tasks.set_index("label")["meta_split"]
    for panel_ in panels(3, 3):
        assert {split[label] for label in panel_["labels"]} == {split[panel_["name"]]}


def test_the_audit_stops_a_label_in_two_meta_splits():
    named = {"mode": "named", "train": ["p0"], "validation": [], "test": ["p1"]}
    shared = [
        {"name": "p0", "labels": ["label_0", "label_1"]},
        {"name": "p1", "labels": ["label_1", "label_2"]},
    ]
    with pytest.raises(LeakageError, match="share 1 clusters"):
        build([examples()], (label_family(panels=shared, split=named),))
    with pytest.raises(LeakageError, match="share 1 labels"):  # a waiver admits clusters and groups, not this
        build([examples()], (label_family(panels=shared, split=named, protocol="published"),))


def test_the_audit_counts_labels_only_where_a_family_joins_them():
    data = examples()
    joined = build([data], (label_family(),)).audit
    apart = build([data], (family(group_split=GROUPS),)).audit
    assert joined["check"].str.endswith(": labels").sum() == 3
    assert not apart["check"].str.endswith(": labels").any()
    catalog = build([data], (label_family(),))
    (problem,) = load_problems({data.key: data}, catalog.tasks, catalog.pools, catalog.episodes)
    clusters = {task.task_id: {task.task_id} for task in problem.tasks}
    held = {task.task_id: {("clinic", "label_0")} for task in problem.tasks}
    with pytest.raises(LeakageError, match="train and validation tasks share 1 labels"):
        audit_problem(problem, clusters, labels=held)


def test_the_same_catalog_from_the_same_seed():
    first, second = (build([examples()], (label_family(),)) for _ in range(2))
    same(first, second)
