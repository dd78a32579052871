"""Deep-kernel Gaussian processes against scikit-learn's, SciPy's optimiser and finite differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, Kernel, Matern, WhiteKernel
from torch import Tensor

from learner_references.check import Check, relative_error
from med_maml_pipeline.bilevel import EpisodeBatch, Labelled
from med_maml_pipeline.learners.adkf import AdaptiveDeepKernel, AdkfTraining
from med_maml_pipeline.learners.deep_kernel import DeepKernelTraining, GpSupport
from med_maml_pipeline.learners.dkt import DeepKernelTransfer, DktAdaptation
from med_maml_pipeline.learners.embedding_learner import EmbeddingLearner
from med_maml_pipeline.learners.episode_batches import TypedBatch
from med_maml_pipeline.learners.hyperparameter_fit import SupportPosterior, fit_hyperparameters
from med_maml_pipeline.learners.tanimoto import tanimoto
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["CHECKS"]

WIDTH, COUNTS, SUPPORT, QUERY = 4, 6, 9, 7
LOGS = (0.3, 0.2, -0.7, -0.4, -1.1)  # scale, length, usual, Tanimoto, noise
JITTER = 1e-6
BINARY, MULTICLASS, REGRESSION = TargetType.BINARY, TargetType.MULTICLASS, TargetType.REGRESSION
N_CLASSES = {BINARY: 2, MULTICLASS: 3, REGRESSION: 0}


def _labelled(rng: np.random.Generator, rows: int, kind: TargetType) -> Labelled:
    """Two tasks of embedded rows and counts; the second has two rows less, and rubbish in their place."""
    x = np.concatenate([rng.normal(size=(2, rows, WIDTH)), rng.poisson(0.8, (2, rows, COUNTS))], axis=-1)
    classes = N_CLASSES[kind]
    y = rng.integers(classes, size=(2, rows)) if classes else rng.normal(size=(2, rows))
    weight = np.full((2, rows), 1.0 / rows)
    weight[1] = [1.0 / (rows - 2)] * (rows - 2) + [0.0] * 2
    return Labelled(*(torch.from_numpy(part) for part in (x, y, weight)))


def _learned(rng: np.random.Generator, kind: TargetType, *, plain: bool = False) -> dict[str, Tensor]:
    """Hyper-parameters and a usual direction; ``plain`` leaves a kernel and noise."""
    usual = np.zeros(WIDTH) if plain else rng.normal(size=WIDTH) * 0.3
    return {
        f"metric.logs.{kind}": torch.tensor(LOGS, dtype=torch.float64),
        "metric.usual": torch.from_numpy(usual),
        "metric.offset": torch.tensor(0.0 if plain else 0.2, dtype=torch.float64),
        "metric.constant": torch.tensor(0.0 if plain else 0.1, dtype=torch.float64),
    }


def _batch(kind: TargetType, *, counts: bool = True) -> TypedBatch:
    rng = np.random.default_rng(1)
    width = WIDTH + (COUNTS if counts else 0)
    support, query = (_labelled(rng, rows, kind) for rows in (SUPPORT, QUERY))
    episodes = EpisodeBatch(*(replace(rows, x=rows.x[..., :width]) for rows in (support, query)))
    return TypedBatch(kind, N_CLASSES[kind], episodes)


def _facts(training: type[DeepKernelTraining], kernel: str) -> dict[str, object]:
    return asdict(training(kernel=kernel))


def _kernel(name: str) -> Kernel:
    """scikit-learn's kernel of rows divided by the root of their width."""
    scale, length, _, _, noise = np.exp(LOGS)
    shapes = {"rbf": RBF(length), "matern": Matern(length, nu=2.5), "linear": DotProduct(0.0)}
    if name == "linear":
        shapes[name].sigma_0_bounds = "fixed"
    return ConstantKernel(scale) * shapes[name] + WhiteKernel(noise)


def _reference(name: str, x: np.ndarray, y: np.ndarray) -> GaussianProcessRegressor:
    return GaussianProcessRegressor(_kernel(name), alpha=JITTER, optimizer=None).fit(x, y)


