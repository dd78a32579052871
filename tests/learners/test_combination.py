"""Ensembles of a whole problem: learned from validation predictions, used on test predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.learners.adaptation import PREDICTION_COLUMNS
from med_maml_pipeline.learners.checkpoints import CheckpointKey
from med_maml_pipeline.learners.ensembles import ENSEMBLES
from med_maml_pipeline.learners.ensembles.combination import (
    COST_COLUMNS,
    SELECTION_COLUMNS,
    Combined,
    combine,
)
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.tasks.types import (
    Episode,
    FeatureKind,
    FeatureTable,
    MetaSplit,
    Problem,
    TargetType,
    Task,
)

MEMBERS = {"linear_probe": 2.0, "fine_tune": 1.0, "forest": 0.0}
"""Learners, and how much of the truth their scores hold."""
SECONDS = {"linear_probe": 30.0, "fine_tune": 30.0, "forest": 1.0}
ROWS, SUPPORT = 40, 8
SPLITS = (MetaSplit.TRAIN, *[MetaSplit.VALIDATION] * 6, *[MetaSplit.TEST] * 3)


def made_up(fold: int = 0) -> Problem:
    """Binary and numeric tasks of one table; an episode for each that is not for training."""
    rng = np.random.default_rng(fold)
    tasks = []
    for target_type, n_classes in ((TargetType.BINARY, 2), (TargetType.REGRESSION, 0)):
        for split in SPLITS:
            rows = np.arange(len(tasks) * ROWS, (len(tasks) + 1) * ROWS)
            y = np.arange(ROWS) % 2 if n_classes else 50 + 10 * rng.normal(size=ROWS)
            name = f"s/main/{target_type}/{len(tasks)}"
            family = str(target_type)
            tasks.append(
                Task(
                    name,
                    "s/main",
                    family,
                    "s",
                    target_type,
                    n_classes,
                    split,
                    rows,
                    y.astype(np.float32),
                    rows,
                )
            )
    table = FeatureTable(np.zeros((len(tasks) * ROWS, 1), np.float32), ("x",), (FeatureKind.NUMERIC,))
    episodes = tuple(
        Episode(
            f"{task.task_id}/e",
            task.task_id,
            np.arange(SUPPORT),
            np.arange(SUPPORT, ROWS),
            n_shot=SUPPORT // 2,
            support_size=SUPPORT // 2,
            draw=0,
        )
        for task in tasks
        if task.meta_split is not MetaSplit.TRAIN
    )
    return Problem("p", fold, {"s/main": table}, tuple(tasks), episodes, shared_inputs=True)


def predictions(problem: Problem, split: MetaSplit, seed: int = 0) -> pd.DataFrame:
    """What the members are taken to have said: the truth times their skill, and noise of their own."""
    rows = []
    for episode in problem.episodes_of(split):
        task = problem.task(episode.task_id)
        y = task.y[episode.query]
        for number, (name, skill) in enumerate(MEMBERS.items()):
            rng = np.random.default_rng((seed, number, problem.fold, len(rows)))
            if task.target_type is TargetType.REGRESSION:
                scores = 50 + 0.4 * skill * (y - 50) + rng.normal(size=len(y)) * 4
            else:
                scores = skill * np.eye(2)[y.astype(int)] + rng.normal(size=(len(y), 2))
            lane = get_learner(name).lane
            where = (episode.episode_id, problem.name, problem.fold, task.task_id, name, lane, seed)
            rows.append((*where, scores.astype(np.float32).reshape(-1), y, 0.5 * (number + 1)))
    return pd.DataFrame(rows, columns=list(PREDICTION_COLUMNS))


def costs(problem: Problem, seed: int = 0) -> pd.DataFrame:
    rows = [
        (problem.name, problem.fold, name, seconds, 100.0 * number, seed)
        for number, (name, seconds) in enumerate(SECONDS.items(), start=1)
    ]
    return pd.DataFrame(rows, columns=list(COST_COLUMNS))


def combined(
    *parts: tuple[Problem, int], change: Callable[[pd.DataFrame], pd.DataFrame] | None = None
) -> Combined:
    """`combine` over problems and seeds; ``change`` alters the test predictions."""
    test = pd.concat([predictions(p, MetaSplit.TEST, seed) for p, seed in parts], ignore_index=True)
    return combine(
        list({problem.fold: problem for problem, _ in parts}.values()),
        pd.concat([predictions(p, MetaSplit.VALIDATION, seed) for p, seed in parts], ignore_index=True),
        test if change is None else change(test),
        pd.concat([costs(p, seed) for p, seed in parts], ignore_index=True),
    )


@pytest.fixture(scope="module")
def problem() -> Problem:
    return made_up()


@pytest.fixture(scope="module")
def made(problem: Problem) -> Combined:
    return combined((problem, 0))


def arrays(made: Combined) -> dict[tuple[object, ...], bytes]:
    return {
        (*key, name): array.tobytes()
        for key, checkpoint in made.checkpoints.items()
        for name, array in checkpoint.arrays.items()
    }


def test_every_test_episode_has_a_prediction_of_every_ensemble(problem, made):
    table = made.predictions
    assert tuple(table.columns) == PREDICTION_COLUMNS
    assert set(table["lane"]) == {"ensemble"}
    for name in ENSEMBLES:
        own = table[table["learner"] == name].set_index("episode_id")
        episodes = problem.episodes_of(MetaSplit.TEST)
        assert sorted(own.index) == sorted(episode.episode_id for episode in episodes)
        for episode in episodes:
            task, row = problem.task(episode.task_id), own.loc[episode.episode_id]
            np.testing.assert_array_equal(row["y"], task.y[episode.query])
            assert row["scores"].shape == (len(row["y"]) * max(task.n_classes, 1),)
            assert np.isfinite(row["scores"]).all()


def test_it_is_better_than_its_members_and_numbers_come_in_their_own_unit(made, problem):
    """The forest knows nothing; the other two err apart."""
    said = predictions(problem, MetaSplit.TEST)
    of_stacked = made.predictions[made.predictions["learner"] == "stacked"].set_index("episode_id")
    numeric = of_stacked[of_stacked["task_id"].str.contains("regression")]
    truth = np.concatenate(list(numeric["y"]))
    error = np.abs(np.concatenate(list(numeric["scores"])) - truth).mean()
    for name in MEMBERS:
        own = said[said["learner"] == name].set_index("episode_id").loc[numeric.index]
        assert error < np.abs(np.concatenate(list(own["scores"])) - truth).mean()


def test_other_test_labels_change_no_checkpoint_and_no_score(problem, made):
    def blind(test: pd.DataFrame) -> pd.DataFrame:
        return test.assign(y=[np.zeros_like(y) for y in test["y"]])

    def hidden(task: Task) -> Task:
        y = task.y.copy()
        y[SUPPORT:] = y[SUPPORT]
        return replace(task, y=y) if task.meta_split is MetaSplit.TEST else task

    unlabelled = replace(problem, tasks=tuple(map(hidden, problem.tasks)))
    test = blind(predictions(problem, MetaSplit.TEST))
    other = combine([unlabelled], predictions(problem, MetaSplit.VALIDATION), test, costs(problem))
    assert arrays(other) == arrays(made)
    assert [c.facts for c in other.checkpoints.values()] == [c.facts for c in made.checkpoints.values()]
    for found, expected in zip(other.predictions["scores"], made.predictions["scores"], strict=True):
        np.testing.assert_array_equal(found, expected)
    pd.testing.assert_frame_equal(other.selection, made.selection)


def test_other_validation_labels_do_change_it(problem, made):
    """Else the test above would prove nothing."""
    validation = predictions(problem, MetaSplit.VALIDATION)
    turned = validation.assign(y=[y[::-1] for y in validation["y"]])
    other = combine([problem], turned, predictions(problem, MetaSplit.TEST), costs(problem))
    assert arrays(other) != arrays(made)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_missing_prediction_of_a_member_is_told(problem, split):
    tables = {name: predictions(problem, MetaSplit(name)) for name in ("validation", "test")}
    tables[split] = tables[split].drop(index=1)
    sentence = (
        f"learner 'fine_tune' has no prediction for a {split} episode .* run adaptation again for every lane"
    )
    with pytest.raises(DataError, match=sentence) as caught:
        combine([problem], tables["validation"], tables["test"], costs(problem))
    assert "/e" not in str(caught.value)


def test_costs_are_those_of_all_members_and_a_shared_network_counts_once(made):
    assert tuple(made.costs.columns) == COST_COLUMNS
    assert made.costs["learner"].tolist() == list(ENSEMBLES)
    assert made.costs["seconds_meta_fit"].tolist() == [31.0, 31.0]
    assert made.costs["peak_memory_mib"].tolist() == [300.0, 300.0]


def test_the_seconds_of_an_answer_are_those_of_the_members_it_takes(made):
    stacked = made.predictions[made.predictions["learner"] == "stacked"]
    weights = made.checkpoints[CheckpointKey("p", 0, "stacked", 0)].arrays["classes.weights"]
    expected = sum(0.5 * (number + 1) for number in range(3) if weights[:, number].sum() > 0)
    binary = stacked[stacked["task_id"].str.contains("binary")]
    assert binary["seconds_adapt"].tolist() == [expected] * len(binary)
    selected = made.predictions[made.predictions["learner"] == "selected"]
    assert set(selected["seconds_adapt"]) <= {0.5, 1.0, 1.5}


def test_selection_holds_what_was_left_out_of_the_fit_that_scored_it(made):
    assert tuple(made.selection.columns) == SELECTION_COLUMNS
    assert made.selection["chosen"].all()
    assert set(made.selection["learner"]) == set(ENSEMBLES)
    assert set(made.selection["n_episodes"]) == {6}  # one for each validation task
    assert set(made.selection["target_type"]) == {"binary", "regression"}
    of_classes = made.selection[made.selection["target_type"] == "binary"]
    assert of_classes["value"].between(0.6, 1).all()


def test_seeds_and_folds_stand_for_themselves(problem, made):
    other = made_up(fold=1)
    both = combined((problem, 0), (problem, 1), (other, 0))
    assert {(key.fold, key.seed) for key in both.checkpoints} == {(0, 0), (0, 1), (1, 0)}
    first = both.predictions[(both.predictions["fold"] == 0) & (both.predictions["seed"] == 0)]
    pd.testing.assert_frame_equal(first.reset_index(drop=True), made.predictions)
    second = both.predictions[both.predictions["seed"] == 1].reset_index(drop=True)
    assert len(second) == len(made.predictions)
    assert any((a != b).any() for a, b in zip(second["scores"], made.predictions["scores"], strict=True))


def test_without_validation_predictions_all_members_count_alike(problem):
    said = predictions(problem, MetaSplit.TEST)
    made = combine([problem], said.iloc[:0], said, costs(problem))
    assert made.selection.empty
    first = said[said["episode_id"] == said["episode_id"].iloc[0]]
    logits = [scores.reshape(-1, 2).astype(float) for scores in first["scores"]]
    expected = np.mean([one - one.mean(axis=1, keepdims=True) for one in logits], axis=0)
    stacked = made.predictions[made.predictions["learner"] == "stacked"]
    np.testing.assert_allclose(stacked["scores"].iloc[0].reshape(-1, 2), expected, atol=1e-6)


def test_without_any_prediction_there_is_no_ensemble(problem):
    """Nobody took part."""
    nothing = predictions(problem, MetaSplit.TEST).iloc[:0]
    made = combine([problem], nothing, nothing, costs(problem).iloc[:0])
    assert not made.checkpoints
    assert [tuple(table.columns) for table in (made.predictions, made.selection, made.costs)] == [
        PREDICTION_COLUMNS,
        SELECTION_COLUMNS,
        COST_COLUMNS,
    ]
