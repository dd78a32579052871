"""Errors that a user can act upon: one sentence that names the place, the expectation and the remedy."""

from __future__ import annotations

__all__ = ["ConfigurationError", "DataError", "InfeasibleTaskError", "LeakageError", "MedMamlError"]


class MedMamlError(Exception):
    """Base of every error this package raises on purpose."""


class ConfigurationError(MedMamlError):
    """A parameter block, source entry or name is unknown or out of range."""


class DataError(MedMamlError):
    """Raw input that cannot be used as it is.

    The message carries names of sources and columns, row numbers and counts; never a value of a row, and
    never the name of a file that was found rather than configured (file names may identify patients).

    Args:
        problem: What was found, with counts or row numbers.
        source: Name of the source in the configuration.
        where: Place inside the source: configured path, file number, table, column.
        expected: What the reader expects there.
        remedy: What the user can do.
    """

    def __init__(
        self, problem: str, *, source: str, where: str = "", expected: str = "", remedy: str = ""
    ) -> None:
        self.source = source
        place = f"source '{source}'" + (f", {where}" if where else "")
        parts = [f"{place}: {problem}"]
        if expected:
            parts.append(f"expected {expected}")
        if remedy:
            parts.append(remedy)
        super().__init__("; ".join(parts) + ".")


class InfeasibleTaskError(DataError):
    """A task cannot give the support or query sets that were asked for."""


class LeakageError(MedMamlError):
    """Meta-splits, or support and query, share tasks or groups. Carries counts, never ids."""
