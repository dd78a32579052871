"""Learners by name, loaded when asked for: a pipeline that needs no network imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.learners.protocol import Learner

__all__ = ["CORE", "LANES", "LEARNERS", "get_learner", "roster"]

LEARNERS: dict[str, str] = {
    "maml": "maml:Maml",
    "fomaml": "fomaml:Fomaml",
    "anil": "anil:Anil",
    "boil": "boil:Boil",
    "meta_sgd": "meta_sgd:MetaSgd",
    "maml_pp": "maml_pp:MamlPp",
    "protomaml": "protomaml:ProtoMaml",
    "reptile": "reptile:Reptile",
    "imaml": "imaml:ImplicitMaml",
    "protonet": "protonet:ProtoNet",
    "protonet_cosine": "protonet_cosine:ProtoNetCosine",
    "protonet_mahalanobis": "protonet_mahalanobis:ProtoNetMahalanobis",
    "matching": "matching:Matching",
    "relation": "relation:Relation",
    "r2d2": "r2d2:R2D2",
    "dkt": "dkt:DeepKernelTransfer",
    "adkf": "adkf:AdaptiveDeepKernel",
    "cnp": "cnp:ConditionalNeuralProcess",
    "anp": "anp:AttentiveNeuralProcess",
    "snail": "snail:Snail",
    "in_context": "in_context:InContextLearner",
    "linear_probe": "transfer:LinearProbe",
    "fine_tune": "transfer:FineTune",
    "logistic": "linear:LogisticRidge",
    "forest": "forest:RandomForest",
    "knn": "neighbours:NearestNeighbours",
    "boosting": "boosting:GradientBoosting",
    "svm": "vector_machines:SupportVectors",
    "kernel_ridge": "gaussian_ridge:GaussianKernelRidge",
    "tanimoto_krr": "tanimoto:TanimotoKernelRidge",
    "prior": "prior:ZeroShotPrior",
    "prior_residual": "prior_residual:PriorResidual",
    "untrained": "untrained:Untrained",
    "baseline_pp": "cosine_head:CosineHead",
    "lda": "discriminant:Discriminant",
    "forest_on_features": "features_forest:ForestOnFeatures",
}
"""Name to ``module:Class`` within this package. A further learner is a file and a line here."""

LANES: dict[str, tuple[str, ...]] = {
    "maml": ("maml", "fomaml", "anil", "boil", "meta_sgd", "maml_pp", "protomaml", "reptile", "imaml"),
    "metric": (
        "protonet",
        "protonet_cosine",
        "protonet_mahalanobis",
        "matching",
        "relation",
        "r2d2",
        "dkt",
        "adkf",
    ),
    "model": ("cnp", "anp", "snail", "in_context"),
    "transfer": ("linear_probe", "fine_tune", "baseline_pp", "lda", "forest_on_features"),
    "classical": ("logistic", "forest", "boosting", "svm", "knn", "kernel_ridge", "tanimoto_krr"),
    "control": ("prior", "prior_residual", "untrained"),
}
"""Pipeline namespace to the learners that run in it; ``maml`` holds MAML and its relatives. The control
``forest_on_features`` runs with the transfer lane, whose pre-trained network it reads."""

CORE: tuple[str, ...] = (
    *("maml", "protonet", "r2d2"),
    *("linear_probe", "fine_tune", "forest_on_features"),
    *("logistic", "forest", "svm", "knn", "tanimoto_krr"),
    *("prior", "prior_residual", "untrained"),
)
"""What a run trains where the parameter ``roster`` does not say otherwise."""


def roster(chosen: str | Sequence[str], lane: str) -> tuple[str, ...]:
    """Learners of a lane that take part in a run, in the lane's order.

    Args:
        chosen: ``core``, ``all``, or names.
        lane: A key of `LANES`.
    """
    if chosen == "all":
        return LANES[lane]
    names = CORE if chosen == "core" else chosen
    return tuple(name for name in LANES[lane] if name in names)


def get_learner(name: str) -> Learner:
    """The learner of that name.

    Raises:
        ConfigurationError: there is none; the message lists the names.
    """
    if name not in LEARNERS:
        known = ", ".join(sorted(LEARNERS))
        raise ConfigurationError(f"unknown learner '{name}'; expected one of: {known}.")
    module, _, attribute = LEARNERS[name].partition(":")
    learner: Learner = getattr(import_module(f"med_maml_pipeline.learners.{module}"), attribute)()
    return learner
