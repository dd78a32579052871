"""Every learner against references that share no code with it: what `learner_references.py` tabulates.

A module per lane; its `CHECKS` list one `Check` per learner and reference. The test suite runs the same
checks against their gates.
"""

from __future__ import annotations

from learner_references import classical, controls, gaussian_process, metric, model, optimisation, transfer
from learner_references.check import Check

__all__ = ["CHECKS", "Check"]

_MODULES: tuple[tuple[Check, ...], ...] = (
    classical.CHECKS,
    controls.CHECKS,
    gaussian_process.CHECKS,
    metric.CHECKS,
    model.CHECKS,
    optimisation.CHECKS,
    transfer.CHECKS,
)

CHECKS: tuple[Check, ...] = tuple(check for module in _MODULES for check in module)
