"""How names and numbers read: labels, definitions, ``.723 [.701, .745]``, "undefined"."""

from __future__ import annotations

import html
import math

__all__ = [
    "DEFINITIONS",
    "LEARNER_LABELS",
    "METRIC_LABELS",
    "MODALITY_LABELS",
    "TERMS",
    "UNDEFINED",
    "counted",
    "difference_label",
    "estimate",
    "family_label",
    "learner_label",
    "metric_label",
    "modality_label",
    "number",
    "p_label",
    "plain",
    "quantity",
    "signed",
    "source_label",
    "support_label",
    "whole",
]

UNDEFINED = "undefined"
"""What a NaN reads as: a metric that does not exist (one class in the query set) is not a zero."""

LEARNER_LABELS: dict[str, str] = {
    "maml": "MAML",
    "fomaml": "First-order MAML",
    "anil": "ANIL",
    "boil": "BOIL",
    "meta_sgd": "Meta-SGD",
    "maml_pp": "MAML++",
    "protomaml": "ProtoMAML",
    "reptile": "Reptile",
    "imaml": "Implicit MAML",
    "protonet": "ProtoNet",
    "protonet_cosine": "ProtoNet, cosine",
    "protonet_mahalanobis": "ProtoNet, Mahalanobis",
    "matching": "Matching networks",
    "relation": "Relation networks",
    "r2d2": "R2-D2",
    "dkt": "Deep kernel transfer",
    "adkf": "Adaptive deep kernels",
    "cnp": "Conditional neural process",
    "anp": "Attentive neural process",
    "snail": "SNAIL",
    "in_context": "In-context transformer",
    "linear_probe": "Linear probe",
    "fine_tune": "Fine-tuning",
    "logistic": "Logistic / ridge",
    "forest": "Random forest",
    "knn": "Nearest neighbours",
    "boosting": "Gradient boosting",
    "svm": "Support vectors",
    "kernel_ridge": "Gaussian kernel ridge",
    "tanimoto_krr": "Tanimoto kernel ridge",
    "prior": "Zero-shot prior",
    "prior_residual": "Prior + kernel residual",
    "untrained": "Untrained network",
    "baseline_pp": "Baseline++",
    "lda": "Regularised LDA",
    "forest_on_features": "Forest on our features",
    "selected": "Selected",
    "stacked": "Stacked",
    "chosen_ours": "Ours, as each fold chose",
    "chosen_classical": "Classical, as each fold chose",
}

MODALITY_LABELS: dict[str, str] = {
    "ehr": "Health records",
    "molecules": "Molecules",
    "imaging": "Pictures",
    "expression": "Gene expression",
}

METRIC_LABELS: dict[str, str] = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "delta_auprc": "ΔAUPRC",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro-F1",
    "brier": "Brier score",
    "ece": "Calibration error (ECE)",
    "r2": "R²",
    "spearman": "Spearman ρ",
    "mae": "Mean absolute error",
}

DEFINITIONS: dict[str, str] = {
    "auroc": "Probability that a random positive is ranked above a random negative; with more than two "
    "classes each against the rest, averaged; with several labels the mean over labels. Chance is .5. "
    "Undefined when the query set has one class.",
    "auprc": "Average precision. Chance is the share of positives, so it is not comparable between tasks.",
    "delta_auprc": "AUPRC minus the share of positives in the query set. Chance is 0.",
    "accuracy": "Share of queries whose most probable class is right. Blind guessing from a support that "
    "shows each class equally often reaches one over the number of classes.",
    "balanced_accuracy": "Mean over classes of the share found. Chance is one over the number of classes, "
    "however common each is.",
    "macro_f1": "Mean over classes of the harmonic mean of precision and recall; with several labels the "
    "mean over labels of that of the positive class.",
    "brier": "Mean squared error of the predicted probabilities. Lower is better.",
    "ece": "Mean gap between stated probability and observed frequency, over 15 bins of equal width. "
    "Lower is better.",
    "r2": "Share of variance explained; negative when worse than the query's mean.",
    "spearman": "Rank correlation of prediction and truth. Undefined when either is constant.",
    "mae": "Mean absolute error, in the unit of the target. Lower is better.",
}
"""Metric to a sentence a clinician can use."""