def _own_rows(rows: Labelled, task: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a task that are not padding, divided by the root of their width, and targets."""
    real = (rows.weight[task] > 0).numpy()
    return rows.x[task].numpy()[real] / WIDTH**0.5, rows.y[task].numpy()[real]


def _posterior(kernel: str) -> float:
    """Predictive means and variances of the queries of both tasks."""
    batch = _batch(REGRESSION, counts=False)
    learned = _learned(np.random.default_rng(0), REGRESSION, plain=True)
    task = GpSupport.of(learned, kernel, batch.episodes.support, REGRESSION, 0)
    means, variances = task.predict(task.pairs(), task.usual_logs(), batch.episodes.query.x)
    found, expected = [], []
    for number in range(2):
        asked = batch.episodes.query.x[number].numpy() / WIDTH**0.5
        reference = _reference(kernel, *_own_rows(batch.episodes.support, number))
        mean, deviation = reference.predict(asked, return_std=True)
        found += [means[number, :, 0].numpy(), variances[number].numpy()]
        expected += [mean, deviation**2]
    return relative_error(found, expected)


def _likelihood(kernel: str) -> float:
    """Loss of whole tasks and its gradient by the log hyper-parameters."""
    batch = _batch(REGRESSION, counts=False)
    learned = _learned(np.random.default_rng(0), REGRESSION, plain=True)
    logs = learned[f"metric.logs.{REGRESSION}"].requires_grad_()
    losses = DeepKernelTransfer().losses(learned, batch, _facts(DeepKernelTraining, kernel))
    (slopes,) = torch.autograd.grad(losses.sum(), logs)
    value, gradient = 0.0, np.zeros(5)
    places = {"linear": [0, 4]}.get(kernel, [0, 1, 4])
    for number in range(2):
        parts = [_own_rows(rows, number) for rows in (batch.episodes.support, batch.episodes.query)]
        x, y = (np.concatenate(part) for part in zip(*parts, strict=True))
        reference = _reference(kernel, x, y)
        # As the kernel's own theta, which holds the logarithms.
        log_likelihood, slope = reference.log_marginal_likelihood(reference.kernel_.theta, eval_gradient=True)
        value -= log_likelihood / len(y)
        gradient[places] -= slope / len(y)
    found = [float(losses.detach().sum()), *slopes.numpy()]
    return relative_error(found, [value, *gradient])


def _dense_scores(kind: TargetType) -> float:
    """Scores with usual direction and Tanimoto term, by the textbook's formulas with an explicit inverse."""
    batch, learned = _batch(kind), _learned(np.random.default_rng(0), kind)
    support, asked = batch.episodes.support[1:], batch.episodes.query.x[1:]
    score = DeepKernelTransfer().scorer(
        learned, support, kind, N_CLASSES[kind], _facts(DeepKernelTraining, "rbf"), DktAdaptation()
    )
    rows, y = _own_rows(support, 0)
    rows, queries = rows * WIDTH**0.5, asked[0].numpy()
    kernel, mean = _dense(learned, kind)
    codes = {BINARY: 2 * y[:, None] - 1, REGRESSION: y[:, None]}.get(kind)
    codes = np.where(y[:, None] == np.arange(3), 1.0, -1.0) if codes is None else codes
    noise = np.exp(LOGS[-1])
    inverse = np.linalg.inv(kernel(rows, rows) + (noise + JITTER) * np.eye(len(rows)))
    across = kernel(queries, rows)
    means = mean(queries) + across @ inverse @ (codes - mean(rows))
    own = np.diagonal(kernel(queries, queries))
    variances = own - np.einsum("qn,nm,qm->q", across, inverse, across) + noise
    margins = means / np.sqrt(variances)[:, None]
    margins = np.hstack([-margins, margins]) if kind is BINARY else margins
    expected = means if kind is REGRESSION else norm.logcdf(margins)
    return relative_error(score(asked)[0].numpy(), expected)


def _dense(
    learned: Mapping[str, Tensor], kind: TargetType
) -> tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]:
    """Covariance and prior mean in NumPy."""
    scale, length, usual, similar, _ = np.exp(LOGS)
    weights, offset = learned["metric.usual"].numpy(), float(learned["metric.offset"])
    constant = {MULTICLASS: 2 / 3 - 1, REGRESSION: float(learned["metric.constant"])}

    def mean(x: np.ndarray) -> np.ndarray:
        direction = x[:, :WIDTH] @ weights + offset
        return direction[:, None] if kind is BINARY else np.full((len(x), 1), constant[kind])

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        deep = scale * RBF(length)(a[:, :WIDTH] / WIDTH**0.5, b[:, :WIDTH] / WIDTH**0.5)
        common = usual * mean(a) @ mean(b).T if kind is BINARY else 0.0
        return np.asarray(deep + common + similar * tanimoto(a[:, WIDTH:], b[:, WIDTH:]))

    return kernel, mean


