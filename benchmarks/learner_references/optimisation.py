"""MAML and its relatives: meta-gradients against other implementations and finite differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import higher
import torch
import torchopt
from torch import Tensor, nn
from torch.nn import functional as F

from learner_references.check import Check, relative_error
from learner_references.meta_gradients import (
    LAYERS,
    MetaGradientCase,
    meta_gradient_case,
    plain_loss,
    rate_at,
)
from med_maml_pipeline.tasks.types import TargetType

__all__ = ["CHECKS"]

BINARY, MULTICLASS, REGRESSION = TargetType.BINARY, TargetType.MULTICLASS, TargetType.REGRESSION
EVERY = (BINARY, MULTICLASS, REGRESSION)
EARLY = {"multi_step_share": 1.0, "first_order_share": 0.0}
EVEN, HALF_WAY = (1 / 3, 1 / 3, 1 / 3), (1 / 6, 1 / 6, 2 / 3)

Kinds = Sequence[TargetType]
Reference = Callable[[MetaGradientCase], Tensor]


def _module(case: MetaGradientCase) -> tuple[nn.Sequential, dict[str, nn.Linear]]:
    """PyTorch's own layers with the numbers that tasks start from, and its linear layers by path."""
    start, layers = case.starts(), {}
    for path in LAYERS:
        width, entering = start[f"{path}.weight"].shape
        layers[path] = nn.Linear(entering, width, dtype=torch.float64)
        layers[path].load_state_dict({part: start[f"{path}.{part}"] for part in ("weight", "bias")})
    first, second, head = layers.values()
    return nn.Sequential(first, nn.SiLU(), second, nn.SiLU(), head), layers


def _leaves(case: MetaGradientCase, layers: Mapping[str, nn.Linear]) -> dict[str, Tensor]:
    named = {
        f"{path}.{part}": value for path, layer in layers.items() for part, value in layer.named_parameters()
    }
    return {case.leaf_name(name): value for name, value in named.items()}


def _by_higher(
    case: MetaGradientCase, *, adapted: Sequence[str] = LAYERS, weights: Sequence[float] = (0.0, 0.0, 1.0)
) -> Tensor:
    """Rates as overrides of SGD's; the queries count after every step, with ``weights``."""
    (module, layers), logs = _module(case), case.rates()
    total = torch.zeros((), dtype=torch.float64)
    for x, y, query, asked in case.tasks():
        optimiser = torch.optim.SGD([{"params": layers[path].parameters()} for path in adapted], lr=1.0)
        with higher.innerloop_ctx(module, optimiser, copy_initial_weights=False) as (network, descent):
            for step, weight in enumerate(weights):
                rates = [rate_at(logs, path, step) for path in adapted]
                descent.step(plain_loss(network(x), y), override={"lr": rates})
                total = total + weight * plain_loss(network(query), asked)
    leaves = {**_leaves(case, layers), **logs}
    found = torch.autograd.grad(total / case.options.meta_batch, tuple(leaves.values()), allow_unused=True)
    return case.flat(dict(zip(leaves, found, strict=True)))


def _by_torchopt(case: MetaGradientCase) -> Tensor:
    """TorchOpt has one rate for all layers and learns none, so the gradient of the start alone."""
    total: dict[str, Tensor] = {}
    rate = rate_at(case.rates(), LAYERS[0], 0).item()
    for x, y, query, asked in case.tasks():
        module, layers = _module(case)
        start, descent = _leaves(case, layers), torchopt.MetaSGD(module, lr=rate)
        for _ in range(case.options.inner_steps):
            descent.step(plain_loss(module(x), y))
        found = torch.autograd.grad(
            plain_loss(module(query), asked) / case.options.meta_batch, tuple(start.values())
        )
        _add(total, dict(zip(start, found, strict=True)))
    return case.flat(total)


def _by_torch_sgd(case: MetaGradientCase) -> Tensor:
    """FOMAML by its definition: gradients on the queries where `torch.optim.SGD` has led."""
    total: dict[str, Tensor] = {}
    for x, y, query, asked in case.tasks():
        (module, layers), logs = _module(case), case.rates()
        moves: list[tuple[Tensor, list[Tensor]]] = []  # rate and gradients, by step and layer
        for step in range(case.options.inner_steps):
            rates = {path: rate_at(logs, path, step) for path in LAYERS}
            module.zero_grad()
            plain_loss(module(x), y).backward()
            moves.extend((rates[path], _gradients(layers[path])) for path in LAYERS)
            groups = [{"params": layers[path].parameters(), "lr": rates[path].item()} for path in LAYERS]
            torch.optim.SGD(groups).step()
        module.zero_grad()
        (plain_loss(module(query), asked) / case.options.meta_batch).backward()
        found = {name: value.grad for name, value in _leaves(case, layers).items()}
        along = torch.zeros((), dtype=torch.float64)
        for (rate, gone), path in zip(moves, LAYERS * case.options.inner_steps, strict=True):
            slopes = [(a * b).sum() for a, b in zip(gone, _gradients(layers[path]), strict=True)]
            along = along - rate * torch.stack(slopes).sum()
        found |= dict(zip(logs, torch.autograd.grad(along, tuple(logs.values())), strict=True))
        _add(total, found)
    return case.flat(total)


