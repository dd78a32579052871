"""Stacked ensembles of fewer members: fitted to stored validation predictions, judged on test episodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from med_maml_pipeline.learners.adaptation import PREDICTION_COLUMNS
from med_maml_pipeline.learners.ensembles import ENSEMBLES, Ensemble
from med_maml_pipeline.learners.ensembles.protocol import LANE
from med_maml_pipeline.learners.ensembles.scored_episode import ScoredEpisode, own_scale
from med_maml_pipeline.learners.ensembles.scored_tables import members_in, scored_episodes
from med_maml_pipeline.learners.registry import LEARNERS
from med_maml_pipeline.metrics.choice import OUR_LANES
from med_maml_pipeline.metrics.contest import ALL_FOLDS, Contest, contests
from med_maml_pipeline.metrics.intervals import N_BOOTSTRAP, bootstrap_mean, paired_difference
from med_maml_pipeline.metrics.judged import judged_predictions
from med_maml_pipeline.metrics.primary import primary_metric
from med_maml_pipeline.tasks.types import MetaSplit, Problem

__all__ = ["FULL", "SELECTED", "VARIANTS", "compared", "refitted"]

FULL, SELECTED = "full", "selected"

_LEFT_OUT: Mapping[str, Callable[[str, str], bool]] = {
    FULL: lambda name, lane: False,
    "without the prior": lambda name, lane: name in {"prior", "prior_residual"},
    "without adaptation": lambda name, lane: lane in OUR_LANES,
    "without kernels": lambda name, lane: name in _KERNELS,
    "without trees": lambda name, lane: name in {"forest", "forest_on_features", "boosting"},
}
_KERNELS = {"tanimoto_krr", "kernel_ridge", "svm", "prior_residual", "dkt", "adkf"}

VARIANTS = (*_LEFT_OUT, SELECTED)
"""Which members go, by name or lane: the lanes of adaptation are optimisation, metric, model and transfer."""


def refitted(problem: Problem, validation: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """Predictions of every variant on the test episodes of one problem and fold.

    Args:
        problem: The problem and fold.
        validation / test: Stored predictions of all lanes for it, with all seeds.

    Returns:
        `PREDICTION_COLUMNS`, the variant in the place of the learner. A variant that leaves nobody or all
        members out is not made.
    """
    rows: list[dict[str, Any]] = []
    for seed in sorted(test["seed"].unique()):
        seen, asked = validation[validation["seed"] == seed], test[test["seed"] == seed]
        members = members_in(asked, list(LEARNERS))
        lessons = [one for _, one in scored_episodes(seen, problem, MetaSplit.VALIDATION, members)]
        episodes = dict(scored_episodes(asked, problem, MetaSplit.TEST, members))
        y = asked.drop_duplicates("episode_id").set_index("episode_id")["y"]
        for variant, ensemble, kept in _variants(
            members, dict(zip(asked["learner"], asked["lane"], strict=True))
        ):
            for name, scores in _combined(ensemble, members, kept, lessons, episodes):
                place = {"problem": problem.name, "fold": problem.fold, "task_id": episodes[name].task_id}
                mine = {"learner": variant, "lane": LANE, "seed": int(seed), "seconds_adapt": 0.0}
                told = {"scores": scores.reshape(-1), "y": y[name]}
                rows.append({"episode_id": name, **place, **mine, **told})
    return pd.DataFrame(rows, columns=list(PREDICTION_COLUMNS))


def _variants(members: Sequence[str], lanes: Mapping[str, str]) -> Iterator[tuple[str, Ensemble, list[int]]]:
    yield SELECTED, ENSEMBLES["selected"], list(range(len(members)))
    for variant, gone in _LEFT_OUT.items():
        kept = [place for place, name in enumerate(members) if not gone(name, lanes[name])]
        if variant == FULL or 0 < len(kept) < len(members):
            yield variant, ENSEMBLES["stacked"], kept


def _combined(
    ensemble: Ensemble,
    members: Sequence[str],
    kept: Sequence[int],
    lessons: Sequence[ScoredEpisode],
    episodes: Mapping[str, ScoredEpisode],
) -> Iterator[tuple[str, np.ndarray]]:
    checkpoint = ensemble.fit([members[place] for place in kept], [one.of(kept) for one in lessons])
    for name, episode in episodes.items():
        scores = ensemble.combine(checkpoint, episode.of(kept))
        yield name, own_scale(scores, episode.target_type, episode.scale)


def compared(
    predictions: pd.DataFrame,
    tasks: pd.DataFrame,
    episodes: pd.DataFrame,
    *,
    seed: int,
    n_bootstrap: int = N_BOOTSTRAP,
) -> list[dict[str, Any]]:
    """Every variant less the full stack, on the primary metric of every family and support size.

    Args:
        predictions: Those of `refitted`, of all problems and folds of one modality.
        tasks: Its task table.
        episodes: Its episodes.
        seed: Of the bootstrap.
        n_bootstrap: Replicates.

    Returns:
        Per cell ``source, family, protocol, support_size, n_shot, n_way, metric, n_tasks``, of the full stack
        ``value, low, high``, and ``differences``: per variant mean, low, high and p-value, None where the
        variant could not be made.
    """
    costs = pd.DataFrame(
        columns=["problem", "fold", "learner", "seed", "seconds_meta_fit", "peak_memory_mib"]
    )
    costs = costs.astype(predictions[["problem", "fold", "learner", "seed"]].dtypes)
    judged = judged_predictions(predictions, tasks, episodes, costs)
    whole = [contest for contest in contests(judged) if contest.fold == ALL_FOLDS]
    return [_cell(contest, _metric(contest, whole), seed, n_bootstrap) for contest in whole]


def _metric(contest: Contest, whole: Sequence[Contest]) -> str:
    family = [one for one in whole if _family(one) == _family(contest)]
    return primary_metric(
        regression=contest.regression,
        ways=[one.n_way for one in family],
        balanced=all(one.n_shot is not None for one in family),
    )


def _family(contest: Contest) -> tuple[str, str, str, bool]:
    return contest.source, contest.family, contest.protocol, contest.regression


def _cell(contest: Contest, metric: str, seed: int, n_bootstrap: int) -> dict[str, Any]:
    place, names = contest.metrics.index(metric), contest.episodes["task_id"].to_numpy()
    own = {variant: entry.values[:, place] for variant, entry in contest.entries.items()}
    full = bootstrap_mean(own[FULL], names, seed=seed, n_bootstrap=n_bootstrap)
    differences: dict[str, Any] = {}
    for variant in VARIANTS:
        if variant != FULL:
            found = (
                paired_difference(own[variant], own[FULL], names, seed=seed, n_bootstrap=n_bootstrap)
                if variant in own
                else None
            )
            differences[variant] = found and (found.mean, found.low, found.high, found.p_value)
    facts = ("source", "family", "protocol", "support_size", "n_shot", "n_way")
    shared = {name: getattr(contest, name) for name in facts}
    values = {"value": full.mean, "low": full.low, "high": full.high}
    return {**shared, "metric": metric, "n_tasks": full.n_tasks, **values, "differences": differences}
