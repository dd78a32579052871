"""Settings read into typed, frozen blocks, so that a typo stops a run before it trains."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, TypeVar

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.learners.devices import available_device, check_precision
from med_maml_pipeline.learners.protocol import Settings

__all__ = ["read_settings"]

Block = TypeVar("Block")


def read_settings(block: type[Block], settings: Settings, learner: str) -> Block:
    """Fills a dataclass with the settings; lists become tuples, absent ones keep their default.

    A ``device`` among them is the one that this machine has: ``auto`` is decided here.

    Raises:
        ConfigurationError: a setting is unknown (the message lists the known ones), or a device or precision
            is that this machine lacks.
    """
    known = {entry.name for entry in fields(block)}  # type: ignore[arg-type]
    unknown = sorted(set(settings) - known)
    if unknown:
        names = ", ".join(sorted(known))
        raise ConfigurationError(
            f"learner '{learner}': unknown setting '{unknown[0]}'; expected one of: {names}."
        )
    made: Any = block(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    )
    if "device" not in known:
        return made
    device = available_device(made.device, learner)
    check_precision(made.precision, device, learner)
    return replace(made, device=device)