def _meta_gradient(learner: EmbeddingLearner, kernel: str, kind: TargetType) -> float:
    """By embeddings, usual direction, hyper-parameters, all at once, along random directions."""
    batch, learned = _batch(kind), _learned(np.random.default_rng(0), kind)
    facts = _facts(AdkfTraining, kernel)
    moving = {**learned, "support": batch.episodes.support.x, "query": batch.episodes.query.x}
    leaves = {name: value.clone().requires_grad_() for name, value in moving.items()}
    used = torch.ones(WIDTH + COUNTS, dtype=torch.float64)
    used[WIDTH:] = 0.0  # counts are data, and the embedding's gradient is what trains

    def loss(values: Mapping[str, Tensor]) -> Tensor:
        parts = batch.episodes
        seen, asked = replace(parts.support, x=values["support"]), replace(parts.query, x=values["query"])
        return learner.losses(values, replace(batch, episodes=EpisodeBatch(seen, asked)), facts).sum()

    gradients = torch.autograd.grad(loss(leaves), list(leaves.values()), allow_unused=True)
    found, expected, generator = [], [], torch.Generator().manual_seed(0)
    for _ in range(4):
        step = {n: torch.randn(v.shape, generator=generator, dtype=v.dtype) for n, v in moving.items()}
        step = {n: v * used if n in ("support", "query") else v for n, v in step.items()}
        along = [(g * v).sum() for g, v in zip(gradients, step.values(), strict=True) if g is not None]
        found.append(float(torch.stack(along).sum()))
        expected.append(_difference(loss, moving, step))
    return relative_error(found, expected)


def _difference(
    loss: Callable[[Mapping[str, Tensor]], Tensor],
    at: Mapping[str, Tensor],
    step: Mapping[str, Tensor],
    size: float = 1e-3,
) -> float:
    """Central finite difference of fourth order along a direction."""

    def moved(factor: float) -> float:
        with torch.no_grad():
            return float(loss({name: value + factor * size * step[name] for name, value in at.items()}))

    return (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * size)


def _fitted(kind: TargetType) -> float:
    """Hyper-parameters that a fit finds, against SciPy's BFGS on the same objective's values alone."""
    batch, learned = _batch(kind), _learned(np.random.default_rng(0), kind)
    task = GpSupport.of(learned, "matern", batch.episodes.support, kind, N_CLASSES[kind])
    posterior = SupportPosterior(task.pairs(), task.residuals, task.real, task.usual_logs(), 0.7)
    found = fit_hyperparameters(posterior, 50).numpy()
    expected = []
    for number in range(2):
        alone = GpSupport.of(
            learned, "matern", batch.episodes.support[number : number + 1], kind, N_CLASSES[kind]
        )
        own = SupportPosterior(alone.pairs(), alone.residuals, alone.real, alone.usual_logs(), 0.7)

        def value(logs: np.ndarray, own: SupportPosterior = own) -> float:
            return float(own.value(torch.from_numpy(logs)[None]))

        expected.append(minimize(value, np.array(LOGS), method="BFGS", options={"gtol": 1e-9}).x)
    return relative_error(found, expected)


def _plain(check: Callable[[str], float], quantity: str) -> Iterator[Check]:
    """One check per kernel that scikit-learn has."""
    for kernel in ("rbf", "matern", "linear"):
        yield Check("dkt", f"{quantity}, {kernel}", "scikit-learn", 1e-10, partial(check, kernel))


def _implicit(kernel: str, kind: TargetType) -> Check:
    error = partial(_meta_gradient, AdaptiveDeepKernel(), kernel, kind)
    return Check("adkf", f"implicit meta-gradient, {kernel}, {kind}", "finite differences", 1e-8, error)


CHECKS: tuple[Check, ...] = (
    *_plain(_posterior, "posterior mean and variance"),
    *_plain(_likelihood, "likelihood and gradient"),
    *(
        Check("dkt", f"scores, {kind}", "closed form", 1e-10, partial(_dense_scores, kind))
        for kind in N_CLASSES
    ),
    Check(
        "dkt",
        "meta-gradient",
        "finite differences",
        1e-8,
        partial(_meta_gradient, DeepKernelTransfer(), "rbf", BINARY),
    ),
    _implicit("rbf", BINARY),
    _implicit("matern", MULTICLASS),
    _implicit("matern", REGRESSION),
    _implicit("cosine", BINARY),
    *(
        Check("adkf", f"fitted hyper-parameters, {kind}", "SciPy", 1e-5, partial(_fitted, kind))
        for kind in N_CLASSES
    ),
)
"""Gates: rounding between implementations; BFGS on values alone stops some 1e-6 from the mode."""
