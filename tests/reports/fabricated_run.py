"""A small run's tables, fabricated from a seed in the shapes that the stages write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from med_maml_pipeline.learners.registry import LEARNERS, get_learner
from med_maml_pipeline.metrics.scoreboard import build_scoreboard
from med_maml_pipeline.reports import Evidence, draw_figures
from med_maml_pipeline.reports.figures import contact_sheet, heat_map
from med_maml_pipeline.reports.showcase import Collection

LANES = {
    "maml": "optimisation",
    "protonet": "metric",
    "linear_probe": "transfer",
    "fine_tune": "transfer",
    "logistic": "classical",
    "forest": "classical",
    "knn": "classical",
    "prior": "control",
    "untrained": "control",
    "selected": "ensemble",
    "stacked": "ensemble",
}
SKILL = {
    "maml": 1.1,
    "protonet": 0.9,
    "linear_probe": 0.8,
    "fine_tune": 1.0,
    "logistic": 0.7,
    "forest": 0.8,
    "knn": 0.4,
    "prior": 0.6,
    "untrained": 0.5,
    "selected": 1.0,
    "stacked": 1.3,
}
TRAINED = ("maml", "protonet", "fine_tune")
"""Whose learning curves are stored, unless a longer roster was given: then of all in these lanes."""

CURVED = ("optimisation", "metric", "model")


def whole_roster() -> dict[str, str]:
    """Every learner of the house with its lane, as a run with ``roster: all`` has them."""
    return {
        **{name: get_learner(name).lane for name in LEARNERS},
        "selected": "ensemble",
        "stacked": "ensemble",
    }


@dataclass(frozen=True)
class Family:
    """One family of a fabricated source."""

    source: str
    family: str
    tasks: int
    folds: int = 1
    sizes: tuple[int, ...] = (5, 10, 20)
    natural: bool = False
    regression: bool = False
    protocol: str = "disjoint"
    prior: bool = True
    classes: tuple[int, ...] = (2,)
    """Numbers of classes of the tasks, in turn."""


FAMILIES = {
    "ehr": (
        Family("heart_disease_4site", "site", 4, folds=4, natural=True, sizes=(10, 50)),
        Family("icu_demo_yaib", "outcome", 4),
        Family("icu_demo_yaib", "outcome_value", 3, regression=True, natural=True, sizes=(16, 64)),
        Family("uci_clinical", "table", 5, sizes=(10, 32), prior=False),
    ),
    "molecules": (
        Family("toxcast", "assay", 10, sizes=(5, 32)),
        Family("tox21", "assay", 3, sizes=(1, 10), protocol="published"),
    ),
    "imaging": (
        Family("chula_rbc12", "cell_class", 3, folds=3, sizes=(1, 5), prior=False, classes=(4,)),
        Family("ham10000", "collection", 4, sizes=(1, 5), prior=False, classes=(5,)),
    ),
    "expression": (Family("gene_expression", "study", 4, sizes=(2, 5), prior=False, classes=(2, 3, 4)),),
}

CROWD = (
    *(Family(f"hospital_{number:02d}_collection", "diagnosis", 3, sizes=(1, 5), prior=False, classes=(5,))
      for number in range(12)),
    Family("gene_expression_omnibus", "study", 4, folds=4, sizes=(2, 5), prior=False, classes=(2, 3)),
    Family("a_source_with_a_long_name", "side_effect_published", 3, sizes=(1,), protocol="published"),
)  # fmt: skip
"""As many sources as a public run may have, names of all lengths."""


@dataclass(frozen=True)
class Run:
    """Tables of one modality as the stages write them."""

    modality: str
    predictions: pd.DataFrame
    tasks: pd.DataFrame
    episodes: pd.DataFrame
    attrition: pd.DataFrame
    audit: pd.DataFrame
    history: pd.DataFrame
    selection: pd.DataFrame
    costs: pd.DataFrame


def fabricate(
    modality: str, families: tuple[Family, ...], seed: int = 0, lanes: Mapping[str, str] = LANES
) -> Run:
    """Draws the tables of a run in which meta-learners are a little better than classical ones."""
    rng = np.random.default_rng(seed)
    parts = [_family(one, rng, lanes) for one in families]
    tables = {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0]}
    return Run(modality, **tables)


def _family(one: Family, rng: np.random.Generator, lanes: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    problem = f"{one.source}_{one.family}" + ("" if one.protocol == "disjoint" else f"_{one.protocol}")
    learners = [name for name in lanes if one.prior or name != "prior"]
    trained = TRAINED if lanes is LANES else [name for name, lane in lanes.items() if lane in CURVED]
    tasks, episodes, predictions, selection, history, costs = [], [], [], [], [], []
    for fold in range(one.folds):
        for number in range(one.tasks):
            task_id = f"{one.source}/main/{one.family}/{one.protocol}_label_{number:02d}"
            split = "test" if one.folds == 1 or number == fold else "train"
            classes = one.classes[number % len(one.classes)]
            tasks.append(_task(one, problem, fold, task_id, split, classes, rng))
            if split != "test":
                continue
            hardness = dict(zip(lanes, rng.normal(0, 0.3, size=len(lanes)), strict=True))
            for size in one.sizes:
                for draw in range(2):
                    key = {
                        "episode_id": f"{problem}/{fold}/{task_id}/{size}/{draw}",
                        "problem": problem,
                        "fold": fold,
                        "task_id": task_id,
                    }
                    shot = None if one.natural else size
                    rows = {"support": [draw, draw + 2], "query": [7, 8]}
                    episodes.append(
                        {
                            **key,
                            "meta_split": "test",
                            "support_size": size,
                            "n_shot": shot,
                            "draw": draw,
                            **rows,
                        }
                    )
                    predictions += _predictions(one, key, lanes, learners, hardness, size, classes, rng)
        for learner in learners:
            costs.append(
                {
                    "problem": problem,
                    "fold": fold,
                    "learner": learner,
                    "seconds_meta_fit": 0.0 if lanes[learner] == "classical" else 41.7,
                    "peak_memory_mib": 512.25,
                    "seed": 0,
                }
            )
            selection += _selection(one, problem, fold, learner, rng)
            if learner in trained:
                steps = np.arange(0, 400, 4)
                loss = 0.35 + 0.35 * np.exp(-steps / 90) + rng.normal(0, 0.01, len(steps))
                looks = np.where(steps % 80 == 76, 0.8 - loss / 2, np.nan)
                history += [
                    {
                        **{"problem": problem, "fold": fold, "learner": learner, "seed": 0},
                        **{"step": step, "loss": value, "learning_rate": 1e-3, "validation": look},
                        "kept": float(look == np.nanmax(looks)),
                    }
                    for step, value, look in zip(steps, loss, looks, strict=True)
                ]
    return {
        "tasks": pd.DataFrame(tasks),
        "episodes": pd.DataFrame(episodes).astype({"n_shot": "Int64"}),
        "predictions": pd.DataFrame(predictions),
        "selection": pd.DataFrame(selection),
        "costs": pd.DataFrame(costs),
        "history": pd.DataFrame(history),
        "attrition": _attrition(one),
        "audit": _audit(one, problem),
    }


def _task(
    one: Family, problem: str, fold: int, task_id: str, split: str, classes: int, rng: np.random.Generator
) -> dict[str, object]:
    return {
        "problem": problem,
        "fold": fold,
        "task_id": task_id,
        "source": one.source,
        "table": "main",
        "family": one.family,
        "label": task_id.rsplit("/", 1)[1],
        "target_type": "regression" if one.regression else "binary" if classes == 2 else "multiclass",
        "n_classes": 0 if one.regression else classes,
        "ways": pd.NA,
        "meta_split": split,
        "protocol": one.protocol,
        "shared_meaning": one.prior,
        "shared_inputs": True,
        "examples": f"{one.source}/main",
        "n_examples": int(rng.integers(80, 900)),
        "n_groups": int(rng.integers(40, 80)),
        "class_counts": "{}",
        "lost_examples": int(rng.integers(0, 60)),
        "capped_examples": 0,
        "checksum": "0" * 16,
    }


def _predictions(
    one: Family,
    key: Mapping[str, object],
    lanes: Mapping[str, str],
    learners: list[str],
    hardness: Mapping[str, float],
    size: int,
    classes: int,
    rng: np.random.Generator,
) -> list[dict[str, object]]:
    if classes > 2:
        return _class_predictions(key, lanes, learners, hardness, size, classes, rng)
    y = rng.normal(size=40) if one.regression else (rng.random(40) < 0.3).astype(float)
    y[:2] = (0, 1)
    rows = []
    for name in learners:
        gain = 1.0 if name == "prior" else 0.6 + 0.25 * np.log10(size)
        skill = max(_skill(name) * gain + 0.4 * hardness[name], 0.05)
        signal = skill * y + rng.normal(0, 0.8, size=len(y))
        logits = np.stack([np.zeros_like(signal), 1.6 * (signal - 0.5)], axis=1).reshape(-1)
        scores = signal if one.regression else logits
        rows.append(
            {
                **key,
                "learner": name,
                "lane": lanes[name],
                "seed": 0,
                "scores": scores,
                "y": y,
                "seconds_adapt": 0.0123,
            }
        )
    return rows


def _class_predictions(
    key: Mapping[str, object],
    lanes: Mapping[str, str],
    learners: list[str],
    hardness: Mapping[str, float],
    size: int,
    classes: int,
    rng: np.random.Generator,
) -> list[dict[str, object]]:
    y = np.arange(40) % classes
    rows = []
    for name in learners:
        luck = 0.4 * hardness[name]
        skill = max(_skill(name) * (0.9 + 0.4 * np.log10(size)) + luck, 0.05)
        scores = (2 * skill * np.eye(classes)[y] + rng.normal(0, 1, size=(40, classes))).reshape(-1)
        facts = {"learner": name, "lane": lanes[name], "seed": 0, "seconds_adapt": 0.0123}
        rows.append({**key, **facts, "scores": scores, "y": y.astype(float)})
    return rows


def _selection(
    one: Family, problem: str, fold: int, learner: str, rng: np.random.Generator
) -> list[dict[str, object]]:
    rows = []
    for size in one.sizes:
        for setting in range(2):
            rows.append(
                {
                    "problem": problem,
                    "fold": fold,
                    "family": one.family,
                    "learner": learner,
                    "seed": 0,
                    "support_size": size,
                    "settings": f'{{"adapt": {{"rate": {0.1 * (setting + 1):.1f}}}, "meta": {{}}}}',
                    "metric": "r2" if one.regression else "auroc",
                    "value": _skill(learner) / 2 + rng.normal(0, 0.02) - 0.01 * setting,
                    "n_episodes": 8,
                    "chosen": setting == 0,
                }
            )
    return rows


def _skill(learner: str) -> float:
    return SKILL.get(learner, 0.6 + len(learner) % 7 / 20)


def _attrition(one: Family) -> pd.DataFrame:
    steps = [("read", 1200, 0), ("first encounter per patient", 1100, 100), ("label observed", 1050, 50)]
    rows = [{"source": one.source, "table": "main", "step": a, "kept": b, "lost": c} for a, b, c in steps]
    return pd.DataFrame(rows)


def _audit(one: Family, problem: str) -> pd.DataFrame:
    overlaps = 0 if one.protocol == "disjoint" else 731
    rows = [
        {
            "problem": problem,
            "fold": fold,
            "protocol": one.protocol,
            "check": check,
            "overlaps": overlaps if check == "groups across meta-splits" else 0,
            "verdict": "waived" if overlaps and check == "groups across meta-splits" else "pass",
        }
        for fold in range(one.folds)
        for check in ("tasks across meta-splits", "groups across meta-splits", "groups in support and query")
    ]
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Reported:
    """A run with its scoreboard and figures."""

    run: Run
    scoreboard: pd.DataFrame
    figures: Mapping[str, go.Figure]

    def evidence(self) -> Evidence:
        """What the report gets."""
        run = self.run
        tables = (run.tasks, run.attrition, run.audit, run.selection)
        return Evidence(run.modality, self.figures, *tables, gallery=gallery(run.modality))


def gallery(modality: str) -> go.Figure | None:
    """Examples as the embedded hospital has them, drawn from a seed; None for other modalities."""
    rng = np.random.default_rng(0)
    shape = {"slides": (3, 32, 32), "scans": (1, 32, 32)}
    if modality == "imaging":
        sheets = [collection(name, rng, pixels=size) for name, size in shape.items()]
        return contact_sheet("Pictures by class and site", sheets)
    if modality == "expression":
        return heat_map("Expression by class and site", collection("cohort", rng))
    return None


def collection(
    label: str, rng: np.random.Generator, pixels: tuple[int, int, int] | None = None
) -> Collection:
    """Two hundred examples of fifteen classes at three sites."""
    numbers = np.arange(200)
    coarse = rng.integers(0, 256, (200, 3, 4, 4), dtype=np.uint8)
    coarse = rng.integers(0, 256, (200, 3, 4, 4), dtype=np.uint8)
    classes = np.array([f"NORMAL_organ_{number:02d}" for number in range(15)])[numbers % 15]
    return Collection(
        label=label,
        classes=classes,
        sites=np.array(["A", "B", "C"])[numbers % 7 % 3],
        features=() if pixels else tuple(f"GENE{number:04d}" for number in range(60)),
        x=np.zeros((200, 0), np.float32) if pixels else rng.normal(size=(200, 60)).astype(np.float32),
        pixels=coarse.repeat(8, axis=2).repeat(8, axis=3)[:, : pixels[0]] if pixels else None,
        unit="log2 CPM",
    )


def scored(run: Run) -> pd.DataFrame:
    """The run's scoreboard, with few bootstrap replicates."""
    return build_scoreboard(
        run.predictions,
        run.tasks,
        run.episodes,
        run.selection,
        run.costs,
        modality=run.modality,
        seed=0,
        n_bootstrap=60,
    )


def drawn(run: Run, scoreboard: pd.DataFrame) -> dict[str, go.Figure]:
    """The run's figures."""
    tables = (run.predictions, run.tasks, run.episodes, run.selection, run.costs, run.history)
    return draw_figures(scoreboard, *tables, seed=0)
