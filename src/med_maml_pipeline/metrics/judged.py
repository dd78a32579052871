"""Scored predictions beside the facts of their episodes, after checks that the comparison is fair."""

from __future__ import annotations

import pandas as pd

from med_maml_pipeline.errors import ConfigurationError, MedMamlError
from med_maml_pipeline.metrics.scores import METRICS, score_predictions
from med_maml_pipeline.tasks.types import MetaSplit, TargetType

__all__ = ["episode_ways", "judged_predictions", "label_counts"]

_TASK = ["problem", "fold", "task_id"]
_LEARNER = ["problem", "fold", "learner", "seed"]


def judged_predictions(
    predictions: pd.DataFrame, tasks: pd.DataFrame, episodes: pd.DataFrame, costs: pd.DataFrame
) -> pd.DataFrame:
    """One row per test episode, learner and meta-training seed, with its metrics, task facts and costs.

    Args:
        predictions: Rows of all learners and seeds.
        tasks: Task table.
        episodes: Stored episodes of all meta-splits.
        costs: ``problem, fold, learner, seed, seconds_meta_fit, peak_memory_mib``.

    Returns:
        Columns ``episode_id, problem, fold, task_id, learner, lane, seed, source, family, protocol,
        regression, n_way, support_size, n_shot, seconds_adapt, seconds_meta_fit, peak_memory_mib`` and all
        metrics (NaN where undefined or of the other target type).

    Raises:
        MedMamlError: a learner was not judged on every stored test episode of its problem and fold with each
            seed, or on other episodes, or twice; learners have not equally many seeds; or a prediction is no
            number.
        ConfigurationError: two problems would share rows of the scoreboard.
    """
    test = episodes.loc[episodes["meta_split"] == MetaSplit.TEST]
    _same_number_of_seeds(predictions)
    _same_episodes(predictions, test)
    facts = tasks.loc[tasks["meta_split"] == MetaSplit.TEST].copy()
    facts["regression"] = facts["target_type"] == TargetType.REGRESSION
    _one_problem_each(facts)
    facts["n_labels"] = label_counts(facts)
    n_labels = predictions[_TASK].merge(facts[[*_TASK, "n_labels"]], on=_TASK, validate="m:1")["n_labels"]
    scores = score_predictions(predictions, n_labels.tolist()).pivot(
        index=["episode_id", "learner", "seed"], columns="metric", values="value"
    )
    scores = scores.reindex(columns=list(METRICS)).reset_index()
    judged = predictions.drop(columns=["scores", "y"])
    judged = judged.merge(test[["episode_id", "support_size", "n_shot"]], on="episode_id", validate="m:1")
    facts["n_way"] = episode_ways(facts)
    facts = facts[[*_TASK, "source", "family", "protocol", "regression", "n_way"]]
    judged = judged.merge(facts, on=_TASK, validate="m:1")
    spent = costs[[*_LEARNER, "seconds_meta_fit", "peak_memory_mib"]]
    judged = judged.merge(spent, on=_LEARNER, how="left", validate="m:1")
    return judged.merge(scores, on=["episode_id", "learner", "seed"], validate="1:1")


def episode_ways(tasks: pd.DataFrame) -> pd.Series:
    """Number of classes in an episode of each task ``[n]`` int64; 0 for numbers and several labels."""
    ways = tasks["n_classes"].where(tasks["ways"].isna(), tasks["ways"]).astype("int64")
    return ways.where(tasks["target_type"] != TargetType.MULTILABEL, 0)


def label_counts(tasks: pd.DataFrame) -> pd.Series:
    """Number of labels of each task ``[n]`` int64; 0 where its target is not multilabel."""
    return tasks["n_classes"].where(tasks["target_type"] == TargetType.MULTILABEL, 0).astype("int64")


def _same_number_of_seeds(predictions: pd.DataFrame) -> None:
    """The mean over three seeds is not to be compared with a single draw."""
    if "seed" not in predictions:
        raise MedMamlError("predictions have no column 'seed'; run adaptation again with this version.")
    counts = predictions.groupby("learner")["seed"].nunique()
    if counts.nunique() > 1:
        raise MedMamlError(
            f"number of meta-training seeds: {counts.min()} for learner '{counts.idxmin()}', "
            f"{counts.max()} for '{counts.idxmax()}'; expected as many for all; run meta-training and "
            f"adaptation of every lane with the same 'seeds'."
        )


def _same_episodes(predictions: pd.DataFrame, test: pd.DataFrame) -> None:
    """A learner may not be judged on the episodes where it did well."""
    stored = {key: set(rows) for key, rows in test.groupby(["problem", "fold"])["episode_id"]}
    for (problem, fold, learner, _), rows in predictions.groupby(_LEARNER)["episode_id"]:
        expected, found = stored.get((problem, fold), set()), set(rows)
        if found != expected or len(rows) != len(found):
            raise MedMamlError(
                f"problem '{problem}', fold {fold}, learner '{learner}': {len(rows)} predictions cover "
                f"{len(found & expected)} of {len(expected)} stored test episodes and "
                f"{len(found - expected)} others; expected one per episode; "
                f"run adaptation again on these episodes."
            )


def _one_problem_each(facts: pd.DataFrame) -> None:
    keys = ["source", "family", "protocol", "regression"]
    for (source, family, protocol, _), problems in facts.groupby(keys)["problem"]:
        names = sorted(problems.unique())
        if len(names) > 1:
            raise ConfigurationError(
                f"source '{source}', family '{family}', protocol '{protocol}': the problems "
                f"{', '.join(names)} would share rows of the scoreboard; give each its own family name."
            )
