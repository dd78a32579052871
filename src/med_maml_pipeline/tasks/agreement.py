"""What the families of one problem must agree upon before its tasks can be split."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.sources.spec import MetaSplitRule, TaskFamilySpec
from med_maml_pipeline.tasks.candidate import Candidate

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
    for spec in specs:
        _check_fractions(problem, spec)
        _check_rule(problem, spec, {c.label for c in candidates if c.spec == spec})
    _check_folds(problem, [spec.split for spec in specs])


_SHARED: dict[str, Callable[[TaskFamilySpec], object]] = {
    "protocol": lambda spec: spec.protocol,
    "group_split": lambda spec: spec.group_split,
    "shared_inputs": lambda spec: spec.shared_inputs,
    "shared_meaning": lambda spec: spec.shared_meaning,
}


def _check_folds(problem: str, rules: Sequence[MetaSplitRule]) -> None:
    """Rules that are not pinned in all folds must agree on how many there are."""
    free = {_free_rule(rule) for rule in rules if rule.mode in ("random", "rotate")}
    if len(free) > 1:
        raise ConfigurationError(
            f"problem '{problem}': its task families split by different rules; 'random' and 'rotate' do "
            "not mix, and 'fractions' or 'folds' must be equal"
        )
    turns = {len(rule.rotations) for rule in rules if rule.rotations}
    folds = {
        rule.folds if rule.mode == "rotate" else 1 for rule in rules if rule.mode in ("random", "rotate")
    }
    if turns and len(turns | folds) > 1:
        raise ConfigurationError(
            f"problem '{problem}': its task families declare different numbers of folds; 'rotations' must be "
            "equally many, and 'rotate' must have as many 'folds', or pin the other families with 'fixed' or "
            "'named' lists"
        )


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
    if rule.rotations and (rule.mode != "named" or rule.train or rule.validation or rule.test):
        raise ConfigurationError(
            f"{place}: 'rotations' belong to split mode 'named' and take the place of its lists"
        )
    if rule.mode != "named":
        return
    rounds = [one.validation + one.test for one in rule.rotations]
    for named in rounds or [rule.train + rule.validation + rule.test]:
        if len(named) != len(set(named)):
            raise ConfigurationError(f"{place}: a label is named in two meta-splits, or twice in one")
    unknown = rule.labels - labels
    if unknown or not rule.labels:
        raise ConfigurationError(
            f"{place}: split mode 'named' needs labels that exist; unknown: {sorted(unknown)}"
        )
    if spec.kind == "classes" and 1 in map(len, _lists(rule)):
        raise ConfigurationError(f"{place}: a list names one class alone; it takes two to make a task")


def _lists(rule: MetaSplitRule) -> list[tuple[str, ...]]:
    rounds = [labels for one in rule.rotations for labels in (one.validation, one.test)]
    return [rule.train, rule.validation, rule.test, *rounds]
