"""What a checkpoint says of its inputs, and that it comes back from the disk as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
from kedro.io import Version
from test_protocol import problem

from med_maml_pipeline.datasets import SnapshotDataset
from med_maml_pipeline.learners.checkpoints import (
    CheckpointKey,
    checkpoint_files,
    checkpoint_keys,
    load_checkpoints,
)
from med_maml_pipeline.learners.described_inputs import (
    describe_inputs,
    input_files,
    load_chosen,
    load_inputs,
)
from med_maml_pipeline.learners.protocol import Checkpoint
from med_maml_pipeline.tasks.types import TargetType


def _schema(**changes: Any) -> dict[str, Any]:
    table = problem(TargetType.BINARY).tables["s/main"]
    schema = {"features": list(table.names), "kinds": [str(kind) for kind in table.kinds]}
    return {**schema, "image": None, "preprocessing": {"bits": 24}, **changes}


def test_it_comes_back_from_the_disk_beside_the_checkpoints(tmp_path):
    own = problem(TargetType.BINARY)
    inputs = describe_inputs(own, "molecules", {"s/main": _schema()})
    chosen = pd.DataFrame(
        {
            "learner": ["maml", "maml"],
            "seed": [3, 4],
            "settings": ['{"adapt": {}}', '{"adapt": {"rate": 1}}'],
            "value": [0.1 + 0.2, 0.4],
        }
    )
    keys = [CheckpointKey("p", 0, "maml", seed) for seed in (3, 4)]
    dataset = SnapshotDataset(str(tmp_path / "checkpoints"), version=Version(None, "one"))
    dataset.save(
        [
            *(file for key in keys for file in checkpoint_files(key, Checkpoint("maml"))),
            *input_files("p", 0, inputs, chosen),
        ]
    )
    snapshot = dataset.load()
    assert load_inputs(snapshot, "p", 0, "molecules") == inputs
    for row, seed in enumerate((3, 4)):
        own = chosen.iloc[[row]].reset_index(drop=True)
        pd.testing.assert_frame_equal(load_chosen(snapshot, "p", 0, seed), own)
    assert checkpoint_keys(snapshot) == tuple(keys)
    assert set(load_checkpoints(snapshot)) == set(keys)


def test_what_it_says():
    inputs = describe_inputs(problem(TargetType.REGRESSION), "molecules", {"s/main": _schema()})
    assert inputs.shared_inputs
    assert inputs.shared_meaning
    assert inputs.target_types == (TargetType.REGRESSION,)
    assert inputs.per_class == ()  # its episodes count examples in all
    (schema,) = inputs.schemas
    assert schema.tables == ("s/main",)
    assert schema.features == problem(TargetType.REGRESSION).tables["s/main"].names
    assert schema.preprocessing == {"bits": 24}


def test_tables_that_were_made_alike_are_said_once_and_others_apart():
    own = problem(TargetType.BINARY)
    names = ("s/main", "t/main", "u/main")
    tasks = tuple(
        replace(task, examples=name, task_id=f"{name}/{task.task_id}")
        for name in names
        for task in own.tasks[:1]
    )
    tables = dict.fromkeys(names, own.tables["s/main"])
    many = replace(own, tasks=tasks, episodes=(), tables=tables)
    schemas = {"s/main": _schema(), "t/main": _schema(), "u/main": _schema(preprocessing={"bits": 48})}
    assert [schema.tables for schema in describe_inputs(many, "m", schemas).schemas] == [names[:2], names[2:]]
    free = describe_inputs(replace(many, shared_inputs=False), "m", schemas)
    assert {schema.features for schema in free.schemas} == {None}
