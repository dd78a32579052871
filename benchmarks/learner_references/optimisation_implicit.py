"""Reptile, iMAML and ProtoMAML: outer gradients against plain loops, dense solves and finite differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from learner_references.check import Check, relative_error
from learner_references.meta_gradients import LAYERS, MetaGradientCase, meta_gradient_case
from med_maml_pipeline.bilevel.proximal import Proximal, implicit_gradient, proximal_descent
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["CHECKS"]

BINARY, MULTICLASS, REGRESSION = TargetType.BINARY, TargetType.MULTICLASS, TargetType.REGRESSION
EVERY = (BINARY, MULTICLASS, REGRESSION)
SOLVED = {"inner_steps": 200, "proximity": 0.3, "solver_steps": 40}
HEAD = ("tail.head.weight", "tail.head.bias")

Named = Mapping[str, Tensor]
Reference = Callable[[MetaGradientCase], Tensor]


def _case(name: str, kind: TargetType, **settings: object) -> MetaGradientCase:
    """A case whose rates are given, not learned, where the learner says so."""
    case = meta_gradient_case(name, kind, **settings)
    if case.options.learn_inner_lr:
        return case
    rates = {layer: value.detach() for layer, value in case.learned.rates.items()}
    return replace(case, learned=replace(case.learned, rates=rates))


def _loss(outputs: Tensor, y: Tensor) -> Tensor:
    return F.huber_loss(outputs[:, 0], y) if y.is_floating_point() else F.cross_entropy(outputs, y)


def _features(theta: Named, x: Tensor) -> Tensor:
    z = F.silu(x @ theta["first.weight"].T + theta["first.bias"])
    return F.silu(z @ theta["tail.body.1.weight"].T + theta["tail.body.1.bias"])


def _outputs(theta: Named, x: Tensor) -> Tensor:
    return _features(theta, x) @ theta[HEAD[0]].T + theta[HEAD[1]]


def _rate(case: MetaGradientCase, parameter: str) -> Tensor:
    return case.learned.rates[parameter.rpartition(".")[0]].exp()


# Reptile ----------------------------------------------------------------------------------------------------


def _by_torch_sgd(case: MetaGradientCase) -> Tensor:
    """`torch.optim.SGD` on PyTorch's own layers, over the support and on over the queries; the way gone."""
    total: dict[str, Tensor] = {}
    for x, y, query, asked in case.tasks():
        start, layers = case.starts(), {}
        for path in LAYERS:
            width, entering = start[f"{path}.weight"].shape
            layers[path] = nn.Linear(entering, width, dtype=torch.float64)
            layers[path].load_state_dict({part: start[f"{path}.{part}"] for part in ("weight", "bias")})
        first, second, head = layers.values()
        module = nn.Sequential(first, nn.SiLU(), second, nn.SiLU(), head)
        groups = [
            {"params": layer.parameters(), "lr": _rate(case, f"{path}.weight").item()}
            for path, layer in layers.items()
        ]
        descent = torch.optim.SGD(groups)
        for inputs, labels in [(x, y)] * case.options.inner_steps + [
            (query, asked)
        ] * case.options.inner_steps:
            module.zero_grad()
            _loss(module(inputs), labels).backward()
            descent.step()
        for path, layer in layers.items():
            for part, value in layer.named_parameters():
                name = case.leaf_name(f"{path}.{part}")
                way = (start[f"{path}.{part}"] - value) / case.options.meta_batch
                total[name] = total.get(name, torch.zeros_like(value)) + way
    return case.flat(total)


# iMAML ------------------------------------------------------------------------------------------------------