TERMS: dict[str, str] = {
    "Support, query": "The labelled examples a learner adapts on, and the examples it is judged on. "
    "No group (patient, molecule) is in both.",
    "Way, shot": "5 per class, 5-way: an episode shows five classes, with five labelled examples of each. "
    "Which classes of the task it shows is drawn anew for each episode; test classes were never trained on.",
    "Several labels": "A task may ask several yes-or-no questions of each example (a panel of side effects). "
    "Each label is learned and scored by itself where it is observed, and metrics are means over labels; "
    "5 per class then means at least five examples of yes and of no for each label.",
    "Primary metric": "What a verdict is spoken on. Accuracy where all episodes of a family have the same "
    "number of classes, more than two; AUROC for two classes, for several labels and where the number of "
    "classes varies; Spearman ρ for numbers.",
    "Lane": "A family of learners: optimisation (MAML), metric (prototypes), model, transfer (pre-train, "
    "then tune), classical, control, ensemble.",
    "Stacked": "A weighted sum of the predictions of all learners, whatever their lane. Validation tasks "
    "teach the weights, which change with the number of labelled examples; a learner that adds nothing gets "
    "none.",
    "Selected": "The one learner, of whatever lane, with the best value on validation tasks of the family "
    "and support size.",
    "Better, level, worse": "Whether the paired difference leaves zero out once its p-value is adjusted for "
    "the number of families at the same support size (Holm 1979): at level .05 the chance of any false "
    "verdict among them is one in twenty at most. A family counts with 10 test tasks, or 200 test episodes.",
    "Best of ours": "The learner of the lanes optimisation, metric, model and transfer with the best value "
    "on validation tasks.",
    "Best classical": "The classical learner with the best value on validation tasks. It learns from the "
    "support alone.",
    "Zero-shot prior": "The mean prediction of the source tasks: no support is used. Beating it is what "
    "proves adaptation. Not defined where the tasks' targets share no meaning.",
    "Interval": "95 % bootstrap over tasks, then over the supports drawn within a task.",
    "Waiver": "A protocol in which groups overlap between meta-splits on purpose, to compare with published "
    "numbers. It flatters.",
}
"""The report's nouns."""


def learner_label(name: str) -> str:
    """A learner's name for people."""
    return LEARNER_LABELS.get(name, name.replace("_", " "))


def modality_label(name: str) -> str:
    """A modality for people, with its name in configuration where that differs: ``Pictures (imaging)``."""
    label = MODALITY_LABELS.get(name, name)
    return label if name in label.lower() else f"{label} ({name})"


def metric_label(name: str) -> str:
    """A metric's name for people."""
    return METRIC_LABELS.get(name, name.replace("_", " "))


def difference_label(name: str) -> str:
    """``difference in accuracy``, ``difference in AUROC``: the title of an axis."""
    label = metric_label(name)
    return f"difference in {label.lower() if label.endswith(('ccuracy', 'error', 'score')) else label}"


def family_label(family: str, protocol: str = "disjoint") -> str:
    """A task family, with the waiver's name where one was declared."""
    return family if protocol == "disjoint" else f"{family} ({protocol} protocol)"


def source_label(source: str, family: str, protocol: str = "disjoint") -> str:
    """``source · family``, with the waiver's name where one was declared."""
    return f"{source} · {family_label(family, protocol)}"


def support_label(size: float, per_class: bool, n_way: float | None = None) -> str:
    """``10 per class``, ``5 per class, 5-way`` or ``50 in all``: what a learner saw of a task.

    Args:
        size: Labelled examples.
        per_class: How ``size`` counts.
        n_way: Number of classes; blank where it varies or targets are numbers. Two go without saying.
    """
    ways = f", {n_way:g}-way" if n_way is not None and n_way > 2 else ""
    return f"{size:g} per class{ways}" if per_class else f"{size:g} in all{ways}"


def number(value: float, digits: int = 3) -> str:
    """``.723`` for 0.723, ``−.012`` for −0.012, ``1.204`` for 1.204, "undefined" for NaN."""
    if not math.isfinite(value):
        return UNDEFINED
    text = f"{abs(value):.{digits}f}"
    negative = value < 0 and float(text) != 0
    return ("−" if negative else "") + (text[1:] if text.startswith("0.") else text)


def signed(value: float, digits: int = 3) -> str:
    """As `number`, with a plus before what is above zero: for differences."""
    text = number(value, digits)
    return f"+{text}" if math.isfinite(value) and value > 0 and float(f"{value:.{digits}f}") != 0 else text


def estimate(value: float, low: float, high: float, *, difference: bool = False) -> str:
    """``.723 [.701, .745]``; without the brackets where there is no interval."""
    form = signed if difference else number
    if not math.isfinite(value):
        return UNDEFINED
    if not (math.isfinite(low) and math.isfinite(high)):
        return form(value)
    return f"{form(value)} [{form(low)}, {form(high)}]"


def p_label(p_value: float) -> str:
    """``p .012``, ``p < .001``."""
    return "p < .001" if p_value < 0.001 else f"p {number(p_value)}"


def quantity(value: float) -> str:
    """Seconds and mebibytes to three figures: ``0.00412``, ``12.3``, ``1,204``; "–" where not measured."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(digits, 5)}f}"


def counted(number: int, thing: str) -> str:
    """``1 step``, ``3 steps``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def whole(value: float) -> str:
    """``12,345``; "–" where blank."""
    return f"{value:,.0f}" if math.isfinite(value) else "–"


def plain(text: str) -> str:
    """Text for plotly, which would read ``<a href=…>`` in a label as a link."""
    return html.escape(text, quote=False)
