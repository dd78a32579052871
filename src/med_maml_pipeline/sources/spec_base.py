"""What every source says of itself, and which tasks it asks for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["LabelPanel", "MetaSplitRule", "Rotation", "Source", "Strict", "SupportRule", "TaskFamilySpec"]

Fraction = Annotated[float, Field(gt=0, lt=1)]


class Strict(BaseModel):
    """A frozen block of configuration that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SupportRule(Strict):
    """How support sets are drawn from a task's pool.

    Attributes:
        rule: ``balanced`` draws the same number per class (n_shot = size); ``natural`` draws the size in
            all at natural prevalence, redrawn until every class is present; ``enriched`` draws ``size``
            examples of the positive class and ``negatives_per_positive`` times as many others.
        sizes: Support sizes (per class for balanced and enriched, in all for natural).
        classes_at: Classes that cannot serve this size (or, where fewer than two can, the next smaller one)
            leave the task; larger sizes are stored where all that stayed can serve them. None: the largest
            size decides.
        negatives_per_positive: Only for ``enriched``.
        draws: Stored draws per task and size, in test and validation.
        max_query: Cap on the query set, drawn at natural prevalence.
        min_per_class: A class (or the numeric target) needs this many groups beyond the support.
        ways: Classes per episode, drawn from the classes of the task anew for each; None takes them all. A
            task with fewer classes than this gives what it has. Only for ``balanced``.
    """

    rule: Literal["balanced", "natural", "enriched"] = "balanced"
    sizes: tuple[int, ...] = (5, 10)
    classes_at: int | None = Field(default=None, ge=1)
    negatives_per_positive: int = Field(default=3, ge=1)
    draws: int = Field(default=2, ge=1)
    max_query: int = Field(default=256, ge=1)
    min_per_class: int = Field(default=3, ge=1)
    ways: int | None = Field(default=None, ge=2)


class Rotation(Strict):
    """One fold of a ``named`` rule: labels to validate and to test on; all others train."""

    validation: tuple[str, ...] = Field(min_length=1)
    test: tuple[str, ...] = Field(min_length=1)


class MetaSplitRule(Strict):
    """Which tasks are for training, validation and test.

    Attributes:
        mode: ``random`` splits clusters of tasks by ``fractions``; ``rotate`` gives ``folds`` folds in
            which each cluster of tasks is test once (folds = 0: leave one task out), validation taken
            from the source tasks; ``fixed`` puts all tasks into ``meta_split``; ``named`` takes lists of
            task labels, or of class names in a family of kind ``classes``.
        rotations: For ``named``, in place of the three lists: one fold each.
    """

    mode: Literal["random", "rotate", "fixed", "named"] = "random"
    fractions: tuple[Fraction, Fraction, Fraction] = (0.6, 0.15, 0.25)
    folds: int = Field(default=0, ge=0)
    meta_split: Literal["train", "validation", "test"] | None = None
    train: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    rotations: tuple[Rotation, ...] = ()

    @property
    def labels(self) -> frozenset[str]:
        """Every label that the rule names."""
        lists = [self.train, self.validation, self.test]
        lists += [labels for one in self.rotations for labels in (one.validation, one.test)]
        return frozenset(label for labels in lists for label in labels)


class LabelPanel(Strict):
    """Binary targets that make one multilabel task.

    Attributes:
        name: The task's label within its family.
        labels: Names of binary target columns, or glob patterns on them. A label that is spelled out must be
            served, one that a pattern finds may be left out.
    """

    name: str = Field(min_length=1)
    labels: tuple[str, ...] = Field(min_length=1)


class TaskFamilySpec(Strict):
    """A family of tasks that a source gives.

    Attributes:
        family: Name in tables (condition, site, outcome, table, assay, …).
        kind: ``target``: one task per target column; ``stratum``: one task per value of the stratum
            column for one target; ``table``: one task per table; ``classes``: the classes of one target are
            split among train, validation and test, and all classes of one meta-split make one task, from
            which episodes draw ``support.ways``; ``labels``: one multilabel task per panel of binary targets.
        target: Target column of a ``stratum`` or ``classes`` family.
        panels: Of a ``labels`` family; none: all binary targets of each table are one task.
        include / exclude: Glob patterns on target names (or strata, tables, classes, panels).
        cluster_pattern: Regular expression whose first group names the cluster of a task label; labels
            of one cluster are near-copies and stay in one meta-split. In a ``labels`` family it reads the
            names of the labels, and panels with near-copies stay together.
        clusters: Clusters listed by hand: each entry is a list of labels that stay together.
        problem: Meta-learning problem the tasks belong to (default: ``<source>_<family>``). Sources that
            name the same problem share learners.
        protocol: ``disjoint``, or the name of a declared waiver whose groups overlap on purpose.
        split: Meta-split rule.
        group_split: Fractions of groups for train, validation and test tasks. None only where tasks
            share no groups (checked).
        shared_meaning: Whether "positive" means alike in all tasks (defines the zero-shot prior).
        shared_inputs: Whether all tables of the problem have the same columns in the same meaning.
        support: Support rule.
        min_examples: Tasks with fewer labelled groups in their pool are left out and counted.
        max_pool: Cap on a task's pool, drawn by seed.
    """

    family: str
    kind: Literal["target", "stratum", "table", "classes", "labels"]
    target: str | None = None
    panels: tuple[LabelPanel, ...] = ()
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    cluster_pattern: str | None = None
    clusters: tuple[tuple[str, ...], ...] = ()
    problem: str | None = None
    protocol: str = "disjoint"
    split: MetaSplitRule = MetaSplitRule()
    group_split: tuple[Fraction, Fraction, Fraction] | None = None
    shared_meaning: bool = False
    shared_inputs: bool = True
    support: SupportRule = SupportRule()
    min_examples: int = Field(default=20, ge=2)
    max_pool: int = Field(default=20_000, ge=10)

    @model_validator(mode="after")
    def _stratum_needs_target(self) -> TaskFamilySpec:
        if self.kind == "stratum" and self.target is None:
            raise ValueError("a task family of kind 'stratum' needs 'target'")
        return self

    @model_validator(mode="after")
    def _labels_of_panels(self) -> TaskFamilySpec:
        if self.panels and self.kind != "labels":
            raise ValueError("'panels' belong to a task family of kind 'labels'")
        if self.kind != "labels":
            return self
        if self.target is not None:
            raise ValueError("a task family of kind 'labels' takes 'panels' in place of 'target'")
        if len({panel.name for panel in self.panels}) < len(self.panels):
            raise ValueError("two of the 'panels' have the same name")
        if self.support.rule == "enriched" or self.support.ways is not None:
            raise ValueError(
                "a task family of kind 'labels' draws by rule 'balanced' or 'natural', without 'ways'"
            )
        return self


class Source(Strict):
    """What every format shares.

    Attributes:
        path: File or folder, relative to the root of the multi-source dataset. Never leaves it.
        dataset: ``synthetic`` when the source is what the pipeline ``synthetic_hospital`` made; ``path``
            is then relative to that snapshot.
        group_namespace: Sources that name the same namespace share groups (default: the source name).
        min_category_count: A level of a category is kept as a feature only where at least so many
            groups show it: rarer levels could identify a patient.
        tasks: Task families.
        licence / url: Printed in the report and docs.
    """

    path: str
    dataset: Literal["external", "synthetic"] = "external"
    group_namespace: str | None = None
    min_category_count: int = Field(default=5, ge=1)
    tasks: tuple[TaskFamilySpec, ...] = Field(min_length=1)
    licence: str = "not declared"
    url: str = ""
