"""What a run depends on besides data, parameters and code: packages, device. No host, user or path names."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from typing import Any

__all__ = ["device", "package_versions", "peak_memory_mib"]

_PACKAGE = "med_maml_pipeline"


def package_versions() -> dict[str, str]:
    """Versions of Python, of this package and of everything it declares to need."""
    declared = importlib.metadata.requires(_PACKAGE) or []
    names = [re.split(r"[^\w.-]", entry, maxsplit=1)[0] for entry in declared if "extra ==" not in entry]
    versions = {"python": platform.python_version()}
    for name in [_PACKAGE, *sorted(names)]:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def device() -> dict[str, Any]:
    """What computed. GPUs are named only where torch was loaded: asking would load it."""
    found: dict[str, Any] = {
        "machine": platform.machine(),
        "system": platform.system(),
        "cpus": os.cpu_count(),
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found["gpus"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return found


def peak_memory_mib() -> float | None:
    """Largest resident memory so far of this process or of one of its finished children; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux kibibytes
    peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(max(peaks) / unit, 1)
