"""Which parameters of a node are not what they were in an earlier run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["NEUTRAL", "changed_parameters", "parameter_names"]

NEUTRAL = frozenset({"workers", "state", "distributed.max_restarts", "distributed.address"})
"""Parameters that change how long a run takes and not what it makes."""

_PREFIX = "params:"


def parameter_names(inputs: Iterable[str]) -> list[str]:
    """Dotted names of the parameters among a node's inputs; an empty name stands for all of them."""
    return [
        "" if name == "parameters" else name.removeprefix(_PREFIX)
        for name in inputs
        if name == "parameters" or name.startswith(_PREFIX)
    ]


def changed_parameters(then: Mapping[str, Any], now: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Dotted names of those that differ, as deep as they differ.

    Args:
        then: All parameters of a run.
        now: All parameters as they are; masked where those of the run are.
        names: What a node uses, by dotted name (`parameter_names`).
    """
    before, after = dict(_leaves(_plain(then))), dict(_leaves(_plain(now)))
    used = [name for name in names if name not in NEUTRAL]
    return sorted(
        leaf
        for leaf in before.keys() | after.keys()
        if any(not name or leaf == name or leaf.startswith(f"{name}.") for name in used)
        and leaf not in NEUTRAL
        and before.get(leaf, _Absent) != after.get(leaf, _Absent)
    )


class _Absent:
    """Stands for a parameter that is not there."""


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{prefix}.{name}" if prefix else name)
    else:
        yield prefix, value


def _plain(value: Any) -> Any:
    """As it comes back from a file: tuples as lists, dates as text, keys as text."""
    return json.loads(json.dumps(value, default=str))
