"""All lanes together for a user's own cases: what the members say, combined as the ensemble learned to."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from own_cases import (
    KINDS,
    Store,
    encoded,
    meta_trained,
    problem,
    selection_of,
    tables,
    trained,
)

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.learners.adaptation import predict_validation_episodes
from med_maml_pipeline.learners.checkpoints import CheckpointKey, checkpoint_files, load_checkpoint
from med_maml_pipeline.learners.ensembles import ENSEMBLES
from med_maml_pipeline.learners.ensembles.scored_episode import common_scale
from med_maml_pipeline.learners.ensembles.scored_tables import members_in, scored_episodes
from med_maml_pipeline.learners.registry import get_learner
from med_maml_pipeline.learners.scores import TargetScale
from med_maml_pipeline.personalisation import PersonalisationSettings, personalise_ensemble
from med_maml_pipeline.personalisation.choice import settings_for
from med_maml_pipeline.tasks.types import FloatArray, MetaSplit, Support, TargetType

LANES = ("maml", "metric", "classical", "control")
LEARNERS = ("maml", "protonet", "logistic", "knn", "prior", "prior_residual", "untrained")
ABLE = ("maml", "protonet", "logistic", "knn", "untrained")
"""Those that learn other targets than those of meta-training."""
Together = Callable[..., pd.DataFrame]


def lane_store(lane: str) -> Store:
    return trained(lane, alike=True, learners=LEARNERS)


@cache
def ensembles() -> Store:
    """What ensembles learn from the validation predictions of some lanes; the prior is one of the members."""
    own = problem(alike=True)
    done = [
        t
        for lane in LANES
        for t in meta_trained(lane, shared=True, alike=True, seeds=(0,), learners=LEARNERS)
    ]
    checkpoints = {t.key: t.checkpoint for t in done}
    predictions = predict_validation_episodes([own], checkpoints, selection_of(done), 10)
    members = members_in(predictions, LEARNERS)
    lessons = [e for _, e in scored_episodes(predictions, own, MetaSplit.VALIDATION, members)]
    store = Store()
    for name, ensemble in ENSEMBLES.items():
        fit = ensemble.fit(members, lessons)
        store.files |= dict(checkpoint_files(CheckpointKey("p", 0, name, 0), fit))
    return store


def weighted(**weights: float) -> Store:
    """The ensemble ``stacked`` with weights of our own choice for classes, none for the members not named."""
    store = Store(dict(ensembles().files))
    members = store.files["p/0/0/stacked.json"]["facts"]["members"]
    row = np.array([weights.get(name, 0.0) for name in members])
    arrays = store.files["p/0/0/stacked.safetensors"]
    store.files["p/0/0/stacked.safetensors"] = {**arrays, "classes.weights": np.stack([row, row])}
    return store


@pytest.fixture
def together(tmp_path: Path) -> Together:
    """Writes a user's tables and asks all lanes for predictions."""

    def predict(
        frame: pd.DataFrame,
        *,
        store: Store | None = None,
        stores: list[Store] | None = None,
        query: pd.DataFrame | None = None,
        **settings: object,
    ) -> pd.DataFrame:
        support_file, query_file = tables(tmp_path, frame, 10)
        if query is not None:
            query.to_csv(query_file, index=False)
        return personalise_ensemble(
            ensembles() if store is None else store,
            [lane_store(lane) for lane in LANES] if stores is None else stores,
            support_file,
            query_file,
            PersonalisationSettings(**settings),
            modality="ehr",
            lane="ehr.ensemble",
            seed=0,
        )

    return predict


def directly(own: pd.DataFrame, member: str, target_type: TargetType, n_classes: int) -> FloatArray:
    """Scores of the query by one member, called by itself."""
    store = next(store for store in map(lane_store, LANES) if f"p/0/0/{member}.json" in store.files)
    y = own["label"].to_numpy(dtype=np.float32)
    support = Support(encoded(own)[:10], y[:10], KINDS, target_type, n_classes)
    size = 10 if target_type is TargetType.REGRESSION else int(np.bincount(y[:10].astype(int)).min())
    settings = settings_for(store.read("p/0/selection.csv"), member, target_type, size)
    checkpoint = load_checkpoint(store, CheckpointKey("p", 0, member, 0))
    return get_learner(member).adapt(checkpoint, support, settings, 0)(encoded(own)[10:])


