"""Refuses DNS look-ups and connections to anywhere but this machine, and keeps a log of every attempt."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOCAL_NAMES = {None, "", "localhost", "localhost.localdomain", "::1", "0.0.0.0", "::", socket.gethostname()}


def is_local(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    return name in LOCAL_NAMES or str(name).startswith("127.")


def refuse_network(log: Path) -> None:
    """Patches the socket module of this process; each attempt is appended to ``log`` and raises OSError."""

    def refuse(what: str) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(what + "\n")
        raise OSError(f"no network here: {what}")

    def guarded_lookup(name: str) -> Callable[..., Any]:
        original = getattr(socket, name)

        def lookup(host: object, *arguments: Any, **options: Any) -> Any:
            if not is_local(host):
                refuse(f"{name} of {host!r}")
            return original(host, *arguments, **options)

        return lookup

    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"):
        setattr(socket, name, guarded_lookup(name))

    def guarded_method(name: str) -> Callable[..., Any]:
        original = getattr(socket.socket, name)

        def method(self: socket.socket, *arguments: Any) -> Any:
            address = arguments[-1]
            if self.family in (socket.AF_INET, socket.AF_INET6) and not is_local(address[0]):
                refuse(f"{name} to {address!r}")
            return original(self, *arguments)

        return method

    for name in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, name, guarded_method(name))
