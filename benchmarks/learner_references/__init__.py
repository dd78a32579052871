"""Every learner against references that share no code with it: what `learner_references.py` tabulates.

A module per lane; its `CHECKS` list one `Check` per learner and reference. The test suite runs the same
checks against their gates.
"""

from __future__ import annotations

from learner_references import (
    classical,
    controls,
    gaussian_process,
    in_context,
    metric,
    model,
    optimisation,
    optimisation_implicit,
    transfer,
)
from learner_references.check import Check

__all__ = ["CHECKS", "Check"]

_MODULES: tuple[tuple[Check, ...], ...] = (
    classical.CHECKS,
    controls.CHECKS,
    gaussian_process.CHECKS,
    in_context.CHECKS,
    metric.CHECKS,
    model.CHECKS,
    optimisation.CHECKS,
    optimisation_implicit.CHECKS,
    transfer.CHECKS,
)

CHECKS: tuple[Check, ...] = tuple(check for module in _MODULES for check in module)
