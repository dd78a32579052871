"""Pseudonyms: keyed hashes of identifiers, which nobody can undo or recompute without the key.

An unkeyed hash of a patient number is undone by hashing all numbers; HMAC with a secret key is not (RFC 2104;
GDPR recital 26 and article 4(5) on what counts as pseudonymous). Splits and seeds must never depend on these.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from med_maml_pipeline.errors import ConfigurationError

__all__ = ["load_key", "pseudonyms"]

_KEY_BYTES = 32


def load_key(path: Path) -> bytes:
    """Reads the key, after making it on first use (32 random bytes, readable by the owner only).

    Safe when several processes ask at once: all get the same key. Losing the file is harmless to results, but
    pseudonyms of earlier runs cannot be matched with later ones.

    Args:
        path: Where the key lies; outside the configuration environments and never committed.

    Raises:
        ConfigurationError: the file does not hold a key.
    """
    if not path.exists():
        _create_key(path)
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigurationError(
            f"the identifier key file '{path.name}' does not hold {_KEY_BYTES} bytes in hexadecimal; "
            "restore it, or remove it to have a new one made"
        )
    return key


def pseudonyms(ids: Iterable[str], key: bytes, namespace: str) -> NDArray[np.str_]:
    """Keyed hashes of identifiers.

    Args:
        ids: ``[n]`` identifiers.
        key: From `load_key`.
        namespace: Equal identifiers of different namespaces get unrelated pseudonyms.

    Returns:
        ``[n]`` strings of 16 hexadecimal digits (64 bits of HMAC-SHA-256: among a million identifiers, the
        chance of any clash is 3e-8).
    """
    own_key = hmac.digest(key, namespace.encode(), hashlib.sha256)
    return np.array([hmac.digest(own_key, i.encode(), hashlib.sha256).hex()[:16] for i in ids], dtype="<U16")


def _create_key(path: Path) -> None:
    """Writes a whole key under a name of its own, then links it into place: the first one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        return  # another process was first
    finally:
        draft.unlink()
