"""Which checkpoint and which settings serve a support set."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.learners.adaptation import chosen_settings
from med_maml_pipeline.learners.checkpoints import CheckpointKey
from med_maml_pipeline.learners.protocol import Settings
from med_maml_pipeline.personalisation.settings import PersonalisationSettings
from med_maml_pipeline.tasks.types import TargetType
from med_maml_pipeline.validation import did_you_mean

__all__ = ["best_learner", "choose_problem", "settings_for"]

_ANY_FAMILY = ""  # a user's own task is of no family


def choose_problem(
    keys: Sequence[CheckpointKey], settings: PersonalisationSettings, lane: str
) -> tuple[str, int, int, tuple[str, ...]]:
    """Problem, fold, seed and the learners that have a checkpoint there; the learner asked for, if any.

    Where learners were meta-trained with several seeds, the first one serves.

    Args:
        keys: What the lane's checkpoints hold.
        settings: What the user asks for.
        lane: Namespace of the lane, for messages.

    Raises:
        ConfigurationError: the lane has no checkpoint, or not the problem, fold or learner asked for, or
            several problems of which none is named.
    """
    problems = list(dict.fromkeys(problem for problem, _, _, _ in keys))
    if not problems:
        raise ConfigurationError(f"{lane}: this lane has no checkpoint; choose another lane")
    problem = settings.problem or problems[0]
    if settings.problem is None and len(problems) > 1:
        raise ConfigurationError(
            f"{lane}: there are checkpoints of {len(problems)} problems; say which one your cases are like "
            f"with --params personalisation.problem=NAME, one of: {', '.join(problems)}"
        )
    if problem not in problems:
        raise ConfigurationError(
            f"{lane}: no checkpoint of problem '{problem}'; {did_you_mean(problem, problems)}"
        )
    folds = sorted({fold for name, fold, _, _ in keys if name == problem})
    if settings.fold not in folds:
        raise ConfigurationError(
            f"{lane}: problem '{problem}' has no fold {settings.fold}; its folds are: "
            f"{', '.join(map(str, folds))}"
        )
    here = [key for key in keys if (key.problem, key.fold) == (problem, settings.fold)]
    seed = min(key.seed for key in here)
    learners = tuple(key.learner for key in here if key.seed == seed)
    if settings.learner is None:
        return problem, settings.fold, seed, learners
    if settings.learner not in learners:
        raise ConfigurationError(
            f"{lane}: no checkpoint of learner '{settings.learner}' for problem '{problem}'; "
            f"{did_you_mean(settings.learner, learners)}"
        )
    return problem, settings.fold, seed, (settings.learner,)


def best_learner(
    chosen: pd.DataFrame, learners: Sequence[str], target_type: TargetType, support_size: int
) -> str:
    """The learner with the best mean validation score on targets of this type, at the nearest support size.

    Classes stand in for classes where validation had none of just this type. Without any score: the first.

    Args:
        chosen: Rows of the selection table that are marked ``chosen``, of one problem, fold and seed.
        learners: Candidates, in the order of the lane.
        target_type: Type of the target.
        support_size: As episodes count it.
    """
    numeric = chosen["target_type"] == str(TargetType.REGRESSION)
    rows = chosen[
        chosen["learner"].isin(learners)
        & chosen["value"].notna()
        & (numeric == (target_type == TargetType.REGRESSION))
    ]
    same = rows[rows["target_type"] == str(target_type)]
    rows = same if len(same) else rows
    if rows.empty:
        return learners[0]
    away = (rows["support_size"] - support_size).abs()
    scores = rows[away == away.min()].groupby("learner")["value"].mean()
    return max((name for name in learners if name in scores), key=lambda name: float(scores[name]))


def settings_for(chosen: pd.DataFrame, learner: str, target_type: TargetType, support_size: int) -> Settings:
    """The adaptation settings that validation tasks chose for what comes nearest; see `chosen_settings`."""
    own = chosen[chosen["learner"] == learner]
    return chosen_settings(own, learner, _ANY_FAMILY, target_type, support_size)
