"""Every parameter block as a typed model: a typo or a value out of range fails before any node runs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from med_maml_pipeline.learners.distributed.settings import DistributedSettings
from med_maml_pipeline.learners.registry import LEARNERS
from med_maml_pipeline.modalities import MODALITIES
from med_maml_pipeline.personalisation.settings import PersonalisationSettings
from med_maml_pipeline.synthetic.settings import SyntheticHospitalSettings
from med_maml_pipeline.validation import configuration_error, did_you_mean

__all__ = ["Budget", "BudgetName", "Budgets", "LearnerBudget", "Parameters", "State", "parse_parameters"]

BudgetName = Literal["quick", "full"]
Scalar = bool | int | float | str | tuple[int, ...]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Budget(_Block):
    """How much work a run may spend.

    Attributes:
        draws_factor: Multiplies the stored draws per task and support size that each source declares.
        max_validation_episodes: Validation episodes per problem, fold, target type and support size that
            selection uses (a seeded choice that is the same for every learner).
        max_stacking_episodes: Validation episodes, counted alike, whose predictions ensembles learn from.
        meta_settings: At most so many meta-training settings per learner are tried.
        adapt_settings: At most so many adaptation settings per learner are tried.
        training_seconds: Time that one meta-training is meant to take on a CPU core, the same for every
            learner. Steps are set to keep it; one that takes longer is finished, and reported.
    """

    draws_factor: int = Field(default=1, ge=1)
    max_validation_episodes: int = Field(default=20, ge=1)
    max_stacking_episodes: int = Field(default=60, ge=1)
    meta_settings: int = Field(default=1, ge=1)
    adapt_settings: int = Field(default=4, ge=1)
    training_seconds: float = Field(default=60.0, gt=0)


class LearnerBudget(_Block):
    """Settings that replace a learner's own, by budget (``steps`` of meta-training, for instance)."""

    quick: dict[str, Scalar] = Field(default_factory=dict)
    full: dict[str, Scalar] = Field(default_factory=dict)

    def of(self, budget: BudgetName) -> dict[str, Scalar]:
        """Settings under one budget."""
        return self.quick if budget == "quick" else self.full


class Budgets(_Block):
    """The two budgets: ``quick`` for a first look, ``full`` for published figures."""

    quick: Budget = Budget()
    full: Budget = Budget(
        draws_factor=5,
        max_validation_episodes=200,
        max_stacking_episodes=400,
        meta_settings=8,
        adapt_settings=24,
        training_seconds=1800.0,
    )

    def named(self, budget: BudgetName) -> Budget:
        """The budget of that name."""
        return self.quick if budget == "quick" else self.full


class Evaluation(_Block):
    """Bootstrap of the intervals."""

    n_bootstrap: int = Field(default=2000, ge=100)


class State(_Block):
    """What unfinished meta-trainings leave to the next run.

    Attributes:
        folder: Where, below the project; may be deleted at any time. None keeps nothing.
        every: Seconds of training between two saves; 0 saves after every update.
    """

    folder: str | None = None
    every: float = Field(default=10.0, ge=0)


class Parameters(_Block):
    """All parameters of the project.

    Attributes:
        seed: Seed of everything that is drawn.
        seeds: Number of meta-training seeds: ``seed``, ``seed + 1``, …; all other draws are ``seed``'s.
        budget: ``quick`` or ``full``.
        budgets: What the budgets mean.
        workers: Worker processes for training and adaptation (results do not depend on it).
        state: What unfinished meta-trainings leave to the next run.
        distributed: Processes that share each meta-training, on this machine or on a cluster.
        identifier_key_file: File with the key of the identifier hashes; made on first use.
        public_data_root: Only ever given with ``--params``: root of the public data in the catalog.
        synthetic_hospital: Size and nature of the embedded hospital.
        learners: Settings by modality, learner and budget. Learners that share a pre-trained network follow
            the settings of the first of them, ``linear_probe``.
        roster: Learners that take part: ``core``, ``all``, or a list of names.
        evaluation: Bootstrap.
        support / query: Only ever given with ``--params``: one's own tables, for personalisation.
        personalisation: Which checkpoint serves them, and how they are laid out.
    """

    seed: int = Field(default=0, ge=0)
    seeds: int = Field(default=1, ge=1)
    budget: BudgetName = "quick"
    budgets: Budgets = Budgets()
    workers: int = Field(default=2, ge=1)
    state: State = State()
    distributed: DistributedSettings = DistributedSettings()
    identifier_key_file: str = "conf/identifier.key"
    public_data_root: str | None = None
    synthetic_hospital: SyntheticHospitalSettings = SyntheticHospitalSettings()
    roster: Literal["core", "all"] | tuple[str, ...] = "core"
    learners: dict[str, dict[str, LearnerBudget]] = Field(default_factory=dict)
    evaluation: Evaluation = Evaluation()
    support: str | None = None
    query: str | None = None
    personalisation: PersonalisationSettings = PersonalisationSettings()

    @field_validator("learners")
    @classmethod
    def _known_learners(
        cls, learners: dict[str, dict[str, LearnerBudget]]
    ) -> dict[str, dict[str, LearnerBudget]]:
        for modality in learners:
            if modality not in MODALITIES:
                raise ValueError(f"unknown modality '{modality}'; {did_you_mean(modality, MODALITIES)}")
        for name in chain.from_iterable(learners.values()):
            if name not in LEARNERS:
                raise ValueError(f"unknown learner '{name}'; {did_you_mean(name, LEARNERS)}")
        return learners

    @field_validator("roster", mode="before")
    @classmethod
    def _known_roster(cls, roster: object) -> object:
        if roster in ("core", "all"):
            return roster
        if isinstance(roster, list | tuple) and roster:
            for name in map(str, roster):
                if name not in LEARNERS:
                    raise ValueError(f"unknown learner '{name}'; {did_you_mean(name, LEARNERS)}")
            return roster
        known = ("core", "all", *(f"[{name}]" for name in LEARNERS))
        meant = f"; {did_you_mean(roster, known)}" if isinstance(roster, str) else ""
        raise ValueError(f"expected 'core', 'all' or a list of learners{meant}")

    @property
    def active_budget(self) -> Budget:
        """The budget that this run spends."""
        return self.budgets.named(self.budget)

    @property
    def all_seeds(self) -> range:
        """The meta-training seeds."""
        return range(self.seed, self.seed + self.seeds)

    def learner_settings(self, modality: str) -> dict[str, dict[str, Scalar]]:
        """Settings by learner of one modality under the active budget."""
        return {name: block.of(self.budget) for name, block in self.learners.get(modality, {}).items()}


def parse_parameters(parameters: Mapping[str, Any]) -> Parameters:
    """Checks a parameter dictionary as Kedro loaded it.

    Raises:
        ConfigurationError: names every block or value that is unknown or out of range.
    """
    try:
        return Parameters.model_validate(dict(parameters))
    except ValidationError as error:
        raise configuration_error(error, "parameters", Parameters) from None
