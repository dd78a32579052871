"""The classical lane: invariants of the protocol, known solutions, chance on noise, hard supports."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score

from med_maml_pipeline.learners.inputs import encode_support
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.protocol import Checkpoint, Learner, Settings
from med_maml_pipeline.learners.registry import LANES, get_learner
from med_maml_pipeline.tasks.types import (
    FeatureKind,
    FeatureTable,
    MetaSplit,
    Problem,
    Support,
    TargetType,
    Task,
)

N_COUNTS, N_NUMERIC = 24, 6
KINDS = (FeatureKind.COUNT,) * N_COUNTS + (FeatureKind.NUMERIC,) * N_NUMERIC
CLASSICAL = LANES["classical"]
FEW_TREES = {"trees": 12}


def draw_inputs(n: int, seed: int, missing: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    numeric = rng.normal(size=(n, N_NUMERIC)) * 7 + 3
    numeric[rng.random(numeric.shape) < missing] = np.nan
    return np.hstack([rng.poisson(0.8, size=(n, N_COUNTS)), numeric]).astype(np.float32)


def make_support(n: int, target_type: TargetType, n_classes: int, seed: int = 0) -> Support:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n) * 5 + 40 if n_classes == 0 else rng.permutation(np.arange(n) % n_classes)
    return Support(draw_inputs(n, seed), y.astype(np.float32), KINDS, target_type, n_classes)


def make_problem(*, shared_inputs: bool = True) -> Problem:
    x = draw_inputs(300, seed=5)
    rows = np.arange(200)
    task = Task(
        task_id="s/main/assay/a",
        examples="s/main",
        family="assay",
        source="s",
        target_type=TargetType.BINARY,
        n_classes=2,
        meta_split=MetaSplit.TRAIN,
        rows=rows,
        y=(rows % 2).astype(np.float32),
        groups=rows,
    )
    names = tuple(f"f{i}" for i in range(len(KINDS)))
    return Problem("p", 0, {"s/main": FeatureTable(x, names, KINDS)}, (task,), (), shared_inputs)


SUPPORTS = {
    "binary": make_support(20, TargetType.BINARY, 2),
    "four classes": make_support(24, TargetType.MULTICLASS, 4),
    "values": make_support(20, TargetType.REGRESSION, 0),
}


def every_setting(name: str) -> list[tuple[Learner, Settings]]:
    learner = get_learner(name)
    return [(learner, dict(settings) | FEW_TREES) for settings in learner.adapt_grid]


@pytest.fixture(params=[True, False], ids=["shared inputs", "own inputs"], scope="module")
def problem(request: pytest.FixtureRequest) -> Problem:
    return make_problem(shared_inputs=request.param)


@pytest.mark.parametrize("kind", SUPPORTS)
@pytest.mark.parametrize("name", CLASSICAL)
def test_query_alone_scores_as_in_company_and_checkpoint_is_untouched(
    name: str, kind: str, problem: Problem
) -> None:
    support, query = SUPPORTS[kind], draw_inputs(25, seed=9)
    for learner, settings in every_setting(name):
        checkpoint = learner.meta_fit(problem, learner.meta_grid[0], 0, Monitor())
        before = {key: array.tobytes() for key, array in checkpoint.arrays.items()}
        predictor = learner.adapt(checkpoint, support, settings, seed=3)
        together = predictor(query)
        alone = np.concatenate([predictor(query[i : i + 1]) for i in range(len(query))])
        assert together.dtype == np.float32
        assert together.shape == ((25, support.n_classes) if support.n_classes else (25,))
        np.testing.assert_allclose(alone, together, rtol=0, atol=1e-6 * max(1, np.abs(together).max()))
        assert {key: array.tobytes() for key, array in checkpoint.arrays.items()} == before
        again = learner.adapt(checkpoint, support, settings, seed=3)(query)
        np.testing.assert_array_equal(again, together)


@pytest.mark.parametrize("name", CLASSICAL)
def test_company_does_not_break_ties_between_duplicates(name: str) -> None:
    """Twins of opposite label at equal distance: a tie that rounding must not decide by the batch."""
    x = np.repeat(draw_inputs(8, seed=1, missing=0), 2, axis=0)
    support = Support(x, np.tile([0.0, 1.0], 8).astype(np.float32), KINDS, TargetType.BINARY, 2)
    learner, query = get_learner(name), np.vstack([x[::2], draw_inputs(50, seed=2, missing=0)])
    predictor = learner.adapt(Checkpoint(name), support, FEW_TREES, seed=0)
    alone = np.concatenate([predictor(row[None]) for row in query])
    np.testing.assert_allclose(alone, predictor(query), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", CLASSICAL)
def test_chance_on_noise_and_better_than_chance_on_signal(name: str) -> None:
    learner = get_learner(name)
    checkpoint = learner.meta_fit(make_problem(), {}, 0, Monitor())

    def mean_auroc(label: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> float:
        scores = []
        for seed in range(8):
            x, rng = draw_inputs(440, seed=100 + seed), np.random.default_rng(seed)
            y = label(x, rng).astype(np.float32)
            support = Support(x[:40], y[:40], KINDS, TargetType.BINARY, 2)
            logits = learner.adapt(checkpoint, support, FEW_TREES, seed)(x[40:])
            scores.append(roc_auc_score(y[40:], logits[:, 1] - logits[:, 0]))
        return float(np.mean(scores))

    assert abs(mean_auroc(lambda x, rng: rng.random(len(x)) < 0.5) - 0.5) < 0.06
    assert mean_auroc(lambda x, rng: x[:, :8].sum(axis=1) > x[:, 8:16].sum(axis=1)) > 0.6


@pytest.mark.parametrize("name", CLASSICAL)
def test_values_come_back_on_their_own_scale(name: str) -> None:
    learner, x = get_learner(name), draw_inputs(160, seed=4, missing=0)
    y = (1000 + 50 * (x[:, :12].sum(axis=1) - x[:, 12:24].sum(axis=1))).astype(np.float32)
    support = Support(x[:80], y[:80], KINDS, TargetType.REGRESSION, 0)
    values = learner.adapt(learner.meta_fit(make_problem(), {}, 0, Monitor()), support, FEW_TREES, 0)(x[80:])
    assert np.corrcoef(values, y[80:])[0, 1] > 0.3
    assert abs(values.mean() - y.mean()) < 0.5 * y.std()


@pytest.mark.parametrize("name", CLASSICAL)
def test_support_of_one_class_gives_the_same_logits_to_every_query(name: str) -> None:
    support = Support(draw_inputs(5, 0), np.ones(5, dtype=np.float32), KINDS, TargetType.BINARY, 2)
    logits = get_learner(name).adapt(Checkpoint(name), support, FEW_TREES, 0)(draw_inputs(7, 1))
    assert np.isfinite(logits).all()
    assert (logits == logits[0]).all()
    assert logits[0, 1] > logits[0, 0]


@pytest.mark.parametrize("name", CLASSICAL)
def test_constant_target_gives_that_value(name: str) -> None:
    support = Support(draw_inputs(6, 0), np.full(6, 7.5, np.float32), KINDS, TargetType.REGRESSION, 0)
    values = get_learner(name).adapt(Checkpoint(name), support, FEW_TREES, 0)(draw_inputs(4, 1))
    np.testing.assert_allclose(values, 7.5, rtol=1e-6)


@pytest.mark.parametrize("name", CLASSICAL)
def test_class_that_the_support_lacks_is_possible_but_unlikely(name: str) -> None:
    support = make_support(20, TargetType.BINARY, 2)
    wider = Support(support.x, support.y * 2, KINDS, TargetType.MULTICLASS, 4)  # classes 1 and 3 absent
    learner = get_learner(name)
    logits = learner.adapt(Checkpoint(name), wider, FEW_TREES, 0)(draw_inputs(30, 1))
    probabilities = softmax(logits, axis=1)
    assert (probabilities[:, [1, 3]] > 0).all()
    assert (probabilities[:, [1, 3]].max(axis=1) < probabilities[:, [0, 2]].max(axis=1)).all()


def test_meta_fit_reads_no_label_and_no_row_of_other_splits() -> None:
    problem, other = make_problem(), make_problem()
    other.tables["s/main"].x[200:] = 1e6  # rows of no training task
    learner = get_learner("logistic")
    first, second = (learner.meta_fit(p, {}, 0, Monitor()).arrays for p in (problem, other))
    assert first.keys() == second.keys()
    for key in first:
        np.testing.assert_array_equal(first[key], second[key])


def test_logistic_and_ridge_agree_with_scikit_learn_on_encoded_inputs() -> None:
    learner = get_learner("logistic")
    support, query = SUPPORTS["binary"], draw_inputs(10, 3)
    inputs = encode_support(Checkpoint("logistic"), support)
    reference = LogisticRegression(C=0.5, max_iter=1000).fit(inputs.x, support.y)
    logits = learner.adapt(Checkpoint("logistic"), support, {"penalty": 2.0}, 0)(query)
    expected = reference.predict_proba(inputs.transform(query))
    np.testing.assert_allclose(softmax(logits, axis=1), expected, atol=1e-3)

    support = SUPPORTS["values"]
    inputs = encode_support(Checkpoint("logistic"), support)
    scale = support.y.std()
    ridge = Ridge(alpha=2.0).fit(inputs.x, (support.y - support.y.mean()) / scale)
    values = learner.adapt(Checkpoint("logistic"), support, {"penalty": 2.0}, 0)(query)
    np.testing.assert_allclose(
        values, ridge.predict(inputs.transform(query)) * scale + support.y.mean(), rtol=1e-4
    )


def test_forest_probabilities_are_votes_with_one_pseudo_example() -> None:
    support, query = SUPPORTS["four classes"], draw_inputs(10, 3)
    inputs = encode_support(Checkpoint("forest"), support)
    votes = (
        RandomForestClassifier(30, random_state=7)
        .fit(inputs.x, support.y)
        .predict_proba(inputs.transform(query))
    )
    logits = get_learner("forest").adapt(Checkpoint("forest"), support, {"trees": 30}, 7)(query)
    np.testing.assert_allclose(softmax(logits, axis=1), (24 * votes + 0.25) / 25, rtol=1e-5)


def test_nearest_neighbour_of_a_support_row_is_that_row() -> None:
    support = SUPPORTS["values"]
    values = get_learner("knn").adapt(Checkpoint("knn"), support, {"k": 1, "weights": "uniform"}, 0)(
        support.x
    )
    np.testing.assert_allclose(values, support.y, rtol=1e-6)