def _by_dense_hessians(case: MetaGradientCase) -> Tensor:
    """Newton's method to the inner solution, then ``(I + R H / λ) g = v`` with the whole matrix."""
    start, total = case.starts(), dict[str, Tensor]()
    theta = torch.cat([value.detach().reshape(-1) for value in start.values()])
    rates = torch.cat([_rate(case, name).expand(value.shape).reshape(-1) for name, value in start.items()])
    strength = case.options.proximity  # type: ignore[attr-defined]

    def named(vector: Tensor) -> dict[str, Tensor]:
        pieces = vector.split([value.numel() for value in start.values()])
        return {name: piece.view_as(start[name]) for name, piece in zip(start, pieces, strict=True)}

    for x, y, query, asked in case.tasks():
        support_loss = lambda phi, x=x, y=y: _loss(_outputs(named(phi), x), y)  # noqa: E731
        posed = lambda phi, of=support_loss: of(phi) + strength / 2 * ((phi - theta) ** 2 / rates).sum()  # noqa: E731
        solution = theta
        for _ in range(15):
            slope = torch.autograd.functional.jacobian(posed, solution)
            curvature = torch.autograd.functional.hessian(posed, solution)
            solution = solution - torch.linalg.solve(curvature, slope)
        v = torch.autograd.functional.jacobian(
            lambda phi, x=query, y=asked: _loss(_outputs(named(phi), x), y), solution
        )
        hessian = torch.autograd.functional.hessian(support_loss, solution)
        found = torch.linalg.solve(torch.eye(len(v), dtype=v.dtype) + hessian * rates / strength, v)
        for name, value in named(found / case.options.meta_batch).items():
            leaf = case.leaf_name(name)
            total[leaf] = total.get(leaf, torch.zeros_like(value)) + value
    return case.flat(total)


def _on_a_quadratic() -> float:
    """``½ φᵀ A φ − bᵀ φ``: solution and derivative in closed form."""
    generator = torch.Generator().manual_seed(0)
    root, b, start, v = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((6, 6), 6, 6, 6)
    )
    a, rates = root @ root.T / 6, torch.linspace(0.1, 0.5, 6, dtype=torch.float64)
    problem = Proximal(steps=800, strength=0.3, solver_steps=6)
    solution = proximal_descent(lambda phi: (phi @ a @ phi / 2 - b @ phi, a @ phi - b), start, rates, problem)
    found = implicit_gradient(lambda direction: a @ direction, v, rates, problem)
    pull = torch.diag(problem.strength / rates)
    closed = torch.linalg.solve(a + pull, b + pull @ start)
    derivative = pull @ torch.linalg.solve(a + pull, v)
    return max(relative_error(solution, closed), relative_error(found, derivative))


# ProtoMAML, centring ----------------------------------------------------------------------------------------


def _from_prototypes(case: MetaGradientCase) -> Tensor:
    """Prototypes class by class, a head from them, and gradient descent from there, task by task."""
    start, rates, total = case.starts(), case.rates(), torch.zeros((), dtype=torch.float64)
    first_order, centre = case.options.first_order, case.options.centre  # type: ignore[attr-defined]

    def scores(theta: Named, x: Tensor, support: Tensor) -> Tensor:
        middle = _features(theta, support).mean(0) if centre else 0.0
        return (_features(theta, x) - middle) @ theta[HEAD[0]].T + theta[HEAD[1]]

    for x, y, query, asked in case.tasks():
        theta = {name: value * 1.0 for name, value in start.items()}  # apart from what the head is made of
        if not y.is_floating_point():
            seen = _features(start, x)
            seen = seen - seen.mean(0) if centre else seen
            sums = [seen[y == c].sum(0) + 1e-6 * seen.mean(0) for c in range(len(start[HEAD[1]]))]
            means = [one / ((y == c).double().sum() + 1e-6) for c, one in enumerate(sums)]
            theta[HEAD[0]] = torch.stack([2 * mean / len(mean) for mean in means])
            theta[HEAD[1]] = torch.stack([-(mean @ mean) / len(mean) for mean in means])
        for _ in range(case.options.inner_steps):
            slope = torch.autograd.grad(
                _loss(scores(theta, x, x), y), tuple(theta.values()), create_graph=not first_order
            )
            theta = {
                name: theta[name] - rates[f"log_rates.{name.rpartition('.')[0]}"].exp() * g
                for name, g in zip(theta, slope, strict=True)
            }
        total = total + _loss(scores(theta, query, x), asked)
    leaves = {**{case.leaf_name(name): value for name, value in start.items()}, **rates}
    found = torch.autograd.grad(total / case.options.meta_batch, tuple(leaves.values()), allow_unused=True)
    return case.flat(dict(zip(leaves, found, strict=True)))


