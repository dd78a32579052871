"""Parameters of a node are compared leaf by leaf."""

from __future__ import annotations

import pytest

from med_maml_pipeline.runs.parameters import changed_parameters, parameter_names

THEN = {"seed": 1, "workers": 2, "learners": {"maml": {"steps": 3, "rate": 0.1}}, "list": [1, 2], "empty": {}}


@pytest.mark.parametrize(
    ("now", "names", "expected"),
    [
        ({}, ["seed", "learners", "list", "empty"], []),
        ({"seed": 2}, ["seed"], ["seed"]),
        ({"seed": 2}, ["learners"], []),
        ({"seed": 2, "list": [1, 2, 3]}, [""], ["list", "seed"]),
        ({"learners": {"maml": {"steps": 4, "rate": 0.1}}}, ["learners"], ["learners.maml.steps"]),
        ({"learners": {"maml": {"steps": 4, "rate": 0.1}}}, ["learners.maml.rate"], []),
        ({"learners": {"maml": {"steps": 3}}}, ["learners"], ["learners.maml.rate"]),
        ({"learners": {"maml": {"steps": 3, "rate": 0.1, "new": None}}}, ["learners"], ["learners.maml.new"]),
        ({"list": (1, 2)}, ["list"], []),  # as it comes back from a file
        ({"workers": 8}, ["workers", ""], []),  # results do not depend on it
        ({"seeds": 5}, ["seed"], []),  # another name that begins alike
    ],
)
def test_differences(now: dict[str, object], names: list[str], expected: list[str]) -> None:
    assert changed_parameters(THEN, {**THEN, **now}, names) == expected


def test_names_among_the_inputs_of_a_node() -> None:
    assert parameter_names(["rows", "params:a.b", "parameters", "parametersque"]) == ["a.b", ""]
