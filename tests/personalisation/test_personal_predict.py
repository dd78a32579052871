"""Predictions under the user's own identifiers: the learner's own scores, row by row, and nothing else."""

from __future__ import annotations

import json
import logging

import numpy as np
import pandas as pd
import pytest
from own_cases import KINDS, Store, encoded, rows, trained

from med_maml_pipeline.errors import ConfigurationError, DataError
from med_maml_pipeline.learners.checkpoints import CheckpointKey, load_checkpoint
from med_maml_pipeline.learners.registry import get_learner, roster
from med_maml_pipeline.personalisation import PersonalisationSettings, personalise
from med_maml_pipeline.tasks.types import Support, TargetType

ABLE = ("maml", "metric", "transfer", "classical")


def _chosen_settings(store: Store, learner: str) -> dict[str, object]:
    chosen = store.read("p/0/selection.csv")
    (text,) = chosen.loc[chosen["learner"] == learner, "settings"]
    return json.loads(text)["adapt"]


@pytest.mark.parametrize("lane", ABLE)
def test_scores_are_those_of_the_learner_called_directly(ask, own, lane):
    store = trained(lane)
    for learner in (name for name in roster("core", lane) if f"p/0/0/{name}.json" in store.files):
        table = ask(own, lane, learner=learner)
        y = own["label"].to_numpy(dtype=np.float32)
        support = Support(encoded(own)[:10], y[:10], KINDS, TargetType.BINARY, 2)
        checkpoint = load_checkpoint(store, CheckpointKey("p", 0, learner, 0))
        settings = _chosen_settings(store, learner)
        logits = get_learner(learner).adapt(checkpoint, support, settings, 0)(encoded(own)[10:])
        wide = logits.astype(np.float64)
        expected = np.exp(wide - wide.max(axis=1, keepdims=True))
        expected /= expected.sum(axis=1, keepdims=True)
        assert list(table.columns) == ["id", "prediction", "probability_0", "probability_1"]
        assert table["id"].tolist() == own["id"].tolist()[10:]
        np.testing.assert_array_equal(table.filter(like="probability_").to_numpy(), expected)
        assert table["prediction"].tolist() == [str(label) for label in expected.argmax(axis=1)]


@pytest.mark.parametrize("lane", ABLE)
def test_a_case_alone_or_in_company_gets_the_same(ask, own, lane):
    together = ask(own, lane)
    asked = own.iloc[10:].drop(columns="label")
    alone = pd.concat([ask(own, lane, query=asked.iloc[[i]]) for i in range(0, len(asked), 7)])
    expected = together.iloc[::7]
    assert alone["id"].tolist() == expected["id"].tolist()
    np.testing.assert_allclose(
        alone["probability_1"].to_numpy(), expected["probability_1"].to_numpy(), atol=1e-6
    )


@pytest.mark.parametrize("lane", ABLE)
def test_the_order_of_the_columns_does_not_matter(ask, own, lane):
    turned = own[["label", "sex", "visits", "creatinine", "id", "age"]]
    pd.testing.assert_frame_equal(ask(turned, lane), ask(own, lane))
    query = own.iloc[10:][["visits", "sex", "age", "id", "creatinine"]]
    pd.testing.assert_frame_equal(ask(own, lane, query=query), ask(own, lane))


@pytest.mark.parametrize("lane", ABLE)
def test_three_classes_where_meta_training_saw_two(ask, own, lane, caplog):
    names = np.array(["low", "mid", "high"])
    own = own.assign(label=names[own["creatinine"].rank(method="first").astype(int) % 3])
    with caplog.at_level(logging.WARNING):
        table = ask(own, lane)
    classes = ["probability_high", "probability_low", "probability_mid"]
    assert list(table.columns) == ["id", "prediction", *classes]
    np.testing.assert_allclose(table[classes].sum(axis=1), 1.0)
    assert set(table["prediction"]) <= set(names)
    warned = [r for r in caplog.records if "saw no multiclass task" in r.getMessage()]
    assert len(warned) == (lane != "classical")


@pytest.mark.parametrize("lane", ABLE)
def test_values_where_they_are_asked_for(ask, own, lane):
    own = own.assign(label=own["creatinine"] * 100)
    table = ask(own, lane, target_type="regression")
    assert list(table.columns) == ["id", "value"]
    assert table["value"].between(-500, 700).all()


def test_the_prior_cannot_learn_another_kind_of_target(ask, own):
    store = Store(dict(trained("control").files))
    assert "p/0/0/prior.json" not in store.files  # targets of this problem do not mean alike
    store.files = {name: content for name, content in store.files.items() if "untrained" not in name}
    store.files |= {"p/0/0/prior.safetensors": {}, "p/0/0/prior.json": {}}
    own = own.assign(label=own["creatinine"])
    with pytest.raises(ConfigurationError, match="'prior' predicts binary targets only, and your labels are"):
        ask(own, "control", store=store, target_type="regression")


