"""Pseudonyms follow RFC 2104 and their key is made once, for the owner alone."""

from __future__ import annotations

import hashlib
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.identifiers import load_key, pseudonyms

KEY = bytes(range(32))


def _hmac_by_hand(key: bytes, message: bytes) -> bytes:
    """RFC 2104, written out: H(K ^ opad, H(K ^ ipad, message)) with blocks of 64 bytes."""
    block = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in block) + message).digest()
    return hashlib.sha256(bytes(b ^ 0x5C for b in block) + inner).digest()


def test_pseudonyms_are_hmac_under_a_key_per_namespace() -> None:
    own_key = _hmac_by_hand(KEY, b"heart")
    expected = [_hmac_by_hand(own_key, text.encode()).hex()[:16] for text in ("p1", "größer", "p1")]
    assert pseudonyms(["p1", "größer", "p1"], KEY, "heart").tolist() == expected


def test_they_differ_by_key_and_namespace_and_tell_identifiers_apart() -> None:
    ids = [str(number) for number in range(2000)]
    ours = pseudonyms(ids, KEY, "a")
    assert len(set(ours)) == len(ids)
    assert not set(ours) & set(pseudonyms(ids, KEY, "b"))
    assert not set(ours) & set(pseudonyms(ids, bytes(32), "a"))


def test_no_identifiers_give_an_empty_array() -> None:
    assert pseudonyms([], KEY, "a").shape == (0,)


def test_the_key_is_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "identifier.key"
    key = load_key(path)
    assert len(key) == 32
    assert load_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [child.name for child in path.parent.iterdir()] == ["identifier.key"]
    assert load_key(tmp_path / "other.key") != key


def test_many_at_once_get_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = list(pool.map(lambda _: load_key(tmp_path / "identifier.key"), range(64)))
    assert len(set(keys)) == 1


@pytest.mark.parametrize("text", ["", "abcd", "not hexadecimal at all"])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "identifier.key"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="'identifier.key' does not hold 32 bytes"):
        load_key(path)
