import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from med_maml_pipeline.sources.spec import SupportRule
from med_maml_pipeline.tasks.episodes import draw_episodes, draw_query, draw_support
from med_maml_pipeline.tasks.index import PoolIndex
from med_maml_pipeline.tasks.types import MetaSplit, TargetType, Task


def task(y, groups=None, n_classes=2, name="s/main/f/a"):
    y = np.asarray(y, dtype=np.float32)
    return Task(
        task_id=name,
        examples="s/main",
        family="f",
        source="s",
        target_type=TargetType.BINARY if n_classes else TargetType.REGRESSION,
        n_classes=n_classes,
        meta_split=MetaSplit.TEST,
        rows=np.arange(len(y)),
        y=y,
        groups=np.arange(len(y)) if groups is None else np.asarray(groups),
    )


def rare(n=400, positives=40):
    return task(np.arange(n) < positives)


def drawn(one, rule, sizes=(4,), seed=0, fold=0):
    return draw_episodes(one, sizes, rule, problem="p", fold=fold, seed=seed)


def test_balanced_and_enriched_supports_have_their_counts():
    for episode in drawn(rare(), SupportRule(sizes=(4, 8), draws=3), (4, 8)):
        counts = np.bincount(rare().y[episode.support].astype(int))
        assert counts.tolist() == [episode.support_size] * 2
        assert episode.n_shot == episode.support_size
    for episode in drawn(rare(), SupportRule(rule="enriched", sizes=(4,), negatives_per_positive=5)):
        assert np.bincount(rare().y[episode.support].astype(int)).tolist() == [20, 4]
        assert (episode.n_shot, episode.support_size) == (None, 24)


def test_natural_supports_keep_prevalence_and_show_every_class():
    rule = SupportRule(rule="natural", sizes=(20,), draws=200)
    episodes = drawn(rare(), rule, (20,))
    shares = [rare().y[episode.support].mean() for episode in episodes]
    assert min(shares) > 0
    assert {episode.n_shot for episode in episodes} == {None}
    # Hypergeometric with ten per cent positives, given at least one: mean 2 / 0.885 of 20.
    assert np.mean(shares) == pytest.approx(0.1 / 0.885, rel=0.1)


def test_a_class_too_rare_to_be_drawn_is_put_in():
    one = task(np.arange(20_000) < 4)
    rng = np.random.default_rng(0)
    index = PoolIndex.of(one.y, one.groups, 2)
    for _ in range(5):
        support = draw_support(index, SupportRule(rule="natural"), 2, rng)
        assert one.y[support].sum() == 1
        assert len(support) == 2


def test_numeric_targets_are_drawn_in_all():
    one = task(np.linspace(0, 1, 50), n_classes=0)
    (episode,) = drawn(one, SupportRule(sizes=(10,), draws=1, max_query=20), (10,))
    assert (len(episode.support), len(episode.query), episode.n_shot) == (10, 20, None)


def test_query_is_everything_left_where_it_fits():
    (episode,) = drawn(rare(50, 20), SupportRule(draws=1))
    assert sorted([*episode.support, *episode.query]) == list(range(50))


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(0, 60), min_size=2, max_size=5),
    size=st.integers(1, 40),
    seed=st.integers(0, 9),
)
def test_capped_query_keeps_class_shares_to_rounding(counts, size, seed):
    y = np.repeat(np.arange(len(counts)), counts)
    index = PoolIndex.of(y.astype(np.float32), np.arange(len(y)), len(counts))
    query = draw_query(index, np.zeros(0, dtype=np.int64), size, np.random.default_rng(seed))
    assert len(query) == len(set(query)) == min(size, len(y))
    present = sum(count > 0 for count in counts)
    if size < len(y):
        exact = np.array(counts) * size / len(y)
        got = np.bincount(y[query], minlength=len(counts))
        assert (np.abs(got - exact) < 1 + present).all()
        assert size < present or (got[np.array(counts) > 0] > 0).all()
        if (exact[exact > 0] >= 1).all():
            assert (np.abs(got - exact) < 1).all()


def test_repeated_patients_never_sit_on_both_sides():
    """Every patient has four encounters; drawn by row, nearly every episode would leak."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 4)
    one = task(rng.random(240) < 0.4, groups)
    for rule in ("balanced", "natural", "enriched"):
        for episode in drawn(one, SupportRule(rule=rule, draws=10, negatives_per_positive=1), (8,)):
            assert not set(groups[episode.support]) & set(groups[episode.query])
            assert len(set(groups[episode.support])) == len(episode.support)
            assert len(episode.query) == 240 - 4 * len(episode.support)


def test_an_episode_depends_on_its_own_name_alone():
    one, rule = rare(), SupportRule(sizes=(4, 8), draws=3)
    both = {episode.episode_id: episode for episode in drawn(one, rule, (4, 8))}
    for episode in drawn(one, SupportRule(sizes=(8,), draws=2), (8,)):
        assert episode.support.tolist() == both[episode.episode_id].support.tolist()
        assert episode.query.tolist() == both[episode.episode_id].query.tolist()
    supports = {tuple(episode.support) for episode in both.values()}
    assert len(supports) == 6
    first = drawn(one, rule)[0].support.tolist()
    assert drawn(one, rule, seed=1)[0].support.tolist() != first
    assert drawn(one, rule, fold=1)[0].support.tolist() != first
    assert drawn(task(one.y, name="s/main/f/b"), rule)[0].support.tolist() != first