def test_a_checkpoint_made_on_a_gpu_serves_here(ask, own):
    store = Store(dict(trained("maml").files))
    made = store.files["p/0/0/maml.json"]
    store.files["p/0/0/maml.json"] = {**made, "facts": {**made["facts"], "device": "cuda"}}
    pd.testing.assert_frame_equal(ask(own, "maml", store=store), ask(own, "maml"))


@pytest.mark.parametrize("lane", ABLE)
def test_the_checkpoint_stays_as_it_is(ask, own, lane):
    store = trained(lane)
    arrays = {name: content for name, content in store.files.items() if name.endswith(".safetensors")}
    before = {
        (name, key): array.tobytes() for name, content in arrays.items() for key, array in content.items()
    }
    ask(own, lane)
    after = {
        (name, key): array.tobytes() for name, content in arrays.items() for key, array in content.items()
    }
    assert before == after


def test_identifiers_come_back_as_they_were_written(ask, own):
    own = own.assign(id=[f"{i:03d}" if i % 2 else f" 0{i} a" for i in range(len(own))])
    assert ask(own)["id"].tolist() == own["id"].tolist()[10:]


def test_the_log_holds_counts_and_no_identifier_or_label(ask, own, caplog):
    own = own.assign(label=np.where(own["label"] == 1, "sickly", "healthy"))
    with caplog.at_level(logging.DEBUG):
        ask(own, learner="protonet")
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "ehr.metric: protonet adapts to 10 support cases in 2 classes and predicts 20" in text
    assert "case-" not in text
    assert "sickly" not in text
    assert "support.csv" not in text


def test_tables_of_any_width_where_inputs_are_not_shared(ask, own):
    store = trained("maml", shared=False)
    free = own.drop(columns="sex").rename(columns={"age": "b1", "creatinine": "b2", "visits": "b3"})
    table = ask(free, "maml", store=store)
    assert len(table) == 20
    turned = free[["b3", "label", "b1", "id", "b2"]]
    pd.testing.assert_frame_equal(ask(turned, "maml", store=store), table)
    with pytest.raises(DataError, match="missing columns: 'b2'; expected the 3 columns that the support"):
        ask(free, "maml", store=store, query=free.iloc[10:].drop(columns=["label", "b2"]))


def test_better_than_chance_where_the_label_is_plain(ask):
    own = rows(120, seed=11)
    table = ask(own, "classical", learner="logistic")
    truth = own["label"].iloc[10:].astype(str).to_numpy()
    assert (table["prediction"].to_numpy() == truth).mean() > 0.6


def test_cases_that_are_copies_of_support_cases_are_counted(ask, own, caplog):
    copies = own.iloc[:3].drop(columns="label").assign(id=["x", "y", "z"])
    with caplog.at_level(logging.WARNING):
        ask(own, query=pd.concat([own.iloc[10:].drop(columns="label"), copies]))
    assert "ehr.metric: 3 query cases are alike in every input to a support case" in caplog.text


@pytest.mark.parametrize("learner", ["maml", "fine_tune", "protonet"])
def test_two_classes_count_as_many_where_meta_training_saw_many(ask, own, caplog, learner):
    lane = {"fine_tune": "transfer", "protonet": "metric"}.get(learner, learner)
    store = Store(dict(trained(lane).files))
    store.files["p/0/inputs.json"] = {**store.files["p/0/inputs.json"], "target_types": ["multiclass"]}
    with caplog.at_level(logging.WARNING):
        table = ask(own, lane, store=store, learner=learner)
    assert not caplog.records
    y = own["label"].to_numpy(dtype=np.float32)[:10]
    support = Support(encoded(own)[:10], y, KINDS, TargetType.MULTICLASS, 2)
    checkpoint = load_checkpoint(store, CheckpointKey("p", 0, learner, 0))
    settings = _chosen_settings(store, learner)
    logits = get_learner(learner).adapt(checkpoint, support, settings, 0)(encoded(own)[10:])
    assert table["prediction"].tolist() == [str(label) for label in logits.argmax(axis=1)]


def test_parquet_and_tsv(ask, own, tmp_path):
    expected = ask(own)
    own.iloc[:10].to_csv(tmp_path / "s.tsv", sep="\t", index=False)
    shuffled = own.iloc[10:].drop(columns="label").set_index(np.arange(20)[::-1])  # pandas stores this index
    shuffled.to_parquet(tmp_path / "q.parquet")
    found = personalise(
        trained("metric"), tmp_path / "s.tsv", tmp_path / "q.parquet", PersonalisationSettings(),
        modality="ehr", lane="ehr.metric", seed=0,
    )  # fmt: skip
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("lane", ["maml", "classical"])
def test_of_several_seeds_the_first_serves(ask, own, lane):
    first, other = trained(lane), trained(lane, seeds=(1,))
    both = trained(lane, seeds=(0, 1))
    assert len([name for name in both.files if name.endswith(".safetensors")]) == 2 * len(
        [name for name in first.files if name.endswith(".safetensors")]
    )
    pd.testing.assert_frame_equal(ask(own, lane, store=both), ask(own, lane, store=first))
    if lane == "maml":
        differences = ask(own, lane, store=other)["probability_1"] - ask(own, lane)["probability_1"]
        assert differences.abs().max() > 0
