"""A fabricated run: tables as the stages store them, small enough to know by heart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from med_maml_pipeline.metrics.scoreboard import build_scoreboard

LANE_OF = {
    "maml": "optimisation",
    "protonet": "metric",
    "linear_probe": "transfer",
    "logistic": "classical",
    "forest": "classical",
    "prior": "control",
}


@dataclass
class Run:
    predictions: pd.DataFrame
    tasks: pd.DataFrame
    episodes: pd.DataFrame
    selection: pd.DataFrame
    costs: pd.DataFrame

    def scoreboard(self, **changes: Any) -> pd.DataFrame:
        options = {"modality": "ehr", "seed": 3, "n_bootstrap": 200, **changes}
        return build_scoreboard(
            self.predictions, self.tasks, self.episodes, self.selection, self.costs, **options
        )


def _validation_values(learner: str, fold: int) -> float:
    return {"maml": 0.75, "protonet": 0.7, "linear_probe": 0.6, "logistic": 0.65, "forest": 0.68}.get(
        learner, 0.5
    )


def make_run(
    *,
    n_tasks: int = 4,
    draws: int = 2,
    n_query: int = 24,
    n_classes: int = 2,
    folds: int = 1,
    sizes: tuple[int, ...] = (5, 10),
    skill: Mapping[str, float] = {},
    learners: tuple[str, ...] = tuple(LANE_OF),
    validation: Callable[[str, int], float] = _validation_values,
    family: str = "condition",
    source: str = "ward",
    problem: str = "ward_condition",
    protocol: str = "disjoint",
    natural: bool = False,
    seed: int = 0,
    seeds: tuple[int, ...] = (3,),
) -> Run:
    """Every task is test in one fold, ``v`` is for validation; ``skill`` is a learner's signal."""
    rng = np.random.default_rng(seed)
    regression = n_classes == 0
    target = "regression" if regression else "binary" if n_classes == 2 else "multiclass"
    tasks, episodes, predictions, selection, costs = [], [], [], [], []
    for fold in range(folds):
        tested = [f"{source}/main/{family}/t{i}" for i in range(n_tasks) if i % folds == fold]
        facts = {
            "problem": problem,
            "fold": fold,
            "source": source,
            "table": "main",
            "family": family,
            "target_type": target,
            "n_classes": n_classes,
            "ways": pd.NA,
            "protocol": protocol,
        }
        names = [*((name, "test") for name in tested), (f"{source}/main/{family}/v", "validation")]
        for task_id, split in names:
            tasks.append(
                {**facts, "task_id": task_id, "meta_split": split, "label": task_id.rsplit("/", 1)[1]}
            )
            for size in sizes:
                for draw in range(draws):
                    episode_id = f"{problem}/{fold}/{task_id}/{size}/{draw}"
                    episodes.append(
                        {
                            "episode_id": episode_id,
                            "problem": problem,
                            "fold": fold,
                            "task_id": task_id,
                            "meta_split": split,
                            "support_size": size,
                            "n_shot": None if natural else size,
                            "draw": draw,
                            "support": rng.permutation(50)[:size],
                            "query": rng.permutation(50)[:n_query],
                        }
                    )
                    if split != "test":
                        continue
                    if regression:
                        y = rng.normal(size=n_query)
                    else:
                        y = rng.permutation(np.arange(n_query) % n_classes).astype(float)
                    for learner, train_seed in product(learners, seeds):
                        signal = skill.get(learner, 0.5)
                        if regression:
                            scores = signal * y + rng.normal(size=n_query)
                        else:
                            scores = rng.normal(size=(n_query, n_classes))
                            scores[np.arange(n_query), y.astype(int)] += signal
                        predictions.append(
                            {
                                "episode_id": episode_id,
                                "problem": problem,
                                "fold": fold,
                                "task_id": task_id,
                                "learner": learner,
                                "lane": LANE_OF[learner],
                                "seed": train_seed,
                                "scores": scores.reshape(-1),
                                "y": y,
                                "seconds_adapt": 0.5,
                            }
                        )
        for learner, train_seed in product(learners, seeds):
            costs.append(
                {
                    "problem": problem,
                    "fold": fold,
                    "learner": learner,
                    "seconds_meta_fit": 10.0,
                    "peak_memory_mib": 100.0 + fold,
                    "seed": train_seed,
                }
            )
            for size in sizes:
                for chosen, loss in ((True, 0.0), (False, 0.2)):
                    selection.append(
                        {
                            "problem": problem,
                            "fold": fold,
                            "family": family,
                            "learner": learner,
                            "seed": train_seed,
                            "support_size": size,
                            "settings": "{}",
                            "metric": "r2" if regression else "auroc",
                            "value": validation(learner, fold) - loss,
                            "n_episodes": draws,
                            "chosen": chosen,
                        }
                    )
    frames = (predictions, tasks, episodes, selection, costs)
    return Run(*(pd.DataFrame(rows) for rows in frames))


@pytest.fixture
def fabricate() -> Callable[..., Run]:
    """`make_run`."""
    return make_run
