"""Which problem, fold, learner and settings serve a support set."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.learners.checkpoints import CheckpointKey
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.personalisation import PersonalisationSettings
from med_maml_pipeline.personalisation.choice import best_learner, choose_problem, settings_for
from med_maml_pipeline.tasks.types import TargetType

KEYS = [
    CheckpointKey("p", 0, "logistic", 4),
    CheckpointKey("p", 0, "forest", 4),
    CheckpointKey("p", 0, "logistic", 5),
    CheckpointKey("p", 0, "forest", 5),
    CheckpointKey("p", 1, "logistic", 4),
    CheckpointKey("q", 0, "knn", 4),
]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({}, r"there are checkpoints of 2 problems; .* personalisation\.problem=NAME, one of: p, q"),
        ({"problem": "pp"}, "no checkpoint of problem 'pp'; did you mean 'p'"),
        ({"problem": "p", "fold": 2}, "problem 'p' has no fold 2; its folds are: 0, 1"),
        ({"problem": "p", "learner": "knn"}, "no checkpoint of learner 'knn' for problem 'p'; known are"),
    ],
)
def test_what_is_not_there(asked, sentence):
    with pytest.raises(ConfigurationError, match=f"^ehr.classical: {sentence}"):
        choose_problem(KEYS, PersonalisationSettings(**asked), "ehr.classical")


def test_what_is_there():
    asked = PersonalisationSettings(problem="p")
    assert choose_problem(KEYS, asked, "x") == ("p", 0, 4, ("logistic", "forest"))  # the first seed
    assert choose_problem(KEYS[-1:], PersonalisationSettings(), "x") == ("q", 0, 4, ("knn",))
    asked = PersonalisationSettings(problem="p", fold=1, learner="logistic")
    assert choose_problem(KEYS, asked, "x") == ("p", 1, 4, ("logistic",))


def test_no_checkpoint_at_all():
    with pytest.raises(ConfigurationError, match="this lane has no checkpoint"):
        choose_problem([], PersonalisationSettings(), "ehr.control")


def _chosen(*entries: tuple[str, str, int, float]) -> pd.DataFrame:
    rows = [
        {
            "learner": learner,
            "family": "f",
            "target_type": kind,
            "support_size": size,
            "settings": json.dumps({"meta": {}, "adapt": {"from": f"{kind}-{size}"}}),
            "value": value,
        }
        for learner, kind, size, value in entries
    ]
    return pd.DataFrame(rows)


def test_the_best_learner_at_the_nearest_size():
    chosen = _chosen(
        ("forest", "binary", 5, 0.9), ("logistic", "binary", 5, 0.6),
        ("forest", "binary", 20, 0.6), ("logistic", "binary", 20, 0.9),
        ("logistic", "regression", 5, 0.99),
    )  # fmt: skip
    learners = ("logistic", "forest")
    assert best_learner(chosen, learners, TargetType.BINARY, 7) == "forest"
    assert best_learner(chosen, learners, TargetType.BINARY, 100) == "logistic"
    assert best_learner(chosen, learners, TargetType.MULTICLASS, 1) == "forest"  # classes stand in for it
    assert best_learner(chosen, learners, TargetType.REGRESSION, 5) == "logistic"
    assert best_learner(chosen, ("forest",), TargetType.REGRESSION, 5) == "forest"  # never validated
    assert best_learner(chosen.iloc[:0], learners, TargetType.BINARY, 5) == "logistic"


def test_settings_come_from_what_is_nearest():
    chosen = _chosen(("knn", "binary", 5, 0.9), ("knn", "binary", 20, 0.6), ("forest", "binary", 10, 0.5))
    assert settings_for(chosen, "knn", TargetType.BINARY, 11) == {"from": "binary-5"}
    assert settings_for(chosen, "knn", TargetType.MULTICLASS, 30) == {"from": "binary-20"}
    assert settings_for(chosen, "knn", TargetType.REGRESSION, 5) == get_learner("knn").adapt_grid[0]
