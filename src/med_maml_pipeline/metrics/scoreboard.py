"""The verdict as a table: every learner's value, interval and paired differences in every cell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from med_maml_pipeline.metrics.contest import Contest, Entry, contests
from med_maml_pipeline.metrics.intervals import N_BOOTSTRAP, Interval, bootstrap_columns
from med_maml_pipeline.metrics.judged import judged_predictions
from med_maml_pipeline.metrics.references import difference, sides
from med_maml_pipeline.metrics.schema import SCOREBOARD_COLUMNS, validate_scoreboard
from med_maml_pipeline.metrics.seeds import seed_sd
from med_maml_pipeline.metrics.tuning import Tuning
from med_maml_pipeline.tasks.checksums import episodes_checksum

__all__ = ["SCOREBOARD_COLUMNS", "build_scoreboard", "validate_scoreboard"]


def build_scoreboard(
    predictions: pd.DataFrame,
    tasks: pd.DataFrame,
    episodes: pd.DataFrame,
    selection: pd.DataFrame,
    costs: pd.DataFrame,
    *,
    modality: str,
    seed: int,
    n_bootstrap: int = N_BOOTSTRAP,
    training_seconds: float = float("nan"),
) -> pd.DataFrame:
    """Scores every learner on the same stored test episodes and sets it against the references.

    The value of a cell is the mean over tasks of the mean over draws of the mean over meta-training seeds.
    Differences are value minus reference
    on the same episodes, blank where there is no reference and in the rows of the reference itself. The
    classical reference is chosen per fold on validation episodes. ``docs/evaluation.md`` has the details.

    Args:
        predictions: Test predictions of all learners (columns as in ``docs/architecture.md``, as for all).
        tasks: Task table.
        episodes: Stored episodes.
        selection: Every setting tried on validation episodes.
        costs: Cost of each meta-training.
        modality: Printed in every row.
        seed: The first meta-training seed, also of the bootstrap; printed in every row.
        n_bootstrap: Replicates.
        training_seconds: Time budget of one meta-training; NaN where there was none.

    Returns:
        `SCOREBOARD_COLUMNS`; fold ``all``, then each fold where there are several.

    Raises:
        MedMamlError: predictions do not cover the stored test episodes, or are no numbers.
        ConfigurationError: two problems share a source, family and protocol.
    """
    if predictions.empty:
        return validate_scoreboard(pd.DataFrame(columns=list(SCOREBOARD_COLUMNS)))
    stored = episodes.set_axis(episodes["episode_id"].to_numpy(), axis=0)
    tuning = Tuning.of(tasks, selection)
    records = []
    for contest in contests(judged_predictions(predictions, tasks, episodes, costs)):
        checksum = episodes_checksum(stored.loc[contest.episodes["episode_id"]])
        run = {"modality": modality, "seed": seed, "episodes_checksum": checksum}
        for entry, row in _rows(contest, selection, seed, n_bootstrap):
            allowed = training_seconds * len(contest.folds)
            records.append(
                {**run, **row, "seconds_budget": allowed, "selected_on": tuning.words(contest, entry)}
            )
    return validate_scoreboard(pd.DataFrame(records, columns=list(SCOREBOARD_COLUMNS)))


def _rows(
    contest: Contest, selection: pd.DataFrame, seed: int, n_bootstrap: int
) -> Iterator[tuple[Entry, dict[str, object]]]:
    """One row per learner and metric of a contest, without what is the same in the whole run."""
    held = sides(contest, selection)
    columns = [
        table
        for entry in held.entries.values()
        for table in (entry.values, difference(entry, held.classical), difference(entry, held.prior))
    ]
    intervals = bootstrap_columns(
        np.concatenate(columns, axis=1), contest.episodes["task_id"], seed=seed, n_bootstrap=n_bootstrap
    )
    n_metrics = len(contest.metrics)
    for number, (name, entry) in enumerate(held.entries.items()):
        own = intervals[3 * number * n_metrics : 3 * (number + 1) * n_metrics]
        spread = seed_sd(entry.by_seed, contest.episodes["task_id"])
        shared = {**_cell(contest), "learner": name, "lane": entry.lane, "n_seeds": len(entry.by_seed)}
        shared |= _costs(contest, entry)
        for place, metric in enumerate(contest.metrics):
            estimates = _estimates(*own[place::n_metrics])
            yield entry, {**shared, "metric": metric, **estimates, "seed_sd": float(spread[place])}


def _cell(contest: Contest) -> dict[str, object]:
    return {
        "source": contest.source,
        "task_family": contest.family,
        "fold": contest.fold,
        "protocol": contest.protocol,
        "n_way": contest.n_way,
        "n_shot": contest.n_shot,
        "support_size": contest.support_size,
    }


def _estimates(value: Interval, to_classical: Interval, to_prior: Interval) -> dict[str, object]:
    return {
        "value": value.mean,
        "ci_low": value.low,
        "ci_high": value.high,
        "diff_to_classical": to_classical.mean,
        "diff_low": to_classical.low,
        "diff_high": to_classical.high,
        "p_to_classical": to_classical.p_value,
        "diff_to_prior": to_prior.mean,
        "diff_to_prior_low": to_prior.low,
        "diff_to_prior_high": to_prior.high,
        "p_to_prior": to_prior.p_value,
        "n_tasks": value.n_tasks,
        "n_episodes": value.n_episodes,
    }


def _costs(contest: Contest, entry: Entry) -> dict[str, float]:
    """Seconds of adaptation per task; seconds of all meta-trainings and the largest memory over folds."""
    spent = pd.DataFrame(entry.costs, columns=["adapt", "meta_fit", "memory"])
    per_fold = spent.groupby(contest.episodes["fold"].to_numpy()).first()
    return {
        "seconds_meta_fit": float(per_fold["meta_fit"].sum(skipna=False)),
        "seconds_adapt_per_task": float(
            spent.groupby(contest.episodes["task_id"].to_numpy())["adapt"].mean().mean()
        ),
        "peak_memory_mib": float(per_fold["memory"].max(skipna=False)),
    }
