"""What the families of one problem must agree upon before its tasks can be split."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.sources.spec import MetaSplitRule, TaskFamilySpec
from med_maml_pipeline.tasks.families import Candidate

__all__ = ["check_agreement"]


def check_agreement(candidates: Sequence[Candidate]) -> None:
    """Checks the families of one problem against each other and each split rule by itself.

    Args:
        candidates: All tasks of one problem.

    Raises:
        ConfigurationError: families disagree on what a problem has once, fractions do not add up to one,
            or a rule is incomplete or names labels that do not exist.
    """
    specs = list(dict.fromkeys(candidate.spec for candidate in candidates))
    problem = candidates[0].problem
    for name, value in _SHARED.items():
        if len({value(spec) for spec in specs}) > 1:
            raise ConfigurationError(
                f"problem '{problem}': its task families disagree on '{name}'; sources that share a "
                "problem must declare it alike"
            )
    free = {_free_rule(spec.split) for spec in specs if spec.split.mode in ("random", "rotate")}
    if len(free) > 1:
        raise ConfigurationError(
            f"problem '{problem}': its task families split by different rules; 'random' and 'rotate' do "
            "not mix, and 'fractions' or 'folds' must be equal"
        )
    for spec in specs:
        _check_fractions(problem, spec)
        _check_rule(problem, spec, {c.label for c in candidates if c.spec == spec})


_SHARED: dict[str, Callable[[TaskFamilySpec], object]] = {
    "protocol": lambda spec: spec.protocol,
    "group_split": lambda spec: spec.group_split,
    "shared_inputs": lambda spec: spec.shared_inputs,
    "shared_meaning": lambda spec: spec.shared_meaning,
}


def _free_rule(rule: MetaSplitRule) -> tuple[object, ...]:
    return (rule.mode, rule.fractions if rule.mode == "random" else rule.folds)


def _check_fractions(problem: str, spec: TaskFamilySpec) -> None:
    for name, fractions in (("split.fractions", spec.split.fractions), ("group_split", spec.group_split)):
        if fractions is not None and abs(sum(fractions) - 1) > 1e-6:
            raise ConfigurationError(
                f"problem '{problem}', task family '{spec.family}': '{name}' must add up to 1, "
                f"not {sum(fractions):g}"
            )


def _check_rule(problem: str, spec: TaskFamilySpec, labels: set[str]) -> None:
    rule = spec.split
    place = f"problem '{problem}', task family '{spec.family}'"
    if rule.mode == "fixed" and rule.meta_split is None:
        raise ConfigurationError(f"{place}: split mode 'fixed' needs 'meta_split'")
    if rule.mode != "named":
        return
    named = [*rule.train, *rule.validation, *rule.test]
    if len(named) != len(set(named)):
        raise ConfigurationError(f"{place}: a label is named in two meta-splits, or twice in one")
    unknown = set(named) - labels
    if unknown or not named:
        raise ConfigurationError(
            f"{place}: split mode 'named' needs labels that exist; unknown: {sorted(unknown)}"
        )
