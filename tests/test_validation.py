"""Pydantic's complaints in one sentence, with the likely spelling at whatever depth."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from med_maml_pipeline.validation import configuration_error, did_you_mean


class _Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    steps: int = Field(default=1, ge=1)


class _Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    seed: int
    one: _Inner | None = None
    many: dict[str, tuple[_Inner, ...]] = Field(default_factory=dict)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"seed": 1, "sede": 2}, "block: unknown key 'sede'; did you mean 'seed'?"),
        ({"seed": 1, "one": {"step": 2}}, "block: unknown key 'one.step'; did you mean 'steps'?"),
        (
            {"seed": 1, "many": {"a": [{"stepps": 1}]}},
            "block: unknown key 'many.a.0.stepps'; did you mean 'steps'?",
        ),
        ({"seed": 1, "zzz": 2}, "block: unknown key 'zzz'; known are: many, one, seed"),
        ({}, "block: key 'seed' is missing"),
        (
            {"one": {"steps": 0}},
            "block: key 'seed' is missing (and 1 more)",
        ),
        (
            {"seed": 1, "one": {"steps": 0}},
            "block: key 'one.steps': Input should be greater than or equal to 1",
        ),
    ],
)
def test_sentences(document: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _Outer.model_validate(document)
    assert str(configuration_error(caught.value, "block", _Outer)) == sentence


def test_suggestions() -> None:
    assert did_you_mean("hart", ["heart", "lung"]) == "did you mean 'heart'?"
    assert did_you_mean("x", []) == "known are: none"
