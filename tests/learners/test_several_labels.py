"""Several labels at once: every learner takes them one by one, each from the rows where it is observed."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from test_protocol import TINY, _bytes, _fewest_trees, problem

from med_maml_pipeline.learners import multilabel
from med_maml_pipeline.learners.adaptation import predict_test_episodes, predict_validation_episodes
from med_maml_pipeline.learners.checkpoints import CheckpointKey
from med_maml_pipeline.learners.described_inputs import describe_inputs
from med_maml_pipeline.learners.ensembles.combination import combine
from med_maml_pipeline.learners.ensembles.scored_episode import ScoredEpisode
from med_maml_pipeline.learners.episodes import run_episode
from med_maml_pipeline.learners.monitor import Monitor
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.learners.registry import LEARNERS, get_learner
from med_maml_pipeline.learners.training import Effort, meta_train
from med_maml_pipeline.tasks.types import MetaSplit, Problem, Support, TargetType

torch.set_num_threads(1)

LABELS = 3


@cache
def several() -> Problem:
    """The tiny binary problem of `test_protocol`: its label, the opposite with gaps, and one of chance."""
    binary = problem(TargetType.BINARY)
    rng = np.random.default_rng(0)
    tasks = []
    for task in binary.tasks:
        y = np.stack([task.y, 1 - task.y, rng.permutation(task.y)], axis=1)
        y[rng.random(len(y)) < 0.3, 1] = np.nan
        tasks.append(replace(task, target_type=TargetType.MULTILABEL, n_classes=LABELS, y=y))
    return replace(binary, tasks=tuple(tasks))


@cache
def fitted(name: str) -> Checkpoint:
    learner = get_learner(name)
    return multilabel.meta_fit(learner, several(), {**learner.meta_grid[0], **TINY}, 0, Monitor())


def first_support() -> Support:
    return several().draw(several().episodes_of(MetaSplit.TEST)[0])[0]


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_takes_several_labels(name: str) -> None:
    """Finite log-odds of each label, the same alone as in a batch, and a checkpoint that stays as it was."""
    learner, checkpoint = get_learner(name), fitted(name)
    assert multilabel.supports(learner, several())
    before = _bytes(checkpoint)
    support, query = several().draw(several().episodes_of(MetaSplit.TEST)[0])
    predict = multilabel.adapt(learner, checkpoint, support, _fewest_trees(learner.adapt_grid[0]), 0)
    odds = predict(query.x)
    assert odds.shape == query.y.shape == (len(query.x), LABELS)
    assert odds.dtype == np.float32
    assert np.isfinite(odds).all()
    alone = np.concatenate([predict(row[None]) for row in query.x[:3]])
    np.testing.assert_allclose(alone, odds[:3], rtol=0, atol=2e-6 * max(1.0, float(np.abs(odds).max())))
    assert _bytes(checkpoint) == before


@pytest.mark.parametrize("name", ["maml", "forest"])
def test_a_label_is_predicted_as_if_it_were_alone(name: str) -> None:
    learner, checkpoint, support = get_learner(name), fitted(name), first_support()
    settings = _fewest_trees(learner.adapt_grid[0])
    seen = ~np.isnan(support.y[:, 1])
    assert 2 < seen.sum() < len(seen)
    binary = replace(
        support, x=support.x[seen], y=support.y[seen, 1], target_type=TargetType.BINARY, n_classes=2
    )
    logits = learner.adapt(checkpoint, binary, settings, 5)(support.x)
    odds = multilabel.adapt(learner, checkpoint, support, settings, 5)(support.x)
    np.testing.assert_array_equal(odds[:, 1], logits[:, 1] - logits[:, 0])


def test_meta_training_sees_a_binary_task_per_label() -> None:
    binary = multilabel.binary_problem(several())
    assert len(binary.tasks) == LABELS * len(several().tasks)
    assert {task.target_type for task in binary.tasks} == {TargetType.BINARY}
    assert len({task.task_id for task in binary.tasks}) == len(binary.tasks)
    assert binary.episodes == ()
    for task in several().tasks:
        for label in range(LABELS):
            own = binary.task(f"{task.task_id}/{label}")
            seen = ~np.isnan(task.y[:, label])
            np.testing.assert_array_equal(own.y, task.y[seen, label])
            np.testing.assert_array_equal(own.rows, task.rows[seen])
            np.testing.assert_array_equal(own.groups, task.groups[seen])
            assert own.meta_split is task.meta_split
    single = problem(TargetType.BINARY)
    assert multilabel.binary_problem(single) is single


@pytest.mark.parametrize(("shown", "share"), [([1, 1, 1], 3.5 / 0.5), ([0, 0], 0.5 / 2.5), ([], 1.0)])
def test_a_label_of_one_class_has_the_odds_of_its_smoothed_share(shown: list[int], share: float) -> None:
    support = first_support()
    y = support.y.copy()
    y[:, 2] = np.nan
    y[: len(shown), 2] = shown
    predict = multilabel.adapt(
        get_learner("forest"), fitted("forest"), replace(support, y=y), {"trees": 10}, 0
    )
    np.testing.assert_allclose(predict(support.x)[:, 2], np.log(share), rtol=1e-6)


def test_selection_and_stored_predictions_hold_all_labels() -> None:
    effort = Effort(2, 1, 1, {})
    (trained,) = meta_train([several()], ["logistic"], effort, [0])
    assert set(trained.selection["target_type"]) == {"multilabel"}
    assert set(trained.selection["metric"]) == {"auroc"}
    predictions = predict_test_episodes([several()], {trained.key: trained.checkpoint}, trained.selection)
    learner = get_learner("logistic")
    for row, episode in zip(predictions.itertuples(), several().episodes_of(MetaSplit.TEST), strict=True):
        result = run_episode(learner, trained.checkpoint, several(), episode, learner.adapt_grid[0], 0)
        assert result.scores.shape == result.y.shape == (len(episode.query), LABELS)
        np.testing.assert_array_equal(row.scores, result.scores.reshape(-1))
        np.testing.assert_array_equal(row.y, result.y.reshape(-1))


def test_a_checkpoint_says_that_it_has_learned_binary_targets() -> None:
    schema = {"features": [], "kinds": [], "image": None, "preprocessing": {}}
    episodes = tuple(replace(episode, n_shot=6) for episode in several().episodes)
    described = describe_inputs(replace(several(), episodes=episodes), "ehr", {"s/main": schema})
    assert described.target_types == described.per_class == (TargetType.BINARY,)


def test_ensembles_combine_log_odds_label_by_label() -> None:
    """A weighted sum of the members' log-odds and a threshold, learned where labels are observed."""
    effort = Effort(2, 1, 1, {})
    trained = list(meta_train([several()], ["logistic", "knn"], effort, [0]))
    checkpoints = {one.key: one.checkpoint for one in trained}
    selection = pd.concat([one.selection for one in trained])
    validation = predict_validation_episodes([several()], checkpoints, selection, 4)
    test = predict_test_episodes([several()], checkpoints, selection)
    costs = pd.DataFrame({"learner": ["logistic", "knn"], "seconds_meta_fit": 1.0, "peak_memory_mib": 1.0})
    made = combine([several()], validation, test, costs.assign(problem="p", fold=0, seed=0))
    stacked = made.predictions[made.predictions["learner"] == "stacked"].set_index("episode_id")
    learned = made.checkpoints[CheckpointKey("p", 0, "stacked", 0)].arrays
    weights, threshold = learned["classes.weights"], learned["classes.threshold"].mean()
    members = {name: rows.set_index("episode_id") for name, rows in test.groupby("learner")}
    for name, row in stacked.iterrows():
        own = np.stack([members[learner].loc[name, "scores"] for learner in ("logistic", "knn")])
        np.testing.assert_allclose(
            row["scores"], weights.mean(axis=0) @ own + threshold, rtol=1e-4, atol=1e-5
        )
        assert np.isfinite(row["scores"]).all()


def test_a_scored_episode_is_binary_by_label() -> None:
    y = np.array([[1.0, np.nan], [0.0, np.nan], [1.0, np.nan]])
    z = np.arange(12.0).reshape(2, 3, 2)
    episode = ScoredEpisode("t", "f", TargetType.MULTILABEL, 3, 3, z, y)
    (one,) = episode.by_label()
    assert one.target_type is TargetType.BINARY
    np.testing.assert_array_equal(one.y, [1, 0, 1])
    np.testing.assert_array_equal(one.z[:, :, 1] - one.z[:, :, 0], z[:, :, 0])
    assert one.by_label()[0] is one
