"""How long nodes take, loading and saving included, and how long the rest will take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import monotonic

__all__ = ["NodeClock", "time_left"]


class NodeClock:
    """Seconds per node, from its first load to its last save.

    Attributes:
        seconds: Duration of each finished node, in order of finishing.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._started: dict[str, float] = {}
        self._unsaved: dict[str, set[str]] = {}

    @property
    def current(self) -> str | None:
        """The node that was started last and has not finished."""
        return next((name for name in reversed(self._started) if name not in self.seconds), None)

    def start(self, node: str) -> None:
        """Starts the node's clock, unless it runs already."""
        self._started.setdefault(node, monotonic())

    def computed(self, node: str, outputs: Iterable[str]) -> bool:
        """The node's function returned; true when it has nothing to save and is therefore finished."""
        self._unsaved[node] = set(outputs)
        return self._finish_if_saved(node)

    def saved(self, node: str, output: str) -> bool:
        """One output is stored; true when it was the last, so that the node is finished."""
        self._unsaved.get(node, set()).discard(output)
        return self._finish_if_saved(node)

    def _finish_if_saved(self, node: str) -> bool:
        if self._unsaved.get(node):
            return False
        self.seconds[node] = monotonic() - self._started.get(node, monotonic())
        return True


def time_left(done: Mapping[str, float], remaining: Iterable[str], earlier: Mapping[str, float]) -> float:
    """Seconds that the remaining nodes will about take.

    Each is expected to take what it took in an earlier run, scaled by how much slower this run has been so
    far; else what a node of the same last name took (``ehr.maml.meta_train`` foretells
    ``molecules.maml.meta_train``); else the mean of the finished ones.

    Args:
        done: Seconds of finished nodes by name; at least one.
        remaining: Names of the others.
        earlier: Seconds by name in an earlier run; may be empty.
    """
    shared = [name for name in done if name in earlier]
    before = sum(earlier[name] for name in shared)
    scale = sum(done[name] for name in shared) / before if before > 1 else 1.0
    alike: dict[str, list[float]] = {}
    for name, seconds in done.items():
        alike.setdefault(_kind(name), []).append(seconds)
    everyone = list(done.values())

    def expected(name: str) -> float:
        if name in earlier:
            return scale * earlier[name]
        known = alike.get(_kind(name), everyone)
        return sum(known) / len(known)

    return sum(expected(name) for name in remaining)


def _kind(node: str) -> str:
    return node.rsplit(".", 1)[-1]
