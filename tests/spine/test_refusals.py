"""What is refused before any node runs, each in one sentence that names the remedy."""

from __future__ import annotations

import pytest
from spine_project import SpineProject


def _last_line(project: SpineProject, *arguments: str) -> str:
    outcome = project.kedro("run", *arguments)
    assert outcome.code != 0
    assert "Traceback" not in outcome.output
    assert not list(project.path.glob("data/0[1-8]*/*/*"))  # no node has run
    return outcome.output.rstrip().splitlines()[-1]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("evaluatoin.n_bootstrap=100", "unknown key 'evaluatoin'; did you mean 'evaluation'?"),
        ("seeds=0", "key 'seeds': Input should be greater than or equal to 1"),
        ("budget=quik", "key 'budget': Input should be 'quick' or 'full'"),
        ("roster=[protont]", "unknown learner 'protont'; did you mean 'protonet'?"),
        ("roster=maml", "expected 'core', 'all' or a list of learners; did you mean '[maml]'?"),
        ("learners.ehr.mamml.quick.steps=3", "unknown learner 'mamml'; did you mean 'maml'?"),
    ],
)
def test_an_unknown_block_name_or_value(fresh: SpineProject, given: str, sentence: str) -> None:
    last = _last_line(fresh, "--env", "test", "--params", given)
    assert last.startswith("Error: parameters: ") or "parameters: " in last
    assert sentence in last


def test_a_misspelt_key_in_a_file(fresh: SpineProject) -> None:
    (fresh.path / "conf" / "local" / "parameters.yml").write_text("synthetic_hospital: {n_patient: 10}\n")
    last = _last_line(fresh, "--env", "local")
    assert "unknown key 'synthetic_hospital.n_patient'; did you mean 'n_patients'?" in last


def test_an_unknown_source(fresh: SpineProject) -> None:
    catalog = fresh.path / "conf" / "local" / "catalog_01_raw.yml"
    catalog.write_text("ehr_sources: {active_sources: [synthetic_hospitl]}\n")
    last = _last_line(fresh, "--env", "local")
    assert last == (
        "Error: ehr: active source 'synthetic_hospitl' is not configured; did you mean 'synthetic_hospital'?"
    )


def test_an_absent_root_of_public_data(fresh: SpineProject) -> None:
    last = _last_line(fresh, "--env", "public", "--params", "public_data_root=nowhere")
    assert last.startswith("Error: source 'heart_disease_4site', path 'heart_disease_4site/heart_4site.csv'")
    assert "no such file or folder" in last


def test_an_unknown_pipeline_and_an_unknown_namespace(fresh: SpineProject) -> None:
    for kind, name in (("--pipelines", "meta_trainin"), ("--namespaces", "ehr.mamml")):
        outcome = fresh.run(kind, name)
        assert outcome.code != 0
        assert name in outcome.output
