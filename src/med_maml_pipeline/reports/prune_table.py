"""What removing old versions frees, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.table import Table

__all__ = ["prune_table"]

_MIB = 2**20


def prune_table(freed: Mapping[str, tuple[int, int]], *, dry_run: bool) -> Table:
    """One row per dataset, and the sum.

    Args:
        freed: Number of versions (or of half-written leftovers) and bytes, by what they belong to.
        dry_run: Whether nothing was removed.
    """
    count = sum(number for number, _ in freed.values())
    size = sum(size for _, size in freed.values())
    table = Table(
        title="Would be freed" if dry_run else "Freed", box=SIMPLE_HEAD, pad_edge=False, show_footer=True
    )
    table.add_column("dataset", footer="total", overflow="fold")
    table.add_column("versions", footer=f"{count:,}", justify="right")
    table.add_column("MiB", footer=f"{size / _MIB:,.1f}", justify="right")
    for name, (number, size) in freed.items():
        table.add_row(name, f"{number:,}", f"{size / _MIB:,.1f}")
    return table
