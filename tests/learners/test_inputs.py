"""Inputs of learners and the registry."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.features.encoder import Encoder
from med_maml_pipeline.learners.inputs import encode_support, fit_inputs
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.protocol import Checkpoint, grids
from med_maml_pipeline.learners.registry import LANES, LEARNERS, get_learner
from med_maml_pipeline.tasks.types import (
    FeatureKind,
    FeatureTable,
    MetaSplit,
    Problem,
    Support,
    TargetType,
    Task,
)

NUMERIC = FeatureKind.NUMERIC


def table(n: int, seed: int, names: tuple[str, ...] = ("a", "b", "c")) -> FeatureTable:
    x = np.random.default_rng(seed).normal(size=(n, len(names))).astype(np.float32)
    return FeatureTable(x, names, (NUMERIC,) * len(names))


def task(key: str, rows: np.ndarray, split: MetaSplit = MetaSplit.TRAIN, name: str = "t") -> Task:
    y = np.zeros(len(rows), dtype=np.float32)
    return Task(f"{key}/{name}", key, "f", "s", TargetType.BINARY, 2, split, rows, y, rows)


def support_of(features: FeatureTable, n: int = 8) -> Support:
    y = (np.arange(n) % 2).astype(np.float32)
    return Support(features.x[:n], y, features.kinds, TargetType.BINARY, 2)


def test_shared_encoder_is_fitted_on_the_union_of_training_rows_once_each() -> None:
    tables = {"s/one": table(30, 0), "s/two": table(20, 1)}
    tasks = (
        task("s/one", np.arange(0, 10)),
        task("s/one", np.arange(5, 15), name="u"),  # overlaps: its rows count once
        task("s/two", np.arange(8)),
        task("s/two", np.arange(8, 20), MetaSplit.TEST, name="v"),
    )
    arrays = fit_inputs(Problem("p", 0, tables, tasks, (), True))
    rows = np.concatenate([tables["s/one"].x[:15], tables["s/two"].x[:8]])
    expected = Encoder.fit(rows, (NUMERIC,) * 3)
    np.testing.assert_array_equal(arrays["encoder.centre"], expected.centre)
    support = support_of(tables["s/two"])
    encoded = encode_support(Checkpoint("l", arrays), support, width=64)
    np.testing.assert_array_equal(encoded.x, expected.transform(support.x))
    np.testing.assert_array_equal(encoded.transform(support.x), encoded.x)


def test_many_rows_are_drawn_down_by_seed() -> None:
    problem = Problem("p", 0, {"s/one": table(500, 0)}, (task("s/one", np.arange(500)),), (), True)
    first, again = (fit_inputs(problem, max_rows=50, seed=1)["encoder.centre"] for _ in range(2))
    other = fit_inputs(problem, max_rows=50, seed=2)["encoder.centre"]
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first != fit_inputs(problem)["encoder.centre"]).any()


def test_unshared_inputs_are_fitted_on_the_support() -> None:
    tables = {"s/one": table(30, 0), "s/two": table(30, 1, ("x", "y"))}
    tasks = (task("s/one", np.arange(30)), task("s/two", np.arange(30)))
    arrays = fit_inputs(Problem("p", 0, tables, tasks, (), False))
    assert arrays == {}
    for features in tables.values():
        support = support_of(features)
        expected = Encoder.fit(support.x, support.kinds).transform(features.x)
        np.testing.assert_array_equal(
            encode_support(Checkpoint("l"), support).transform(features.x), expected
        )
        fixed = encode_support(Checkpoint("l"), support, width=5)
        assert fixed.x.shape == (8, 5)
        assert fixed.transform(features.x).shape == (30, 5)


def test_shared_inputs_with_different_columns_are_refused() -> None:
    tables = {"s/one": table(9, 0), "s/two": table(9, 1, ("a", "b", "other"))}
    tasks = tuple(task(key, np.arange(9)) for key in tables)
    with pytest.raises(ConfigurationError, match=r"'p'.*'s/one' \(3 columns\) and 's/two'.*shared_inputs"):
        fit_inputs(Problem("p", 0, tables, tasks, (), True))


def test_no_training_task_leaves_the_encoder_to_the_support() -> None:
    one = table(9, 0)
    problem = Problem("p", 0, {"s/one": one}, (task("s/one", np.arange(9), MetaSplit.TEST),), (), True)
    assert fit_inputs(problem) == {}


def _scores(name: str, scaling: str, *, shared: bool, exponential: bool) -> np.ndarray:
    """Scores of support rows, whose ranks no interpolation enters."""
    one, at = table(60, 0), np.arange(40)
    changed = FeatureTable(np.exp(one.x) if exponential else one.x, one.names, one.kinds)
    y = (at % 2).astype(np.float32)
    made = Task("t", "s/one", "f", "s", TargetType.BINARY, 2, MetaSplit.TRAIN, at, y, at, shared_meaning=True)
    problem = Problem("p", 0, {"s/one": changed}, (made,), (), shared)
    learner, tiny = get_learner(name), {} if name == "logistic" else {"steps": 3, "hidden": (8,)}
    checkpoint = learner.meta_fit(problem, {**tiny, "scaling": scaling}, 0, Monitor())
    support = problem.support(made, np.arange(30))
    return learner.adapt(checkpoint, support, learner.adapt_grid[0], 0)(support.x)


@pytest.mark.parametrize(
    ("name", "shared"),
    [(name, shared) for name in ("logistic", "linear_probe", "protonet", "maml") for shared in (True, False)]
    + [("prior_residual", True)],
)
def test_quantile_scaling_makes_a_learner_blind_to_monotone_changes(name: str, shared: bool) -> None:
    """In meta-training and at adaptation, by the checkpoint's encoder or by each support's own."""
    moved = {}
    for scaling in ("robust", "quantile"):
        plain, other = (_scores(name, scaling, shared=shared, exponential=e) for e in (False, True))
        moved[scaling] = float(np.abs(plain - other).max())
    # Where each support fits its own encoder, training queries lie between its ranks.
    assert moved["quantile"] <= (1e-5 if shared else 0.05 * moved["robust"])
    assert moved["robust"] > 1e-3


def test_learners_are_offered_quantile_scaling_where_there_are_numbers_to_scale() -> None:
    one = table(9, 0)
    counts = FeatureTable(one.x, one.names, (FeatureKind.COUNT,) * 3)
    seen = np.zeros((9, 3, 16, 16), dtype=np.uint8)
    pictures = FeatureTable(one.x, one.names, one.kinds, seen)

    def offered(features: FeatureTable) -> set[str]:
        problem = Problem("p", 0, {"s/one": features}, (task("s/one", np.arange(9)),), (), True)
        grids_of = {name: grids(get_learner(name), problem)[0] for name in LEARNERS}
        return {name for name, meta in grids_of.items() if meta[-1].get("scaling") == "quantile"}

    trees_and_counts = {"forest", "boosting", "tanimoto_krr"}
    assert offered(one) == set(LEARNERS) - trees_and_counts
    assert offered(counts) == set()
    assert {"logistic", "knn"} <= offered(pictures)
    assert not offered(pictures) & {"maml", "linear_probe", "untrained", *trees_and_counts}


def test_unknown_learner_is_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"unknown learner 'mamel'.*\bforest\b.*\bmaml\b"):
        get_learner("mamel")


@pytest.mark.parametrize("name", LEARNERS)
def test_registered_learner_carries_its_name_and_a_default_setting(name: str) -> None:
    learner = get_learner(name)
    assert learner.name == name
    assert len(learner.meta_grid) >= 1
    assert len(learner.adapt_grid) >= 1


def test_every_learner_runs_in_exactly_one_namespace() -> None:
    assert sorted(name for names in LANES.values() for name in names) == sorted(LEARNERS)


def test_registry_and_classical_lane_import_no_torch() -> None:
    code = (
        "import sys; from med_maml_pipeline.learners.registry import LANES, get_learner; "
        "[get_learner(name) for name in LANES['classical']]; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
