"""Where a reader stands, so that each error names its source, file and table the same way."""

from __future__ import annotations

from dataclasses import dataclass

from med_maml_pipeline.errors import DataError

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """A spot inside a source.

    Attributes:
        source: Name of the source in the configuration.
        where: Configured path, file number or table. Never the name of a file that was merely found.
    """

    source: str
    where: str

    def error(self, problem: str, *, expected: str = "", remedy: str = "") -> DataError:
        """The error to raise here; ``problem`` carries counts and row numbers, never values."""
        return DataError(problem, source=self.source, where=self.where, expected=expected, remedy=remedy)

    def within(self, detail: str) -> Place:
        """A narrower spot: ``column 'age'``, ``file 3 of 8``."""
        return Place(self.source, f"{self.where}, {detail}")
