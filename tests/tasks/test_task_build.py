import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from task_fabric import family, panel, table

from med_maml_pipeline.errors import ConfigurationError, DataError, InfeasibleTaskError, LeakageError
from med_maml_pipeline.tasks.build import build_tasks
from med_maml_pipeline.tasks.checksums import episodes_checksum, task_checksum
from med_maml_pipeline.tasks.problems import load_problems
from med_maml_pipeline.tasks.types import MetaSplit, TargetType

GROUPS = (0.5, 0.2, 0.3)


def build(tables, families, seed=0):
    specs = families if isinstance(families, dict) else {tables[0].source: families}
    return build_tasks({t.key: t for t in tables}, specs, seed)


def same(one, other):
    for frame in dataclasses.fields(one):
        left, right = getattr(one, frame.name), getattr(other, frame.name)
        pd.testing.assert_frame_equal(left, right, check_index_type=False)


def assays(**kwargs):
    return panel(200, 8, missing=0.2, **kwargs)


def test_tables_have_the_documented_columns():
    catalog = build([assays()], (family(group_split=GROUPS),))
    assert list(catalog.tasks) == [
        "problem",
        "fold",
        "task_id",
        "source",
        "table",
        "family",
        "label",
        "target_type",
        "n_classes",
        "ways",
        "classes",
        "meta_split",
        "protocol",
        "shared_meaning",
        "shared_inputs",
        "examples",
        "n_examples",
        "n_groups",
        "class_counts",
        "lost_examples",
        "capped_examples",
        "checksum",
    ]
    assert list(catalog.pools) == ["problem", "fold", "task_id", "rows", "y"]
    assert list(catalog.episodes) == [
        "episode_id",
        "problem",
        "fold",
        "task_id",
        "meta_split",
        "support_size",
        "n_shot",
        "draw",
        "support",
        "query",
    ]
    assert list(catalog.audit) == ["problem", "fold", "protocol", "check", "overlaps", "verdict"]
    assert list(catalog.attrition) == ["source", "table", "step", "kept", "lost"]


def test_counts_in_the_task_table_are_those_of_the_pools():
    examples = assays(groups=np.arange(200) // 2)
    catalog = build([examples], (family(group_split=GROUPS),))
    pools = catalog.pools.set_index("task_id")
    for row in catalog.tasks.itertuples():
        rows, y = pools.loc[row.task_id, "rows"], pools.loc[row.task_id, "y"]
        column = int(row.label.removeprefix("label_"))
        assert row.n_examples == len(rows)
        assert row.n_groups == len(set(examples.groups[rows]))
        assert json.loads(row.class_counts) == {"0": int((y == 0).sum()), "1": int((y == 1).sum())}
        assert row.lost_examples == int((~np.isnan(examples.y[:, column])).sum()) - len(rows)
        np.testing.assert_array_equal(y, examples.y[rows, column])
        assert row.checksum == task_checksum(row.task_id, rows, y)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 99),
    t=st.integers(4, 9),
    n_groups=st.integers(60, 150),
    mode=st.sampled_from([{"mode": "random"}, {"mode": "rotate"}, {"mode": "rotate", "folds": 3}]),
    rule=st.sampled_from(["balanced", "natural", "enriched"]),
)
def test_every_fold_is_disjoint_in_task_cluster_and_group(seed, t, n_groups, mode, rule):
    """Checked here by plain sets over the stored tables, apart from the audit's own code."""
    rng = np.random.default_rng(seed)
    examples = panel(300, t, seed=seed, missing=0.1, groups=rng.integers(n_groups, size=300))
    spec = family(
        split=mode,
        group_split=GROUPS,
        clusters=(("label_0", "label_1"),),
        support={"rule": rule, "sizes": (2, 3)},
    )
    catalog = build([examples], (spec,), seed)
    pools = {(row.fold, row.task_id): np.asarray(row.rows) for row in catalog.pools.itertuples()}
    for fold, tasks in catalog.tasks.groupby("fold"):
        held = {split: set() for split in MetaSplit}
        for row in tasks.itertuples():
            held[row.meta_split] |= set(examples.groups[pools[fold, row.task_id]])
        assert not held["train"] & held["test"]
        assert not held["train"] & held["validation"]
        assert not held["validation"] & held["test"]
        assert tasks["task_id"].is_unique
        assert tasks.loc[tasks["label"].isin(["label_0", "label_1"]), "meta_split"].nunique() <= 1
    for episode in catalog.episodes.itertuples():
        groups = examples.groups[pools[episode.fold, episode.task_id]]
        assert not set(groups[episode.support]) & set(groups[episode.query])
        assert episode.meta_split in ("validation", "test")
    assert set(catalog.audit["verdict"]) == {"pass"}


