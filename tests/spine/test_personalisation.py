"""``kedro run --pipelines personalisation``: one's own tables through the checkpoints of a finished run."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from spine_project import Outcome, SpineProject

from med_maml_pipeline.datasets.manifest import MANIFEST, Manifest
from med_maml_pipeline.datasets.snapshot import Snapshot
from med_maml_pipeline.learners.checkpoints import CheckpointKey, load_checkpoint
from med_maml_pipeline.learners.registry import LANES, get_learner
from med_maml_pipeline.sources.examples import load_examples
from med_maml_pipeline.tasks.types import Support, TargetType

EHR_PROBLEM = "synthetic_hospital_site"
N_SUPPORT = 12


@pytest.fixture(scope="module")
def mine(finished: SpineProject, tmp_path_factory: pytest.TempPathFactory) -> SpineProject:
    """The finished project, to which the tests of this module add predictions."""
    return finished.copied(tmp_path_factory.mktemp("personalisation") / "project")


def _snapshot(project: SpineProject, dataset: str) -> Snapshot:
    folder = project.versions(dataset)[-1]
    return Snapshot(folder, Manifest.read(folder / MANIFEST, dataset=dataset))


def _write(project: SpineProject, name: str, table: pd.DataFrame) -> None:
    half = N_SUPPORT // 2
    balanced = pd.concat([table[table["label"] == label].iloc[:half] for label in (0, 1)])
    balanced.to_csv(project.path / f"{name}_support.csv", index=False)
    query = table.drop(balanced.index).iloc[:20]
    query.drop(columns="label").to_csv(project.path / f"{name}_query.csv", index=False)


def _patients(project: SpineProject) -> pd.DataFrame:
    """Examples of the run as a user's table, under identifiers of the user's own."""
    (examples,) = load_examples(_snapshot(project, "ehr_examples")).values()
    label = examples.y[:, [target.name for target in examples.targets].index("mace")]
    known = ~np.isnan(label)
    table = pd.DataFrame(examples.inputs.x[known], columns=list(examples.inputs.names))
    table.insert(0, "id", [f"0{number}-Zz" for number in range(len(table))])
    return table.assign(label=label[known].astype(int))


def _molecules(project: SpineProject) -> pd.DataFrame:
    raw = pd.read_csv(project.versions("synthetic_molecules")[-1] / "assays.csv").drop_duplicates("smiles")
    assay = raw.columns[raw.columns != "smiles"][-1]
    from med_maml_pipeline.features.molecules import standardise_all

    readable = [molecule is not None for molecule in standardise_all(raw["smiles"].astype(str))]
    raw = raw[readable].dropna(subset=[assay]).reset_index(drop=True)
    identifiers = [f"{number:04d}" for number in range(len(raw))]
    return pd.DataFrame({"id": identifiers, "smiles": raw["smiles"], "label": raw[assay].astype(int)})


def _personalise(project: SpineProject, namespace: str, tables: str, *more: str) -> Outcome:
    files = f"support={tables}_support.csv,query={tables}_query.csv"
    versions = [one for one in more if one.startswith("--load-versions")]
    given = ",".join([files, *(one for one in more if one not in versions)])
    return project.run(
        *("--pipelines", "personalisation", "--namespaces", namespace, "--params", given), *versions
    )


def _predictions(project: SpineProject, lane: str) -> pd.DataFrame:
    (file,) = project.versions(f"{lane}_personal_predictions")[-1:]
    with file.open(encoding="utf-8", newline="") as lines:
        return pd.DataFrame(csv.DictReader(lines))


def _directly(
    project: SpineProject, lane: str, problem: str, learner: str, table: pd.DataFrame
) -> np.ndarray:
    """Probabilities of class 1 from the learner itself, over the features that ingestion made."""
    (examples,) = load_examples(_snapshot(project, "ehr_examples")).values()
    features = list(examples.inputs.names)
    support = pd.read_csv(project.path / "ehr_support.csv", dtype={"id": str})
    rows = Support(
        support[features].to_numpy(dtype=np.float32),
        support["label"].to_numpy(dtype=np.float32),
        examples.inputs.kinds,
        TargetType.BINARY,
        2,
    )
    selection = project.table(f"{lane}_selection")
    chosen = selection[selection["chosen"] & (selection["problem"] == problem) & (selection["fold"] == 0)]
    chosen = chosen[chosen["learner"] == learner]
    nearest = chosen.loc[(chosen["support_size"] - N_SUPPORT).abs().idxmin(), "settings"]
    checkpoint = load_checkpoint(
        _snapshot(project, f"{lane}_checkpoints"), CheckpointKey(problem, 0, learner, 0)
    )
    predict = get_learner(learner).adapt(checkpoint, rows, json.loads(nearest)["adapt"], 0)
    logits = predict(table[features].to_numpy(dtype=np.float32)).astype(np.float64)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised[:, 1] / raised.sum(axis=1)


def test_patients(mine: SpineProject) -> None:
    _write(mine, "ehr", _patients(mine))
    before = mine.fingerprint("ehr_maml_checkpoints")
    files = {path: path.read_bytes() for path in _files(mine, "ehr_maml_checkpoints")}
    asked = (f"personalisation.problem={EHR_PROBLEM}", "personalisation.learner=maml")
    outcome = _personalise(mine, "ehr.maml", "ehr", *asked)
    assert outcome.code == 0, outcome.output
    made, query = _predictions(mine, "ehr_maml"), pd.read_csv(mine.path / "ehr_query.csv", dtype={"id": str})
    assert made["id"].tolist() == query["id"].tolist()
    assert list(made.columns) == ["id", "prediction", "probability_0", "probability_1"]
    expected = _directly(mine, "ehr_maml", EHR_PROBLEM, "maml", query)
    np.testing.assert_array_equal(made["probability_1"].astype(float).to_numpy(), expected)
    assert "Predictions: data/07_model_output/test/ehr_maml_personal_predictions.csv/" in outcome.output
    assert "-Zz" not in outcome.output  # identifiers are in the file and nowhere else
    assert mine.fingerprint("ehr_maml_checkpoints") == before
    assert {path: path.read_bytes() for path in _files(mine, "ehr_maml_checkpoints")} == files


def _files(project: SpineProject, dataset: str) -> list[Path]:
    return [path for path in project.versions(dataset)[-1].rglob("*") if path.is_file()]


def test_the_record_names_no_file_of_the_user(mine: SpineProject) -> None:
    _write(mine, "ehr", _patients(mine))
    outcome = _personalise(mine, "ehr.metric", "ehr", f"personalisation.problem={EHR_PROBLEM}")
    assert outcome.code == 0, outcome.output
    record = mine.records()[-1]
    assert record["parameters"]["support"] == "<path>"
    assert "ehr_support" not in json.dumps(record)
    assert set(record["inputs"]) == {"ehr_metric_checkpoints", "personal_query", "personal_support"}
    assert list(record["saved"]) == ["ehr_metric_personal_predictions"]


def test_all_lanes_together(mine: SpineProject) -> None:
    _write(mine, "molecules", _molecules(mine))
    outcome = _personalise(mine, "molecules.ensemble", "molecules")
    assert outcome.code == 0, outcome.output
    made = _predictions(mine, "molecules_ensemble")
    query = pd.read_csv(mine.path / "molecules_query.csv", dtype=str)
    assert made["id"].tolist() == query["id"].tolist()
    assert made["probability_1"].astype(float).between(0, 1).all()
    record = mine.records()[-1]
    assert {name for name in record["inputs"] if name.endswith("checkpoints")} == {
        f"molecules_{lane}_checkpoints" for lane in (*LANES, "ensemble")
    }
    assert "molecules.ensemble: stacked (" in outcome.output


def test_molecules_alone_in_company_and_from_a_given_version(mine: SpineProject) -> None:
    _write(mine, "molecules", _molecules(mine))
    outcome = _personalise(mine, "molecules.transfer", "molecules")
    assert outcome.code == 0, outcome.output
    together = _predictions(mine, "molecules_transfer")
    query = pd.read_csv(mine.path / "molecules_query.csv", dtype=str)
    assert together["id"].tolist() == query["id"].tolist()
    assert together["id"].str.len().eq(4).all()  # leading zeros stay
    query[["smiles", "id"]].iloc[[3]].to_csv(mine.path / "molecules_query.csv", index=False)
    version = mine.versions("molecules_transfer_checkpoints")[-1].parent.name
    chosen = f"--load-versions=molecules_transfer_checkpoints:{version}"
    outcome = _personalise(mine, "molecules.transfer", "molecules", chosen)
    assert outcome.code == 0, outcome.output
    alone = _predictions(mine, "molecules_transfer")
    np.testing.assert_allclose(
        alone["probability_1"].astype(float), together["probability_1"].astype(float).iloc[[3]], atol=1e-6
    )
    assert mine.records()[-1]["loaded"] == {"molecules_transfer_checkpoints": version}


def _refused(outcome: Outcome) -> str:
    assert outcome.code == 1, outcome.output
    assert "Traceback" not in outcome.output
    return outcome.output.rstrip().splitlines()[-1]


def test_no_table_was_named(mine: SpineProject) -> None:
    last = _refused(mine.run("--pipelines", "personalisation", "--namespaces", "ehr.maml"))
    assert last == (
        "Error: source 'personalisation', query table: no file was named; expected a table of your own; "
        "name it with --params query=FILE."
    )


def test_several_problems(mine: SpineProject) -> None:
    _write(mine, "ehr", _patients(mine))
    last = _refused(_personalise(mine, "ehr.classical", "ehr"))
    assert last.startswith("Error: ehr.classical: there are checkpoints of 3 problems; say which one")
    assert EHR_PROBLEM in last


def test_a_table_of_another_schema(mine: SpineProject) -> None:
    _write(mine, "other", _molecules(mine))
    last = _refused(_personalise(mine, "ehr.maml", "other", f"personalisation.problem={EHR_PROBLEM}"))
    assert "support table: missing columns: 'age_years', " in last
    assert "; unexpected columns: 'smiles'; expected the " in last


def test_a_checkpoint_of_another_modality(mine: SpineProject) -> None:
    _write(mine, "foreign", _molecules(mine))
    wrong = mine.versions("ehr_control_checkpoints")[-1]
    shutil.rmtree(wrong)
    shutil.copytree(mine.versions("molecules_control_checkpoints")[-1], wrong)
    last = _refused(_personalise(mine, "ehr.control", "foreign"))
    assert (
        "source 'checkpoint', problem 'synthetic_assays_assay', fold 0: it was trained on molecules" in last
    )
