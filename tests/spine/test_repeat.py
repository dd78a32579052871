"""The same run again: the same bytes, and proof that it was computed again."""

from __future__ import annotations

import pandas as pd
import pytest
from spine_project import SpineProject

from med_maml_pipeline.learners.registry import LANES
from med_maml_pipeline.modalities import MODALITIES

CHECKPOINTS = [f"{modality}_{lane}_checkpoints" for modality in MODALITIES for lane in (*LANES, "ensemble")]
MEASURED = ("seconds_meta_fit", "seconds_adapt_per_task", "peak_memory_mib")


@pytest.mark.slow
def test_rerun_trains_again_and_gives_the_same(copy: SpineProject) -> None:
    """All parameters come from the file: what the configuration says by then does not count."""
    (first,) = copy.records()
    parameters = copy.path / "conf" / "test" / "parameters.yml"
    parameters.write_text(parameters.read_text() + "\nseed: 9\n")
    outcome = copy.kedro("run", "--config", f"data/09_tracking/{first['run_id']}.rerun.yml")
    assert outcome.code == 0, outcome.output

    again = copy.records()[-1]
    assert again["saved"].keys() == first["saved"].keys()
    for modality in MODALITIES:
        for lane in LANES:
            assert again["seconds"][f"{modality}.{lane}.meta_train"] > 0
    for name in CHECKPOINTS:
        assert [path.parent.name for path in copy.versions(name)] == [first["run_id"], again["run_id"]]
        assert copy.fingerprint(name, 0) == copy.fingerprint(name, 1), name
        assert again["loaded"].get(name, again["run_id"]) == again["run_id"]

    old, new = (pd.read_csv(path) for path in copy.versions("scoreboard"))
    pd.testing.assert_frame_equal(
        old.drop(columns=list(MEASURED)), new.drop(columns=list(MEASURED)), check_exact=True
    )
    assert not old["seconds_meta_fit"].equals(new["seconds_meta_fit"])  # measured anew


def test_the_number_of_workers_does_not_matter(copy: SpineProject) -> None:
    lanes = ("ehr.metric", "imaging.maml", "imaging.transfer", "molecules.classical")
    outcome = copy.run(
        "--pipelines", "meta_training,adaptation", "--namespaces", ",".join(lanes), "--params", "workers=2"
    )
    assert outcome.code == 0, outcome.output
    for lane in lanes:
        name = lane.replace(".", "_")
        assert copy.fingerprint(f"{name}_checkpoints", 0) == copy.fingerprint(f"{name}_checkpoints", 1)
        one, two = (pd.read_parquet(path) for path in copy.versions(f"{name}_predictions"))
        pd.testing.assert_frame_equal(
            one.drop(columns="seconds_adapt"), two.drop(columns="seconds_adapt"), check_exact=True
        )


def test_another_seed_gives_other_checkpoints(copy: SpineProject) -> None:
    """Else the tests above would prove nothing."""
    outcome = copy.run("--namespaces", "molecules.metric", "--params", "seed=1")
    assert outcome.code == 0, outcome.output
    name = "molecules_metric_checkpoints"
    assert copy.fingerprint(name, 0) != copy.fingerprint(name, 1)