def _against(
    reference: Reference, name: str, kinds: tuple[TargetType, ...], settings: Mapping[str, object]
) -> float:
    cases = [_case(name, kind, **settings) for kind in kinds]
    return max(relative_error(case.gradient(), reference(case)) for case in cases)


def _slopes(name: str, kind: TargetType, settings: Mapping[str, object]) -> float:
    """Along random directions in the learned tensors: central differences of fourth order."""
    case, generator = _case(name, kind, **settings), torch.Generator().manual_seed(3)
    gradient, leaves = case.gradient(), case.learned.learned()
    own, expected, step = [], [], 1e-3
    for _ in range(2):
        along = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
        pieces = dict(zip(leaves, along.split([leaf.numel() for leaf in leaves.values()]), strict=True))

        def at(distance: float, pieces: Named = pieces) -> float:
            def moved(prefix: str, values: Named) -> dict[str, Tensor]:
                by = {
                    n: pieces[prefix + n].view_as(v) if prefix + n in pieces else 0.0
                    for n, v in values.items()
                }
                return {n: (v.detach() + distance * by[n]).requires_grad_() for n, v in values.items()}

            learned = replace(
                case.learned,
                parameters=moved("network.", case.learned.parameters),
                rates=moved("log_rates.", case.learned.rates),
            )
            return case.loss(learned).item()

        own.append(float(gradient @ along))
        expected.append((at(-2 * step) - 8 * at(-step) + 8 * at(step) - at(2 * step)) / (12 * step))
    return relative_error(own, expected)


def _check(
    name: str, quantity: str, reference: str, how: Reference, kinds: tuple[TargetType, ...] = EVERY,
    gate: float = 1e-10, **settings: object
) -> Check:  # fmt: skip
    return Check(name, quantity, reference, gate, partial(_against, how, name, kinds, settings))


def _differences(name: str, quantity: str, kind: TargetType, **settings: object) -> Check:
    return Check(name, quantity, "finite differences", 1e-8, partial(_slopes, name, kind, settings))


CHECKS: tuple[Check, ...] = (
    _check("reptile", "outer gradient", "torch.optim.SGD", _by_torch_sgd),
    Check("imaml", "solution and derivative of a quadratic problem", "closed form", 1e-10, _on_a_quadratic),
    _check(
        "imaml",
        "meta-gradient",
        "Newton's method, dense Hessian",
        _by_dense_hessians,
        (BINARY, MULTICLASS),
        1e-8,
        **SOLVED,
    ),
    _differences("imaml", "meta-gradient of the solved problem", MULTICLASS, **SOLVED),
    _differences("imaml", "meta-gradient with centred features", BINARY, **SOLVED, centre=True),
    _check("protomaml", "meta-gradient, start and rates", "its algorithm by hand", _from_prototypes),
    _check("protomaml", "meta-gradient, centred", "its algorithm by hand", _from_prototypes, centre=True),
    _check(
        "protomaml", "meta-gradient, first order", "its algorithm by hand", _from_prototypes, first_order=True
    ),
    _differences("protomaml", "meta-gradient, start and rates", MULTICLASS),
    _differences("protomaml", "meta-gradient with centred features", BINARY, centre=True),
    _differences("maml", "meta-gradient with centred features", REGRESSION, centre=True),
)
