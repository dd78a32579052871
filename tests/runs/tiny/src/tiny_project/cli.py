"""The commands of the real project."""

from med_maml_pipeline.cli import cli, run

__all__ = ["cli", "run"]