def test_result_depends_on_data_and_seed_alone():
    here, there = assays(), panel(90, 3, source="other", seed=5)
    families = {"clinic": (family(group_split=GROUPS),)}
    alone = build([here], families)
    same(alone, build([here], families))
    both = {**families, "other": (family(group_split=GROUPS),)}
    reordered = dict(reversed(both.items()))
    same(build([here, there], both), build([there, here], reordered))
    assert episodes_checksum(alone.episodes) != episodes_checksum(build([here], families, seed=1).episodes)


def test_a_source_of_another_problem_changes_nothing():
    """It even shifts the group numbers, as a source ahead in the configuration does."""
    here, there = assays(), panel(90, 3, source="other", seed=5)
    families = {source: (family(group_split=GROUPS),) for source in ("clinic", "other")}
    alone = build([here], {"clinic": families["clinic"]})
    shifted = dataclasses.replace(here, groups=here.groups + 90)
    beside = build([there, shifted], families)
    for name in ("tasks", "pools", "episodes", "audit"):
        frame = getattr(beside, name)
        mine = frame[frame["problem"] == "clinic_label"].reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, getattr(alone, name), check_index_type=False)


def test_problems_come_back_from_parquet_as_they_were(tmp_path):
    examples = assays(groups=np.arange(200) // 2)
    spec = family(group_split=GROUPS, split={"mode": "rotate", "folds": 2}, shared_meaning=True)
    catalog = build([examples], (spec,), seed=3)
    stored = {}
    for name in ("tasks", "pools", "episodes"):
        getattr(catalog, name).to_parquet(tmp_path / f"{name}.parquet")
        stored[name] = pd.read_parquet(tmp_path / f"{name}.parquet")
    loaded = load_problems({examples.key: examples}, **stored)
    direct = load_problems({examples.key: examples}, catalog.tasks, catalog.pools, catalog.episodes)
    assert [(p.name, p.fold) for p in loaded] == [("clinic_label", 0), ("clinic_label", 1)]
    for one, other in zip(loaded, direct, strict=True):
        assert [t.task_id for t in one.tasks] == [t.task_id for t in other.tasks]
        assert one.tasks[0].shared_meaning
        assert all(e.n_shot == e.support_size == 2 for e in one.episodes)
        support, query = one.draw(one.episodes[0])
        task = one.task(one.episodes[0].task_id)
        rows = np.concatenate([support.x[:, 0], query.x[:, 0]]).astype(int)
        column = int(task.task_id.rsplit("_", 1)[1])
        np.testing.assert_array_equal(examples.y[rows, column], np.concatenate([support.y, query.y]))
        np.testing.assert_array_equal(task.groups, examples.groups[task.rows])
    assert episodes_checksum(stored["episodes"]) == episodes_checksum(catalog.episodes.sample(frac=1.0))
    (second,) = load_problems({examples.key: examples}, **stored, names=["clinic_label"], folds=[1])
    assert second.fold == 1
    with pytest.raises(ConfigurationError, match=r"no such problem in the task table: \['x'\]"):
        load_problems({examples.key: examples}, **stored, names=["x"])
    with pytest.raises(
        DataError, match="source 'clinic', table 'main': problem 'clinic_label' has tasks over"
    ):
        load_problems({}, **stored)


def test_tasks_over_shared_patients_need_a_group_split_or_a_waiver():
    with pytest.raises(LeakageError, match=r"share \d+ groups; set 'group_split'"):
        build([assays()], (family(),))
    waived = build([assays()], (family(protocol="published"),))
    assert set(waived.tasks["protocol"]) == {"published"}
    used = waived.pools.merge(waived.tasks[["task_id", "meta_split"]]).groupby("meta_split")["rows"]
    used = used.agg(lambda rows: set(np.concatenate(list(rows)))).to_dict()
    audit = waived.audit.set_index("check")
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        row = audit.loc[f"{first} and {second} tasks: groups"]
        assert (row["overlaps"], row["verdict"]) == (len(used[first] & used[second]), "waived")


def test_sites_share_no_patients_and_rotate_without_a_group_split():
    sites = table(np.tile([0, 1], 40)[:, None], strata=np.repeat(["a", "b", "c", "d"], 20).tolist())
    spec = family(kind="stratum", family="site", target="label_0", split={"mode": "rotate"})
    catalog = build([sites], (spec,))
    assert catalog.tasks.groupby("fold")["meta_split"].value_counts().unstack().eq([1, 2, 1]).all(axis=None)
    assert set(catalog.audit["verdict"]) == {"pass"}


def test_a_patient_seen_at_two_sites_is_found():
    groups = np.arange(80)
    groups[79] = 0
    sites = table(np.tile([0, 1], 40)[:, None], strata=np.repeat(["a", "b"], 40).tolist(), groups=groups)
    spec = family(kind="stratum", family="site", target="label_0", split={"mode": "rotate"})
    with pytest.raises(LeakageError, match="train and test tasks share 1 groups"):
        build([sites], (spec,))


def test_molecules_of_a_test_source_do_not_train():
    """ToxCast and Tox21 in small: other assays, the same molecules, copies of the test assays."""
    panel_a = panel(300, 30, labels=[f"TOX_{i}" for i in range(30)], missing=0.3)
    panel_b = panel(
        250, 4, source="tox21", labels=["TOX_1", "SR_1", "SR_2", "SR_3"], groups=np.arange(50, 300)
    )
    spec = {"problem": "toxicity", "group_split": (0.6, 0.15, 0.25)}
    families = {
        "clinic": (family(**spec),),
        "tox21": (family(**spec, split={"mode": "fixed", "meta_split": "test"}),),
    }
    catalog = build([panel_a, panel_b], families)
    assert set(catalog.tasks["problem"]) == {"toxicity"}
    copies = catalog.tasks[catalog.tasks["label"] == "TOX_1"]
    assert copies["meta_split"].tolist() == ["test", "test"]
    by_source = {"clinic": panel_a, "tox21": panel_b}
    merged = catalog.tasks.merge(catalog.pools, on=["problem", "fold", "task_id"])
    used = {
        split: {g for row in part.itertuples() for g in by_source[row.source].groups[row.rows]}
        for split, part in merged.groupby("meta_split")
    }
    assert not used["train"] & used["test"]


def test_attrition_tells_what_left_and_where():
    y = np.full((60, 5), np.nan)
    y[:, 0] = np.tile([0, 1], 30)
    y[:, 1] = np.tile([0, 1], 30)
    y[:, 2] = np.tile([0, 1], 30)
    y[:5, 3] = [0, 1, 0, 1, 0]
    y[:, 4] = np.r_[np.zeros(30), np.ones(29), 2]
    kinds = [TargetType.BINARY] * 4 + [TargetType.MULTICLASS]
    spec = family(
        min_examples=10,
        max_pool=16,
        group_split=(0.4, 0.3, 0.3),
        support={"sizes": (2, 50)},
        split={"mode": "rotate", "folds": 2},
    )
    catalog = build([table(y, types=kinds)], (spec,))
    steps = catalog.attrition.groupby(catalog.attrition["step"].str.split(",").str[0])[["kept", "lost"]].sum()
    assert steps.loc["label: too small (tasks)"].tolist() == [4, 1]
    assert steps.loc["label: lost to disjointness (examples)", "lost"] > 0
    assert steps.loc["label: over max_pool (examples)", "lost"] > 0
    assert steps.loc["label: infeasible (support sizes)", "lost"] > 0
    assert (catalog.tasks["n_examples"] <= 16).all()
    assert (catalog.tasks["capped_examples"] >= 2).any()


def test_labels_in_no_list_are_counted():
    spec = family(
        group_split=GROUPS, split={"mode": "named", "train": ["label_0", "label_1"], "test": ["label_2"]}
    )
    catalog = build([assays()], (spec,))
    assert len(catalog.tasks) == 3
    assert catalog.attrition.iloc[0].tolist() == [
        "clinic",
        "main",
        "label: not named by the split rule (tasks)",
        3,
        5,
    ]


def test_a_family_without_a_feasible_task_names_its_closest():
    y = np.c_[np.arange(50) < 3, np.arange(50) < 7].astype(float)
    with pytest.raises(InfeasibleTaskError) as caught:
        build([table(y)], (family(support={"sizes": (10, 20), "min_per_class": 2}),))
    assert str(caught.value) == (
        "source 'clinic', task family 'label': fewer groups than the support asks for: the closest task "
        "of the family, 'label_1', has 7 groups of each class and needs 12; lower 'support.sizes', "
        "'support.min_per_class' or 'min_examples', or leave it out."
    )


def test_a_named_task_that_cannot_be_served_stops_the_run_and_others_are_left_out():
    y = np.c_[np.tile([0, 1], 30), np.tile([0, 1], 30), np.arange(60) < 2].astype(float)
    named = family(
        protocol="published",
        support={"sizes": (5,)},
        split={"mode": "named", "train": ["label_0"], "test": ["label_1", "label_2"]},
    )
    with pytest.raises(
        InfeasibleTaskError, match="the task, 'label_2', has 2 groups of each class and needs 6"
    ):
        build([table(y)], (named,))
    patterns = family(protocol="published", support={"sizes": (5,)})
    assert set(build([table(y)], (patterns,)).tasks["label"]) == {"label_0", "label_1"}


def test_a_stratum_that_is_not_configured_is_never_named():
    sites = table(np.zeros((8, 1)), strata=["jane doe"] * 8)
    spec = family(kind="stratum", target="label_0")
    with pytest.raises(InfeasibleTaskError) as caught:
        build([sites], (spec,))
    assert "jane" not in str(caught.value)
    with pytest.raises(InfeasibleTaskError, match="'jane doe'"):
        build([sites], (family(kind="stratum", target="label_0", include=("jane doe",)),))


def test_a_problem_needs_training_and_test_tasks():
    spec = family(group_split=GROUPS, split={"mode": "fixed", "meta_split": "test"})
    with pytest.raises(
        ConfigurationError, match="problem 'clinic_label' has no fold with both training and test"
    ):
        build([assays()], (spec,))


def test_checksums_tell_content_and_nothing_else():
    catalog = build([assays()], (family(group_split=GROUPS),))
    first = catalog.episodes
    total = episodes_checksum(first)
    assert episodes_checksum(first.iloc[::-1]) == total
    changed = first.copy()
    changed.at[0, "query"] = changed.at[0, "query"][:-1]
    assert episodes_checksum(changed) != total
    rows, y = np.array([1, 2]), np.array([0, 1], dtype=np.float32)
    checksum = task_checksum("a", rows, y)
    assert task_checksum("a", list(rows), y) == checksum
    others = [task_checksum("b", rows, y), task_checksum("a", rows + 1, y), task_checksum("a", rows, y[::-1])]
    assert len({checksum, *others}) == 4
