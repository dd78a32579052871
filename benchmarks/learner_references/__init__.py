"""Every learner against references that share no code with it: what `learner_references.py` tabulates.

A module per lane; its `CHECKS` list one `Check` per learner and reference. The test suite runs the same
checks against their gates.
"""

from __future__ import annotations

from learner_references import classical, controls, gaussian_process, metric, transfer
from learner_references.check import Check

__all__ = ["CHECKS", "Check"]

_MODULES: tuple[tuple[Check, ...], ...] = (
    gaussian_process.CHECKS,
    classical.CHECKS,
    controls.CHECKS,
    metric.CHECKS,
    transfer.CHECKS,
)

CHECKS: tuple[Check, ...] = tuple(check for module in _MODULES for check in module)
