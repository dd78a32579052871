"""``python -m med_maml_pipeline``: runs the pipeline of an installed package."""

from __future__ import annotations

import sys
from pathlib import Path

from kedro.framework.cli.utils import find_run_command
from kedro.framework.project import configure_project

__all__ = ["main"]


def main(*arguments: str) -> object:
    """Runs ``kedro run`` with the given command-line arguments."""
    package = Path(__file__).parent.name
    configure_project(package)
    run = find_run_command(package)
    return run(list(arguments) or sys.argv[1:], standalone_mode=not hasattr(sys, "ps1"))


if __name__ == "__main__":
    main()
