"""Which files of the code a function can reach: its module, and all that these import in turn."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

__all__ = ["Imports", "module_of"]


class Imports:
    """Imports between the modules below a folder, read from their text; nothing is imported.

    An import inside a function counts. A package counts with its ``__init__``, so what that re-exports
    counts too, and a file that imports by computed names (``importlib``) is taken to import its whole folder:
    rather too much than too little.

    Args:
        source: Folder of the packages.
    """

    def __init__(self, source: Path) -> None:
        self._source = source
        self._direct = cache(self._imported_by)

    def reachable(self, modules: Iterable[str]) -> set[Path]:
        """Files, relative to the source folder, of the modules and of all that they import.

        The packages of the modules themselves are left out: those of a node import the wiring.
        """
        found: set[Path] = set()
        wanted = [file for module in modules for file in list(self._files(module))[-1:]]
        while wanted:
            file = wanted.pop()
            if file not in found:
                found.add(file)
                wanted += self._direct(file)
        return found

    def _imported_by(self, file: Path) -> list[Path]:
        tree = ast.parse((self._source / file).read_bytes())
        names = list(_names(tree, ".".join(file.parent.parts)))
        found = [other for name in names for other in self._files(name)]
        if {"importlib", "importlib.import_module"} & set(names):
            found += [other.relative_to(self._source) for other in (self._source / file.parent).glob("*.py")]
        return found

    def _files(self, name: str) -> Iterator[Path]:
        """Files that importing ``name`` executes; the last part may be a name inside a module."""
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            path = Path(*parts[:depth])
            for file in (path / "__init__.py", path.with_suffix(".py")):
                if (self._source / file).is_file():
                    yield file


def module_of(function: Callable[..., Any]) -> str:
    """Name of the module that a function comes from, a partial one's too."""
    while isinstance(function, partial):
        function = function.func
    return function.__module__


def _names(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: -(node.level - 1) or None] if node.level else []
            base = ".".join([*parts, node.module] if node.module else parts)
            yield from (f"{base}.{alias.name}" for alias in node.names)
