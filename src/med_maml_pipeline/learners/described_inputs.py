"""What a checkpoint says of the rows it reads, so that it is never given others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.learners.checkpoints import CheckpointStore
from med_maml_pipeline.learners.multilabel import learned_as
from med_maml_pipeline.tasks.types import FeatureKind, ImageShape, MetaSplit, Problem, TargetType, Task

__all__ = ["FORMAT", "InputSchema", "Inputs", "describe_inputs", "input_files", "load_chosen", "load_inputs"]

FORMAT = 1
"""Version of the description; a checkpoint with another one is refused."""


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputSchema(_Block):
    """How the rows of some tables were made.

    Attributes:
        tables: ``source/table`` of the meta-training tables that are alike in all that follows.
        features / kinds: The columns, where tables share them; None where each has its own.
        image: Shape of the pictures; None where there are none.
        preprocessing: What was done to the raw values, as the reader of their format tells.
    """

    tables: tuple[str, ...] = Field(min_length=1)
    features: tuple[str, ...] | None
    kinds: tuple[FeatureKind, ...] | None
    image: ImageShape | None
    preprocessing: dict[str, Any]


class Inputs(_Block):
    """The rows that the learners of one problem and fold were meta-trained on.

    Attributes:
        format: `FORMAT`.
        modality: Kind of data.
        shared_inputs: Whether all tables have the same columns in the same meaning.
        shared_meaning: Whether "positive" means alike in all tasks.
        target_types: Types of the meta-training targets.
        per_class: Those of them whose support sizes count examples per class; others count them in all.
        schemas: One per way in which tables were made.
    """

    format: int
    modality: str
    shared_inputs: bool
    shared_meaning: bool
    target_types: tuple[TargetType, ...]
    per_class: tuple[TargetType, ...]
    schemas: tuple[InputSchema, ...] = Field(min_length=1)


def describe_inputs(problem: Problem, modality: str, schemas: Mapping[str, Mapping[str, Any]]) -> Inputs:
    """The description of what learners of a problem read in meta-training.

    Args:
        problem: The problem, in one fold.
        modality: Kind of data.
        schemas: ``schema.json`` of each of its tables by ``source/table``, as ingestion wrote it.
    """
    tasks = problem.split(MetaSplit.TRAIN) or problem.tasks
    seen = {learned_as(task.target_type) for task in tasks}
    stored = (problem.task(e.task_id) for e in problem.episodes if e.n_shot is not None)
    balanced = {learned_as(task.target_type) for task in stored}
    return Inputs(
        format=FORMAT,
        modality=modality,
        shared_inputs=problem.shared_inputs,
        shared_meaning=all(task.shared_meaning for task in tasks),
        target_types=tuple(kind for kind in TargetType if kind in seen),
        per_class=tuple(kind for kind in TargetType if kind in balanced),
        schemas=_schemas(tasks, schemas, shared=problem.shared_inputs),
    )


def input_files(
    problem: str, fold: int, inputs: Inputs, chosen: pd.DataFrame
) -> Iterator[tuple[str, dict[str, Any] | pd.DataFrame]]:
    """Files beside the checkpoints of one problem and fold: ``inputs.json`` and ``selection.csv``.

    Args:
        problem / fold: Which.
        inputs: Their description.
        chosen: The rows of the selection table that are marked ``chosen``: with them a checkpoint can be
            used without the run that made it.
    """
    yield f"{problem}/{fold}/inputs.json", inputs.model_dump(mode="json")
    yield f"{problem}/{fold}/selection.csv", chosen


def load_inputs(store: CheckpointStore, problem: str, fold: int, modality: str) -> Inputs:
    """The description of the checkpoints of one problem and fold.

    Raises:
        DataError: there is none, it is of another format or cannot be read, or the checkpoints are of
            another modality.
    """
    name = f"{problem}/{fold}/inputs.json"
    again = "meta-train again with this version, or use the version that made it"
    if name not in store.names():
        raise _error("it does not describe its inputs", problem, fold, f"'{name}' beside it", again)
    document = store.read(name)
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        told = f"format {found}" if isinstance(found, int) else "an unknown format"
        raise _error(f"it describes its inputs in {told}", problem, fold, f"format {FORMAT}", again)
    try:
        inputs = Inputs.model_validate(document)
    except ValidationError as error:
        raise _error(
            f"the description of its inputs has {error.error_count()} faults", problem, fold, "", again
        ) from None
    if inputs.modality != modality:
        remedy = f"choose a lane of {inputs.modality} with --namespaces, or a checkpoint of {modality}"
        raise _error(f"it was trained on {inputs.modality}", problem, fold, modality, remedy)
    return inputs


def load_chosen(store: CheckpointStore, problem: str, fold: int, seed: int) -> pd.DataFrame:
    """The settings that validation tasks chose for one seed, with their scores: rows of the selection."""
    chosen: pd.DataFrame = store.read(f"{problem}/{fold}/selection.csv")
    return chosen[chosen["seed"] == seed].reset_index(drop=True)


def _schemas(
    tasks: tuple[Task, ...], schemas: Mapping[str, Mapping[str, Any]], *, shared: bool
) -> tuple[InputSchema, ...]:
    """Schemas with the tables that have them; names of columns only where tables share them."""
    found: dict[str, InputSchema] = {}
    for table in dict.fromkeys(task.examples for task in tasks):
        schema = schemas[table]
        made = InputSchema(
            tables=(table,),
            features=tuple(schema["features"]) if shared else None,
            kinds=tuple(schema["kinds"]) if shared else None,
            image=schema["image"],
            preprocessing=schema["preprocessing"],
        )
        alike = json.dumps(made.model_dump(mode="json", exclude={"tables"}), sort_keys=True)
        known = found.get(alike)
        found[alike] = made.model_copy(update={"tables": (*known.tables, table)}) if known else made
    return tuple(found.values())


def _error(problem: str, name: str, fold: int, expected: str, remedy: str) -> DataError:
    return DataError(
        problem, source="checkpoint", where=f"problem '{name}', fold {fold}", expected=expected, remedy=remedy
    )
