"""Where tables for the terminal are printed."""

from __future__ import annotations

import rich
from rich.console import Console

__all__ = ["terminal_console"]

_WIDTH = 120  # what the tables need where no terminal sets the width


def terminal_console() -> Console:
    """The terminal; where output goes elsewhere, a console of the width that the tables need."""
    console = rich.get_console()
    return console if console.is_terminal else Console(width=_WIDTH)
