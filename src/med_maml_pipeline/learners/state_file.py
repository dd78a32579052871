"""Arrays and facts in one file that a killed process leaves whole: the last state, or the one before."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from med_maml_pipeline.atomic_file import replaced_file

__all__ = ["StateFile", "read_state", "write_state"]

_LOGGER = logging.getLogger(__name__)

Arrays = Mapping[str, NDArray[np.generic]]


class StateFile:
    """Where one meta-training keeps how far it has come.

    Args:
        path: The file, named by a fingerprint of all that decides the result.
        every: Seconds of training between two saves; 0 saves after every update.

    Attributes:
        earlier: Seconds that killed processes spent on what `read` gave.
    """

    def __init__(self, path: Path, every: float) -> None:
        self._path, self._every = path, every
        self._opened = self._written = monotonic()
        self.earlier = 0.0

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        return monotonic() - self._written >= self._every

    def read(self) -> tuple[Arrays, Mapping[str, Any]] | None:
        """What an earlier process left, if anything."""
        found = read_state(self._path)
        if found is not None:
            self.earlier = float(found[1]["seconds"])
        return found

    def write(self, arrays: Arrays, facts: Mapping[str, Any]) -> None:
        """Saves in place of the state before."""
        seconds = self.earlier + monotonic() - self._opened
        write_state(self._path, arrays, {**facts, "seconds": seconds})
        self._written = monotonic()

    def remove(self) -> None:
        """Removes it."""
        self._path.unlink(missing_ok=True)


def write_state(path: Path, arrays: Arrays, facts: Mapping[str, Any]) -> None:
    """Writes arrays and JSON-able facts. A full disk costs the state, not the training: it only warns."""
    document = json.dumps(facts)
    whole = {name: np.array(array, order="C") for name, array in arrays.items()}
    metadata = {"facts": document, "sha256": _digest(whole, document)}
    try:
        with replaced_file(path) as partial:
            partial.write_bytes(save(whole, metadata))
    except OSError as error:
        _LOGGER.warning("The state of a meta-training could not be saved: %s.", error.strerror)


def read_state(path: Path) -> tuple[Arrays, Mapping[str, Any]] | None:
    """What `write_state` wrote; None where there is no file, and, with a warning, where it is damaged."""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        if _digest(arrays, metadata["facts"]) != metadata["sha256"]:
            raise ValueError("checksum")
        return arrays, json.loads(metadata["facts"])
    except FileNotFoundError:
        return None
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        _LOGGER.warning("A saved state of a meta-training is damaged; that training starts anew.")
        return None


def _digest(arrays: Arrays, document: str) -> str:
    digest = hashlib.sha256(document.encode())
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].dtype}{arrays[name].shape}".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()