def probabilities(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def shown(table: pd.DataFrame) -> np.ndarray:
    return table.filter(like="probability_").to_numpy()


def test_a_weighted_sum_of_the_members_called_directly(together, own):
    weights = {"maml": 0.7, "logistic": 0.4, "prior": 0.2}
    store = weighted(**weights)
    threshold = store.files["p/0/0/stacked.safetensors"]["classes.threshold"]
    total = np.zeros((20, 2))
    for member, weight in weights.items():
        logits = directly(own, member, TargetType.BINARY, 2).astype(np.float64)
        total += weight * (logits - logits.mean(axis=1, keepdims=True))
    total += threshold.mean() * np.array([-0.5, 0.5])
    made = together(own, store=store)
    np.testing.assert_allclose(shown(made), probabilities(total), atol=1e-6)
    assert made["id"].tolist() == own["id"].tolist()[10:]
    assert made["prediction"].tolist() == [str(label) for label in total.argmax(axis=1)]


def test_the_selected_learner_alone(together, own):
    made = together(own, learner="selected")
    alone = {name: directly(own, name, TargetType.BINARY, 2).astype(np.float64) for name in LEARNERS}
    close = [name for name, z in alone.items() if np.allclose(shown(made), probabilities(z), atol=1e-6)]
    assert len(close) == 1


class Gone(Store):
    """A store one of whose checkpoints cannot be read."""

    def read(self, name: str) -> object:
        if name == "p/0/0/protonet.safetensors":
            raise KeyError(name)
        return super().read(name)


def test_members_without_a_weight_are_not_asked(together, own):
    damaged = [Gone(dict(lane_store(lane).files)) for lane in LANES]
    with pytest.raises(KeyError, match="protonet"):
        together(own, store=weighted(protonet=1.0), stores=damaged)
    made = together(own, store=weighted(maml=1.0), stores=damaged)
    pd.testing.assert_frame_equal(made, together(own, store=weighted(maml=1.0)))


def test_a_member_whose_checkpoint_is_gone(together, own):
    without = [lane_store(lane) for lane in LANES if lane != "metric"]
    with pytest.raises(
        ConfigurationError, match=r"ehr\.ensemble: the ensemble counts on .*protonet.*'roster'"
    ):
        together(own, stores=without)


def test_an_ensemble_that_is_not_there(together, own):
    with pytest.raises(
        ConfigurationError, match="no checkpoint of learner 'stakced' .* did you mean 'stacked'"
    ):
        together(own, learner="stakced")
    with pytest.raises(ConfigurationError, match="this lane has no checkpoint"):
        together(own, store=Store())


def test_three_classes_leave_the_prior_out(together, own, caplog):
    own = own.assign(label=own["creatinine"].rank(method="first").astype(int) % 3)
    store = weighted(maml=0.5, knn=0.3, prior=5.0)
    with caplog.at_level(logging.INFO):
        made = together(own, store=store)
    assert "ehr.ensemble: stacked (maml, knn) adapts to 10 support cases in 3 classes" in caplog.text
    assert "saw no multiclass task in meta-training: no head is learned for it by maml" in caplog.text
    total = np.zeros((20, 3))
    for member, weight in {"maml": 0.5, "knn": 0.3}.items():
        logits = directly(own, member, TargetType.MULTICLASS, 3).astype(np.float64)
        total += weight * (logits - logits.mean(axis=1, keepdims=True))
    np.testing.assert_allclose(shown(made), probabilities(total), atol=1e-6)


def test_where_only_the_prior_has_a_weight_all_others_count_alike(together, own, caplog):
    own = own.assign(label=own["creatinine"].rank(method="first").astype(int) % 3)
    with caplog.at_level(logging.INFO):
        made = together(own, store=weighted(prior=1.0))
    assert f"stacked ({', '.join(ABLE)}) adapts" in caplog.text
    each = [directly(own, name, TargetType.MULTICLASS, 3).astype(np.float64) for name in ABLE]
    mean = np.mean([logits - logits.mean(axis=1, keepdims=True) for logits in each], axis=0)
    np.testing.assert_allclose(shown(made), probabilities(mean), atol=1e-6)


def test_values_are_combined_on_the_scale_of_the_support(together, own):
    """No validation task had numbers: members that can predict them count alike."""
    own = own.assign(label=(own["creatinine"] * 100).round(1))
    made = together(own, target_type="regression")
    scale = TargetScale.fit(own["label"].to_numpy(dtype=np.float32)[:10])
    each = [
        common_scale(directly(own, name, TargetType.REGRESSION, 0), TargetType.REGRESSION, scale)
        for name in ABLE
    ]
    expected = scale.restore(np.mean(each, axis=0)[:, 0])
    assert list(made.columns) == ["id", "value"]
    np.testing.assert_allclose(made["value"], expected, rtol=1e-5)


def test_a_case_alone_in_another_order_or_in_company_gets_the_same(together, own):
    asked = own.iloc[10:].drop(columns="label")
    made = together(own).set_index("id")
    turned = together(own, query=asked.iloc[::-1])
    assert turned["id"].tolist() == asked["id"].tolist()[::-1]
    np.testing.assert_allclose(shown(turned), shown(made)[::-1], atol=1e-6)
    alone = together(own, query=asked.iloc[[4]])
    np.testing.assert_allclose(shown(alone), shown(made)[[4]], atol=1e-6)


def test_no_checkpoint_is_changed(together, own):
    stores = [ensembles(), *map(lane_store, LANES)]

    def content() -> list[bytes]:
        return [
            array.tobytes()
            for store in stores
            for name, arrays in store.files.items()
            if name.endswith(".safetensors")
            for array in arrays.values()
        ]

    before = content()
    together(own)
    assert content() == before


def test_the_log_holds_counts_and_no_identifier_or_label(together, own, caplog):
    own = own.assign(label=np.where(own["label"] == 1, "sickly", "healthy"))
    with caplog.at_level(logging.DEBUG):
        together(own, positive="sickly")
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "adapts to 10 support cases in 2 classes and predicts 20" in text
    for word in ("case-", "sickly", "healthy", "support.csv", "query.csv"):
        assert word not in text