def _gradients(layer: nn.Linear) -> list[Tensor]:
    return [value.grad.clone() for value in layer.parameters() if value.grad is not None]


def _add(total: dict[str, Tensor], found: Mapping[str, Tensor]) -> None:
    for name, value in found.items():
        total[name] = total.get(name, torch.zeros_like(value)) + value


def _meta_sgd(case: MetaGradientCase) -> Tensor:
    """Li et al. (2017), algorithm 1, line by line: ``θ' = θ - α ∘ ∇L(θ)``, here three times."""
    start, rates, kind = case.starts(), case.rates(), case.batch.target_type
    total = torch.zeros((), dtype=torch.float64)

    def alpha(name: str) -> Tensor:
        offset = name.replace("tail.head", f"heads.{kind}")
        return rate_at(rates, name.rpartition(".")[0], 0) * (1 + rates[f"log_rates.offset.{offset}"])

    for x, y, query, asked in case.tasks():
        theta = dict(start)
        for _ in range(case.options.inner_steps):
            gradient = torch.autograd.grad(
                plain_loss(_perceptron(theta, x), y), tuple(theta.values()), create_graph=True
            )
            theta = {name: theta[name] - alpha(name) * g for name, g in zip(theta, gradient, strict=True)}
        total = total + plain_loss(_perceptron(theta, query), asked)
    leaves = {**{case.leaf_name(name): value for name, value in start.items()}, **rates}
    found = torch.autograd.grad(total / case.options.meta_batch, tuple(leaves.values()), allow_unused=True)
    return case.flat(dict(zip(leaves, found, strict=True)))


def _perceptron(theta: Mapping[str, Tensor], x: Tensor) -> Tensor:
    z = F.silu(x @ theta["first.weight"].T + theta["first.bias"])
    z = F.silu(z @ theta["tail.body.1.weight"].T + theta["tail.body.1.bias"])
    return z @ theta["tail.head.weight"].T + theta["tail.head.bias"]


def _against(reference: Reference, name: str, kinds: Kinds, update: int, **settings: object) -> float:
    """Largest error over kinds of targets."""
    cases = [meta_gradient_case(name, kind, **settings) for kind in kinds]
    return max(relative_error(case.gradient(update), reference(case)) for case in cases)


def _against_torchopt() -> float:
    error = 0.0
    for kind in EVERY:
        case = meta_gradient_case("maml", kind)
        for log in case.learned.rates.values():
            log.data.fill_(-1.0)
        of_start = slice(sum(value.numel() for value in case.learned.parameters.values()))
        error = max(error, relative_error(case.gradient()[of_start], _by_torchopt(case)[of_start]))
    return error


def _check(
    name: str,
    reference: str,
    how: Reference,
    kinds: Kinds = EVERY,
    when: str = "",
    update: int = 0,
    **more: object,
) -> Check:
    error = partial(_against, how, name, kinds, update, **more)
    return Check(name, f"meta-gradient{when}, start and rates", reference, 1e-10, error)


def _differences(name: str, *kinds: TargetType, **settings: object) -> Check:
    def error() -> float:
        cases = [meta_gradient_case(name, kind, **settings) for kind in kinds]
        return max(relative_error(*case.differences()) for case in cases)

    return Check(name, "meta-gradient, start and rates", "finite differences", 1e-8, error)


CHECKS: tuple[Check, ...] = (
    _check("maml", "higher", _by_higher),
    Check("maml", "meta-gradient, start", "TorchOpt", 1e-10, _against_torchopt),
    _differences("maml", MULTICLASS, REGRESSION),
    _check("fomaml", "torch.optim.SGD", _by_torch_sgd),
    _check("anil", "higher", partial(_by_higher, adapted=LAYERS[2:])),
    _differences("anil", BINARY),
    _check("boil", "higher", partial(_by_higher, adapted=LAYERS[:2]), (BINARY, REGRESSION)),
    _differences("boil", MULTICLASS),
    _check("meta_sgd", "its algorithm by hand", _meta_sgd),
    _differences("meta_sgd", REGRESSION),
    _check("maml_pp", "higher", partial(_by_higher, weights=EVEN), when=" at first", **EARLY),
    _check("maml_pp", "higher", partial(_by_higher, weights=HALF_WAY), update=5, when=" half-way", **EARLY),
    _check("maml_pp", "higher", _by_higher, update=9, when=" at last"),
    _check("maml_pp", "torch.optim.SGD", _by_torch_sgd, when=" of first order", multi_step_share=0.0),
    _differences("maml_pp", BINARY, **EARLY),
)
