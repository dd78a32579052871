import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from task_fabric import family, table

from med_maml_pipeline.sources.spec import SupportRule
from med_maml_pipeline.tasks.episodes import draw_query, draw_support
from med_maml_pipeline.tasks.families import find_candidates
from med_maml_pipeline.tasks.feasibility import Shortfall
from med_maml_pipeline.tasks.index import PoolIndex, group_codes, owners
from med_maml_pipeline.tasks.pools import make_pool
from med_maml_pipeline.tasks.types import MetaSplit, TargetType


def made(y, *, types=(TargetType.BINARY,), groups=None, within=None, seed=0, **spec):
    examples = table(np.asarray(y, dtype=np.float32)[:, None], types=types, groups=groups)
    (task,) = find_candidates({examples.key: examples}, {"clinic": (family(**spec),)})
    return make_pool(task, MetaSplit.TEST, task.rows() if within is None else within, fold=0, seed=seed)


def test_rare_classes_leave_and_the_rest_are_numbered_anew():
    y = [0] * 10 + [1] * 2 + [2] * 10 + [3] * 10
    pool = made(y, types=[TargetType.MULTICLASS], support={"sizes": (2, 5), "min_per_class": 3})
    assert pool.task.n_classes == 3
    assert np.bincount(pool.task.y.astype(int)).tolist() == [10, 10, 10]
    assert pool.task.rows.tolist() == [*range(10), *range(12, 32)]
    assert (pool.rare, pool.sizes) == (2, (2, 5))


def test_a_size_may_decide_on_the_classes_and_larger_ones_follow():
    y = [0] * 40 + [1] * 40 + [2] * 9
    support = {"sizes": (1, 5, 32), "min_per_class": 3}
    three = made(y, types=[TargetType.MULTICLASS], support={**support, "classes_at": 5})
    assert (three.task.n_classes, three.sizes) == (3, (1, 5))
    two = made(y, types=[TargetType.MULTICLASS], support=support)
    assert (two.task.n_classes, two.sizes) == (2, (1, 5, 32))
    all_serve = made([0] * 40 + [1] * 40, support={**support, "classes_at": 5})
    assert all_serve.sizes == (1, 5, 32)


def test_sizes_that_a_pool_cannot_serve_are_skipped():
    pool = made([0] * 30 + [1] * 9, support={"sizes": (5, 6, 7), "min_per_class": 3})
    assert pool.sizes == (5, 6)


def test_loss_is_counted_against_all_labelled_rows():
    y = np.array([0, 1] * 20 + [np.nan] * 5)
    pool = made(y, within=np.arange(0, 20))
    assert (pool.lost, pool.capped, pool.rare, len(pool.task)) == (20, 0, 0, 20)


def test_cap_keeps_whole_groups_by_seed():
    y, groups = np.tile([0, 1], 60), np.repeat(np.arange(40), 3)
    pool = made(y, groups=groups, max_pool=50)
    assert len(pool.task) == 48
    assert pool.capped == 72
    assert set(np.bincount(pool.task.groups)) <= {0, 3}
    assert made(y, groups=groups, max_pool=50, seed=1).task.rows.tolist() != pool.task.rows.tolist()


@pytest.mark.parametrize(
    ("y", "types", "spec", "expected"),
    [
        ([0, 1] * 5, ["binary"], {"min_examples": 11}, Shortfall(11, 10, "labelled groups")),
        ([0] * 9 + [1] * 2, ["binary"], {}, Shortfall(3, 2, "groups of each class")),
        ([0] * 9, ["binary"], {}, Shortfall(3, 0, "groups of each class")),
        ([5.0] * 9, ["regression"], {}, Shortfall(2, 1, "different values of its numeric target")),
        ([5.0, 6.0] * 3, ["regression"], {"support": {"sizes": (8,)}}, Shortfall(9, 6, "labelled groups")),
        (
            [0, 1, 2, 3] * 5,
            ["multiclass"],
            {"support": {"rule": "natural", "sizes": (3,)}},
            Shortfall(4, 3, "examples in a natural support, one per class"),
        ),
        (
            [0] * 5 + [1] * 5,
            ["binary"],
            {"support": {"rule": "natural", "sizes": (9,)}},
            Shortfall(11, 10, "labelled groups"),
        ),
    ],
)
def test_what_a_task_falls_short_of(y, types, spec, expected):
    assert made(y, types=[TargetType(kind) for kind in types], **spec) == expected


def test_repeated_patients_count_once():
    """Nine rows of the class, of two patients: too few for a support of two and one beyond."""
    groups = [*range(9), *([20] * 5), *([21] * 4)]
    assert made([0] * 9 + [1] * 9, groups=groups) == Shortfall(3, 2, "groups of each class")


def test_a_group_counts_for_the_class_with_the_fewest():
    """Three pure groups, and three that show both classes: they even the numbers out."""
    groups = np.array([1, 2, 3, 7, 7, 8, 8, 9, 9])
    codes, n_groups = group_codes(groups)
    assert owners(codes, n_groups, np.array([0, 0, 1, 0, 1, 0, 1, 0, 1]), 2).tolist() == [0, 0, 1, 1, 0, 1]


def test_groups_of_rare_classes_serve_the_others_once_these_leave():
    y, groups = [0, 0, 0, 1, 1, 2, 1], [0, 1, 2, 3, 4, 5, 5]
    pool = made(y, types=[TargetType.MULTICLASS], groups=groups, support={"sizes": (2,), "min_per_class": 1})
    assert pool.task.n_classes == 2
    assert pool.task.rows.tolist() == [0, 1, 2, 3, 4, 6]


RULES = st.builds(
    SupportRule,
    rule=st.sampled_from(["balanced", "natural", "enriched"]),
    sizes=st.lists(st.integers(1, 8), min_size=1, max_size=3).map(tuple),
    negatives_per_positive=st.integers(1, 3),
    min_per_class=st.integers(1, 3),
    max_query=st.integers(1, 12),
)


@settings(max_examples=150, deadline=None)
@given(
    rule=RULES,
    n=st.integers(4, 60),
    n_classes=st.integers(2, 4),
    repeats=st.integers(1, 3),
    seed=st.integers(0, 999),
)
def test_what_is_planned_can_be_drawn_and_leaves_enough(rule, n, n_classes, repeats, seed):
    assume(rule.rule != "enriched" or n_classes == 2)
    rng = np.random.default_rng(seed)
    groups = rng.integers(max(1, n // repeats), size=n)
    y = rng.choice(n_classes, n, p=rng.dirichlet(np.ones(n_classes))).astype(np.float32)
    kind = TargetType.BINARY if n_classes == 2 else TargetType.MULTICLASS
    pool = made(y, types=[kind], groups=groups, support=rule.model_dump(), min_examples=2)
    if isinstance(pool, Shortfall):
        assert pool.found < pool.needed
        return
    index = PoolIndex.of(pool.task.y, pool.task.groups, pool.task.n_classes)
    for size in pool.sizes:
        support = draw_support(index, rule, size, rng)
        query = draw_query(index, support, rule.max_query, rng)
        assert set(index.classes[support]) == set(range(pool.task.n_classes))
        assert len(set(index.codes[support])) == len(support)
        assert not set(index.codes[support]) & set(index.codes[query])
        assert 0 < len(query) <= rule.max_query
        left = np.bincount(index.owner[index.outside(support)], minlength=pool.task.n_classes)
        assert left.min() >= (1 if rule.rule == "natural" else rule.min_per_class)
