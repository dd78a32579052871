"""Durations run from the first load to the last save; estimates learn from what is known."""

from __future__ import annotations

import pytest

from med_maml_pipeline.runs import clock as clock_module
from med_maml_pipeline.runs.clock import NodeClock, time_left


def test_a_node_is_finished_with_its_last_output(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(clock_module, "monotonic", lambda: now)
    clock = NodeClock()
    clock.start("a")
    now = 101.0
    clock.start("a")  # its second input
    assert clock.current == "a"
    assert not clock.computed("a", ["x", "y"])
    assert not clock.saved("a", "x")
    now = 103.0
    assert clock.saved("a", "y")
    assert clock.seconds == {"a": 3.0}
    assert clock.current is None
    clock.start("b")
    assert clock.computed("b", [])
    assert clock.seconds["b"] == 0.0


@pytest.mark.parametrize(
    ("done", "remaining", "earlier", "expected"),
    [
        ({"a": 10.0}, [], {}, 0),
        ({"a": 10.0, "b": 20.0}, ["c", "d"], {}, 30),  # the mean, twice
        ({"ehr.maml.train": 60.0, "ehr.read": 2.0}, ["mol.maml.train", "mol.read"], {}, 62),  # their likes
        ({"a": 10.0}, ["b"], {"a": 10.0, "b": 300.0}, 300),  # as the last time
        ({"a": 20.0}, ["b"], {"a": 10.0, "b": 300.0}, 600),  # a machine half as fast
        ({"a": 10.0}, ["b", "c"], {"a": 10.0, "b": 5.0}, 15),  # a node that is new
        ({"a": 0.01}, ["b"], {"a": 0.0, "b": 5.0}, 5),  # too short to scale by
    ],
)
def test_estimates(
    done: dict[str, float], remaining: list[str], earlier: dict[str, float], expected: float
) -> None:
    assert time_left(done, remaining, earlier) == pytest.approx(expected)
