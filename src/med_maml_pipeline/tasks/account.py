"""The account of task construction: what was left out, at which step, and the closest miss per family."""

from __future__ import annotations

from typing import NamedTuple

from med_maml_pipeline.errors import InfeasibleTaskError
from med_maml_pipeline.tasks.candidate import Candidate
from med_maml_pipeline.tasks.feasibility import Shortfall

__all__ = ["Account", "AttritionRow", "infeasible"]


class AttritionRow(NamedTuple):
    """At ``step`` of task construction ``lost`` tasks, examples or support sizes left; ``kept`` remained."""

    source: str
    table: str
    step: str
    kept: int
    lost: int


class Account:
    """Adds up what tasks lose, by source, table, family and step."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str, str], dict[int | None, tuple[int, int]]] = {}
        self._misses: dict[tuple[str, str, str], tuple[Candidate, Shortfall]] = {}

    def add(self, candidate: Candidate, step: str, *, kept: int, lost: int, fold: int | None = None) -> None:
        """Counts ``kept`` and ``lost`` of one task under ``step``, in one fold or before any split."""
        examples, spec = candidate.examples, candidate.spec
        name = spec.family if spec.problem is None else f"{spec.problem} {spec.family}"
        sums = self._sums.setdefault((examples.source, examples.table, f"{name}: {step}"), {})
        before = sums.get(fold, (0, 0))
        sums[fold] = (before[0] + kept, before[1] + lost)

    def outcome(
        self, candidate: Candidate, step: str, shortfall: Shortfall | None, fold: int | None = None
    ) -> None:
        """Counts a task, or a class, as kept, or as lost with what it falls short of.

        Raises:
            InfeasibleTaskError: the configuration names the task and fixes its meta-split, or names the
                class or a label, so leaving it out would answer another question.
        """
        self.add(candidate, step, kept=int(shortfall is None), lost=int(shortfall is not None), fold=fold)
        if shortfall is None:
            return
        spec = candidate.spec
        fixed = spec.split.mode in ("fixed", "named") or spec.kind == "classes"
        if shortfall.named or (candidate.configured and fixed):
            raise infeasible(candidate, shortfall)
        closest = self._misses.get(candidate.family)
        if closest is None or _nearness(shortfall) > _nearness(closest[1]):
            self._misses[candidate.family] = (candidate, shortfall)

    def require(self, candidates: list[Candidate], made: set[tuple[str, str, str]]) -> None:
        """Checks that every family gave a task.

        Args:
            candidates: Tasks asked for.
            made: Families (`Candidate.family`) with a task in some fold.

        Raises:
            InfeasibleTaskError: a family is without a task; the message tells of its closest miss.
        """
        for candidate in candidates:
            if candidate.family not in made and candidate.family in self._misses:
                raise infeasible(*self._misses[candidate.family], closest=True)

    def rows(self) -> list[AttritionRow]:
        """One row per step that lost something; folds apart only where their numbers differ."""
        rows = []
        for (source, table, step), sums in self._sums.items():
            alike = len(set(sums.values())) == 1
            for fold, (kept, lost) in list(sums.items())[: 1 if alike else None]:
                if lost:
                    where = step if alike else f"{step}, fold {fold}"
                    rows.append(AttritionRow(source, table, where, kept, lost))
        return rows


def _nearness(shortfall: Shortfall) -> float:
    return shortfall.found / shortfall.needed


def infeasible(candidate: Candidate, shortfall: Shortfall, *, closest: bool = False) -> InfeasibleTaskError:
    """The error that a task, or a class, cannot be served; ``closest``: nor any other of its family."""
    what = "class" if len(candidate.classes) == 1 else "task"
    which = f"the closest {what} of the family" if closest else f"the {what}"
    # Names of strata and classes are values of a column: told only when the configuration says them first.
    told = candidate.spec.kind not in ("stratum", "classes") or candidate.configured
    name = f"{which}, '{candidate.label}'," if told else which
    return InfeasibleTaskError(
        f"fewer groups than the support asks for: {name} has {shortfall.found} {shortfall.what} "
        f"and needs {shortfall.needed}",
        source=candidate.examples.source,
        where=f"task family '{candidate.spec.family}'",
        remedy="lower 'support.sizes', 'support.min_per_class' or 'min_examples', or leave it out",
    )
