"""Ensembles of every problem and fold: learned on validation predictions, used on test predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from med_maml_pipeline.learners.adaptation import PREDICTION_COLUMNS
from med_maml_pipeline.learners.checkpoints import CheckpointKey
from med_maml_pipeline.learners.ensembles import ENSEMBLES
from med_maml_pipeline.learners.ensembles.held_out import held_out_scores
from med_maml_pipeline.learners.ensembles.protocol import LANE, Ensemble
from med_maml_pipeline.learners.ensembles.scored_episode import ScoredEpisode, own_scale
from med_maml_pipeline.learners.ensembles.scored_tables import members_in, scored_episodes
from med_maml_pipeline.learners.protocol import Checkpoint, ProgressCallback, silent
from med_maml_pipeline.learners.registry import LEARNERS, get_learner
from med_maml_pipeline.learners.training import COST_COLUMNS, SELECTION_COLUMNS
from med_maml_pipeline.tasks.types import MetaSplit, Problem

__all__ = ["Combined", "combine"]


@dataclass(frozen=True)
class Combined:
    """What the ensembles of one modality leave behind: the same tables as any lane.

    Attributes:
        checkpoints: By their keys.
        predictions: Of all test episodes, with `PREDICTION_COLUMNS`.
        selection: Their scores on validation tasks, each left out of the fit that scored it.
        costs: Those of all members together.
    """

    checkpoints: Mapping[CheckpointKey, Checkpoint]
    predictions: pd.DataFrame
    selection: pd.DataFrame
    costs: pd.DataFrame


@dataclass(frozen=True)
class _Lane:
    """All that the lanes say of one problem, fold and seed."""

    problem: Problem
    seed: int
    members: tuple[str, ...]
    validation: Mapping[str, ScoredEpisode]
    test: Mapping[str, ScoredEpisode]
    predictions: pd.DataFrame
    costs: pd.DataFrame

    def key(self, ensemble: Ensemble) -> dict[str, Any]:
        return {
            "problem": self.problem.name,
            "fold": self.problem.fold,
            "learner": ensemble.name,
            "seed": self.seed,
        }


def combine(
    problems: Sequence[Problem],
    validation: pd.DataFrame,
    test: pd.DataFrame,
    costs: pd.DataFrame,
    *,
    progress: ProgressCallback = silent,
) -> Combined:
    """Learns every ensemble on the validation predictions of all lanes and uses it on the test predictions.

    Args:
        problems: One per fold.
        validation: Predictions of validation episodes by all learners, with all seeds.
        test: Predictions of test episodes.
        costs: Of the meta-trainings.
        progress: Told after each problem, fold and seed.
    """
    checkpoints: dict[CheckpointKey, Checkpoint] = {}
    predictions, selection, spent = [], [], []
    lanes = [lane for problem in problems for lane in _lanes(problem, validation, test, costs)]
    for number, lane in enumerate(lanes, start=1):
        for ensemble in ENSEMBLES.values():
            checkpoint = ensemble.fit(lane.members, list(lane.validation.values()))
            checkpoints[CheckpointKey(**lane.key(ensemble))] = checkpoint
            predictions.extend(_predictions(lane, ensemble, checkpoint))
            selection.extend(_selection(lane, ensemble, checkpoint))
            spent.append(_cost(lane, ensemble))
        progress(number, len(lanes), {})
    return Combined(
        checkpoints,
        pd.DataFrame(predictions, columns=list(PREDICTION_COLUMNS)),
        pd.DataFrame(selection, columns=list(SELECTION_COLUMNS)),
        pd.DataFrame(spent, columns=list(COST_COLUMNS)),
    )


def _lanes(
    problem: Problem, validation: pd.DataFrame, test: pd.DataFrame, costs: pd.DataFrame
) -> list[_Lane]:
    here = _of(problem)
    own, lessons, spent = here(test), here(validation), here(costs)
    found = []
    for seed in sorted(own["seed"].unique()):
        asked, seen = own[own["seed"] == seed], lessons[lessons["seed"] == seed]
        members = members_in(asked, list(LEARNERS))
        found.append(
            _Lane(
                problem,
                int(seed),
                members,
                dict(scored_episodes(seen, problem, MetaSplit.VALIDATION, members)),
                dict(scored_episodes(asked, problem, MetaSplit.TEST, members)),
                asked,
                spent[spent["seed"] == seed],
            )
        )
    return found


def _of(problem: Problem) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda table: table[(table["problem"] == problem.name) & (table["fold"] == problem.fold)]


def _predictions(lane: _Lane, ensemble: Ensemble, checkpoint: Checkpoint) -> list[dict[str, Any]]:
    seconds = lane.predictions.set_index(["episode_id", "learner"])["seconds_adapt"]
    first = lane.predictions.drop_duplicates("episode_id").set_index("episode_id")
    rows = []
    for name, episode in lane.test.items():
        scores = own_scale(ensemble.combine(checkpoint, episode), episode.target_type, episode.scale)
        used = [(name, member) for member in ensemble.used(checkpoint, episode)]
        rows.append(
            {
                **lane.key(ensemble),
                "episode_id": name,
                "task_id": episode.task_id,
                "lane": LANE,
                "scores": scores.reshape(-1),
                "y": first.at[name, "y"],
                "seconds_adapt": float(seconds.loc[used].sum()),
            }
        )
    return rows


def _selection(lane: _Lane, ensemble: Ensemble, checkpoint: Checkpoint) -> list[dict[str, Any]]:
    cells = held_out_scores(ensemble, checkpoint, lane.members, list(lane.validation.values()))
    return [
        {
            **lane.key(ensemble),
            "family": family,
            "target_type": target_type,
            "support_size": size,
            "settings": "{}",
            "metric": metric,
            "value": value,
            "n_episodes": n_episodes,
            "chosen": True,
        }
        for (family, target_type, size, metric), (value, n_episodes) in cells.items()
    ]


def _cost(lane: _Lane, ensemble: Ensemble) -> dict[str, Any]:
    """Seconds of all members, a meta-training that several share counted once; their largest memory."""
    trunk = lane.costs["learner"].map(lambda name: getattr(get_learner(name), "trunk", name))
    once = lane.costs[~trunk.duplicated()]
    return {
        **lane.key(ensemble),
        "seconds_meta_fit": float(once["seconds_meta_fit"].sum()),
        "peak_memory_mib": float(once["peak_memory_mib"].max()),
    }
