"""What is known of a run: its record, its clock, its inputs, the commands to repeat it or to go on; and what
the records tell of data: where a version comes from, and whether it is up to date.
"""

from pathlib import Path

__all__ = ["TRACKING"]

TRACKING = Path("data/09_tracking")
"""Where records lie, relative to the project."""
