"""Where and how exactly gradient-trained learners compute: settings ``device`` and ``precision``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.learners.gradient_training import GradientTraining
from med_maml_pipeline.learners.protocol import Settings

if TYPE_CHECKING:
    import torch

__all__ = [
    "arithmetic",
    "available_device",
    "check_precision",
    "check_settings",
    "chosen_device",
    "forward_in",
]

_DEVICES = ("auto", "cpu", "cuda")
_PRECISIONS = ("float32", "tf32", "bfloat16")


def chosen_device(device: str) -> str:
    """``auto`` as ``cuda`` where there is a CUDA device, else as ``cpu``; other names as they are."""
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def available_device(device: str, learner: str) -> str:
    """The device that a setting stands for.

    Raises:
        ConfigurationError: an unknown name, or ``cuda`` where PyTorch finds no CUDA device.
    """
    if device not in _DEVICES:
        expected = ", ".join(_DEVICES)
        raise ConfigurationError(
            f"learner '{learner}': unknown device '{device}'; expected one of: {expected}."
        )
    device = chosen_device(device)
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise ConfigurationError(
                f"learner '{learner}': 'device: cuda' was asked for, and PyTorch finds no CUDA device; set "
                "'device: cpu', or install a CUDA build of PyTorch and a driver that fits it."
            )
    return device


def check_precision(precision: str, device: str, learner: str) -> None:
    """Refuses a precision that does not exist, or that the device lacks.

    Raises:
        ConfigurationError: an unknown name, or ``bfloat16`` on a GPU without it.
    """
    if precision not in _PRECISIONS:
        expected = ", ".join(_PRECISIONS)
        raise ConfigurationError(
            f"learner '{learner}': unknown precision '{precision}'; expected one of: {expected}."
        )
    if precision == "bfloat16" and device == "cuda":
        import torch

        if not torch.cuda.is_bf16_supported(including_emulation=False):
            raise ConfigurationError(
                f"learner '{learner}': this GPU has no bfloat16; set 'precision' to tf32 or float32."
            )


def check_settings(settings: Settings, learner: str) -> None:
    """Refuses a device or precision that this machine lacks, before anything is trained.

    Raises:
        ConfigurationError: see `available_device` and `check_precision`.
    """
    device = available_device(str(settings.get("device", GradientTraining.device)), learner)
    check_precision(str(settings.get("precision", GradientTraining.precision)), device, learner)


@contextmanager
def arithmetic(precision: str) -> Iterator[None]:
    """Lets a GPU round the factors of products and convolutions to TF32, or forbids it (the default).

    It changes nothing on a CPU. What was set before comes back afterwards.
    """
    import torch

    backends = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)  # type: ignore[attr-defined]
    before = [backend.fp32_precision for backend in backends]
    for backend in backends:
        backend.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    try:
        yield
    finally:
        for backend, own in zip(backends, before, strict=True):
            backend.fp32_precision = own


def forward_in(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Autocast to bfloat16 where that is the precision; for the way forward, inner steps included."""
    if precision != "bfloat16":
        return nullcontext()
    import torch

    # Casts are not remembered: a CUDA graph must hold its own.
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)
