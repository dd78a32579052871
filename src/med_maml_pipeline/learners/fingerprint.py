"""One name for all that decides the result of a meta-training, so that no stale state is ever used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["content_digest", "fingerprint"]

_PACKAGE = Path(__file__).resolve().parents[1]
_ROOMS = ("bilevel", "features", "learners", "metrics", "networks", "tasks")
_CODE = {".py", ".cpp", ".hpp", ".so", ".pyd"}  # a native kernel has last digits of its own
_LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn")


def content_digest(value: Any) -> str:
    """SHA-256 over the content of nested dataclasses, mappings, sequences, arrays and plain values."""
    digest = hashlib.sha256()
    _feed(digest, value)
    return digest.hexdigest()


def fingerprint(**choices: Any) -> str:
    """SHA-256 over the choices, the versions of the libraries and the code that computes."""
    versions = {name: version(name) for name in _LIBRARIES}
    return content_digest({"choices": choices, "versions": versions, "code": _code_digest()})


@cache
def _code_digest() -> str:
    files = sorted(path for room in _ROOMS for path in (_PACKAGE / room).rglob("*") if path.suffix in _CODE)
    return content_digest([(path.relative_to(_PACKAGE).as_posix(), path.read_bytes()) for path in files])


def _feed(digest: _Hash, value: Any) -> None:
    if is_dataclass(value) and not isinstance(value, type):
        _feed(digest, {one.name: getattr(value, one.name) for one in fields(value) if one.compare})
    elif isinstance(value, Mapping):
        _feed(digest, sorted((str(key), inner) for key, inner in value.items()))
    elif isinstance(value, np.ndarray):
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).data)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        items = list(value)
        digest.update(f"[{len(items)}]".encode())
        for item in items:
            _feed(digest, item)
    else:
        text = value if isinstance(value, bytes) else repr(value).encode()
        digest.update(f"{type(value).__name__}{len(text)}:".encode() + text)
