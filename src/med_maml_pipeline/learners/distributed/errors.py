"""What a user can do where training by several processes fails."""

from __future__ import annotations

from med_maml_pipeline.errors import MedMamlError

__all__ = ["LaunchError"]


class LaunchError(MedMamlError):
    """The processes that train together cannot be started, or died too often."""
