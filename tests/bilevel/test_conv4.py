"""The adjoint sweep of Conv-4 against the reference inner loop and against finite differences."""

from __future__ import annotations

import pytest
import torch
from torch.func import functional_call

from med_maml_pipeline.bilevel import conv4
from med_maml_pipeline.bilevel.batch import EpisodeBatch, Labelled
from med_maml_pipeline.bilevel.inner import InnerLoop
from med_maml_pipeline.bilevel.losses import cross_entropy, huber
from med_maml_pipeline.bilevel.reference import inner_loop
from med_maml_pipeline.networks import Conv4, initial_parameters

torch.set_num_threads(1)

needs_native = pytest.mark.skipif(not conv4.native_available(), reason="the native kernel was not built")
BACKENDS = ["torch", pytest.param("native", marks=needs_native)]
LAYERS = [f"body.{block}.{layer}" for block in range(4) for layer in range(2)] + ["head"]


def _leaves(network, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    start = initial_parameters(network, 1, dtype=torch.float64)
    return {
        name: (value + 0.1 * torch.randn(value.shape, generator=generator, dtype=torch.float64))
        .to(dtype)
        .requires_grad_()
        for name, value in start.items()
    }


def _labelled(shape, tasks, n, classes, generator, padded=0):
    x = torch.randn(tasks, n, shape[0] * shape[1] * shape[2], generator=generator, dtype=torch.float64)
    x = x.clamp(min=0)  # many equal values, as in pictures with a black ground
    y = torch.randn(tasks, n, generator=generator, dtype=torch.float64)
    if classes:
        y = torch.randint(classes, (tasks, n), generator=generator)
    weight = torch.rand(tasks, n, generator=generator, dtype=torch.float64) + 0.5
    if padded:
        x[-1, -padded:], y[-1, -padded:], weight[-1, -padded:] = 0, 0, 0
    return Labelled(x, y, weight / weight.sum(1, keepdim=True))


def _batch(shape, classes=3, tasks=2, support=4, query=3, padded=0):
    generator = torch.Generator().manual_seed(0)
    return EpisodeBatch(
        _labelled(shape, tasks, support, classes, generator, padded),
        _labelled(shape, tasks, query, classes, generator, padded),
    )


def _reference_losses(network, parameters, batch, loss, rates, loop):
    losses = []
    for t, x in enumerate(batch.query.x):

        def on_support(p, t=t):
            s = batch.support
            return loss(functional_call(network, p, (s.x[t],)), s.y[t], s.weight[t])

        outputs = functional_call(network, inner_loop(on_support, parameters, rates, loop), (x,))
        losses.append(loss(outputs, batch.query.y[t], batch.query.weight[t]))
    return torch.stack(losses)


def _gradients(losses, wanted):
    """Of the losses weighted unequally, so that tasks cannot be mixed up."""
    return torch.autograd.grad(losses @ torch.arange(1.0, len(losses) + 1).to(losses), wanted)


def _error(got, wanted):
    got, wanted = (torch.cat([v.reshape(-1) for v in values]) for values in (got, wanted))
    return ((got - wanted).norm() / wanted.norm()).item()


def _compare(network, batch, loss, rates, loop, backend, learned=(), parameters=None):
    """Relative errors of losses, of the parameters' gradient and of the learned rates' gradient."""
    parameters = parameters or _leaves(network)
    leaves = [value for value in parameters.values() if value.is_leaf]
    ours = conv4.query_losses(network, parameters, batch, loss, rates, loop, backend=backend)
    plain = _reference_losses(network, parameters, batch, loss, rates, loop)
    got, wanted = (_gradients(o, [*leaves, *learned]) for o in (ours, plain))
    n = len(leaves)
    errors = [_error([ours], [plain]), _error(got[:n], wanted[:n])]
    return [*errors, _error(got[n:], wanted[n:])] if learned else errors


SHAPES = [
    ((1, 16, 16), 4),
    ((3, 16, 16), 16),
    ((1, 28, 28), 32),
    ((3, 28, 28), 16),
    ((1, 33, 33), 16),
    ((3, 20, 36), 16),
    ((1, 36, 20), 48),
    ((2, 17, 50), 64),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize(("shape", "width"), SHAPES, ids=str)
def test_meta_gradient_is_that_of_the_reference(shape, width, first_order, backend):
    if backend == "native" and width % 16:
        pytest.skip("the native kernel needs a multiple of 16 channels")
    loop = InnerLoop(2, first_order=first_order)
    network = Conv4(shape, width, 3)
    errors = _compare(network, _batch(shape, padded=1), cross_entropy, 0.1, loop, backend)
    assert max(errors) < 1e-10


def _any_loss(outputs, targets, weights):
    """Cross-entropy that is not known in closed form."""
    return cross_entropy(outputs, targets, weights)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("loss", "classes"), [(cross_entropy, 3), (_any_loss, 3), (huber, 0)])
def test_five_steps_with_any_loss(loss, classes, backend):
    batch = _batch((1, 16, 16), classes)
    network = Conv4((1, 16, 16), 16, classes or 1)
    assert max(_compare(network, batch, loss, 0.05, InnerLoop(5), backend)) < 1e-10


def _rates(kind):
    """Learned rates, and their tensors."""
    generator = torch.Generator().manual_seed(3)

    def draw(shape=()):
        return (0.05 + 0.05 * torch.rand(shape, generator=generator, dtype=torch.float64)).requires_grad_()

    if kind == "parameter":
        shapes = {name: value.shape for name, value in _leaves(Conv4((1, 16, 16), 16, 3)).items()}
        rates = {name: draw(shape) for name, shape in shapes.items()}
        rates["body.1.0.weight"] = draw((16, 1, 1, 1))  # one rate per filter: broadcast
        return rates, list(rates.values())
    if kind == "step":
        steps = [{layer: draw() for layer in LAYERS} for _ in range(3)]
        return steps, [value for step in steps for value in step.values()]
    if kind == "shared":
        one = draw()
        return [0.1, dict.fromkeys(LAYERS, one), dict.fromkeys(LAYERS, one)], [one]
    rates = {layer: draw() for layer in LAYERS}
    return rates, list(rates.values())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("kind", ["layer", "parameter", "step", "shared"])
def test_gradient_of_learned_rates_is_that_of_the_reference(kind, first_order, backend):
    rates, learned = _rates(kind)
    network, batch = Conv4((1, 16, 16), 16, 3), _batch((1, 16, 16))
    loop = InnerLoop(3, first_order=first_order)
    assert max(_compare(network, batch, cross_entropy, rates, loop, backend, learned)) < 1e-10


@pytest.mark.parametrize("backend", BACKENDS)
def test_heads_made_from_one_row_get_their_gradient(backend):
    network = Conv4((1, 16, 16), 16, 1)
    parameters = _leaves(network)
    row, bias = parameters["head.weight"], parameters["head.bias"]
    attached = {**parameters, "head.weight": row.expand(3, -1), "head.bias": bias.expand(3)}
    batch, loop = _batch((1, 16, 16)), InnerLoop(3)
    leaves = list(parameters.values())
    ours = conv4.query_losses(network, attached, batch, cross_entropy, 0.1, loop, backend=backend)
    plain = _reference_losses(network, attached, batch, cross_entropy, 0.1, loop)
    got, wanted = (_gradients(losses, leaves) for losses in (ours, plain))
    assert _error(got, wanted) < 1e-10


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("steps", [0, 1])
def test_a_network_without_head(backend, steps):
    network, batch = Conv4((1, 16, 16), 16, None), _batch((1, 16, 16))
    assert max(_compare(network, batch, cross_entropy, 0.1, InnerLoop(steps), backend)) < 1e-10


@pytest.mark.parametrize("backend", BACKENDS)
def test_equal_and_dead_units(backend):
    """Blank pictures give pooling windows of four equal values, a low shift cuts most units off."""
    network, batch = Conv4((1, 16, 16), 16, 3), _batch((1, 16, 16))
    batch.support.x[:, 0], batch.query.x[:, 0], batch.support.x[:, 1] = 0.0, 0.0, 1.0
    parameters = _leaves(network)
    with torch.no_grad():
        parameters["body.0.1.bias"][:8] -= 5.0
        parameters["body.1.1.weight"][:4] = 0.0
        parameters["body.1.1.bias"][:4] = 0.5
    errors = _compare(network, batch, cross_entropy, 0.05, InnerLoop(2), backend, parameters=parameters)
    assert max(errors) < 1e-10


@pytest.mark.parametrize("backend", BACKENDS)
def test_padding_changes_nothing(backend):
    network, parameters = Conv4((1, 28, 28), 16, 3), _leaves(Conv4((1, 28, 28), 16, 3))
    batch = _batch((1, 28, 28), tasks=1)
    support = batch.support
    padded = Labelled(
        torch.cat([support.x, torch.zeros_like(support.x)], 1),
        torch.cat([support.y, torch.zeros_like(support.y)], 1),
        torch.cat([support.weight, torch.zeros_like(support.weight)], 1),
    )
    both = []
    for episodes in (batch, EpisodeBatch(padded, batch.query)):
        losses = conv4.query_losses(
            network, parameters, episodes, cross_entropy, 0.1, InnerLoop(3), backend=backend
        )
        both.append(_gradients(losses, list(parameters.values())))
    assert _error(*both) < 1e-12


@pytest.mark.parametrize("backend", BACKENDS)
def test_adaptation_is_that_of_the_reference_and_leaves_the_start(backend):
    network, batch = Conv4((1, 28, 28), 16, 3), _batch((1, 28, 28), tasks=1)
    parameters, rates, loop = _leaves(network), _rates("step")[0], InnerLoop(3)
    before = {name: value.detach().clone() for name, value in parameters.items()}
    got = conv4.adapt(network, parameters, batch.support, cross_entropy, rates, loop, backend=backend)

    def on_support(p):
        s = batch.support
        return cross_entropy(functional_call(network, p, (s.x[0],)), s.y[0], s.weight[0])

    wanted = inner_loop(on_support, parameters, rates, loop)
    assert list(got) == list(wanted)
    assert _error(got.values(), wanted.values()) < 1e-12
    assert all(torch.equal(before[name], parameters[name]) for name in before)
    assert not any(value.requires_grad for value in got.values())
    none = conv4.adapt(network, parameters, batch.support, huber, 0.1, InnerLoop(0), backend=backend)
    none["head.bias"].fill_(9.0)
    assert all(torch.equal(before[name], parameters[name]) for name in before)


@pytest.mark.parametrize("backend", BACKENDS)
def test_meta_gradient_matches_finite_differences(backend):
    network, batch = Conv4((1, 16, 16), 16, 3), _batch((1, 16, 16))
    parameters = _leaves(network)

    def value(moved):
        losses = conv4.query_losses(network, moved, batch, cross_entropy, 0.05, InnerLoop(2), backend=backend)
        return losses.sum()

    gradient = torch.autograd.grad(value(parameters), list(parameters.values()))
    generator, got, wanted = torch.Generator().manual_seed(2), [], []
    for _ in range(4):
        direction = {n: torch.randn(v.shape, generator=generator).double() for n, v in parameters.items()}

        def at(step, direction=direction):
            # Steps short enough that no unit or pooling switches between the four points.
            return value({n: v.detach() + step * 1e-7 * direction[n] for n, v in parameters.items()}).item()

        wanted.append((at(-2) - 8 * at(-1) + 8 * at(1) - at(2)) / 12e-7)
        pairs = zip(gradient, direction.values(), strict=True)
        got.append(sum((g * d).sum().item() for g, d in pairs))
    wanted, got = torch.tensor(wanted), torch.tensor(got)
    assert ((wanted - got).norm() / wanted.norm()).item() < 1e-5


@pytest.mark.parametrize("backend", BACKENDS)
def test_single_precision_is_close_to_double(backend):
    shape = (1, 28, 28)
    network, batch = Conv4(shape, 32, 3), _batch(shape)

    def gradient(dtype):
        sides = [Labelled(s.x.to(dtype), s.y, s.weight.to(dtype)) for s in (batch.support, batch.query)]
        episodes, parameters = EpisodeBatch(*sides), _leaves(network, dtype)
        losses = conv4.query_losses(
            network, parameters, episodes, cross_entropy, 0.05, InnerLoop(2), backend=backend
        )
        return [g.double() for g in _gradients(losses, list(parameters.values()))]

    assert _error(gradient(torch.float32), gradient(torch.float64)) < 1e-3


@pytest.mark.parametrize("backend", BACKENDS)
def test_queries_in_parts_give_the_losses_of_the_whole(backend):
    """Far more queries than are held at once, and the losses of a pass without gradients."""
    network, batch = Conv4((1, 28, 28), 16, 3), _batch((1, 28, 28), support=2, query=150)
    parameters = _leaves(network)
    losses = conv4.query_losses(network, parameters, batch, cross_entropy, 0.1, InnerLoop(1), backend=backend)
    plain = _reference_losses(network, parameters, batch, cross_entropy, 0.1, InnerLoop(1))
    leaves = list(parameters.values())
    assert _error([losses], [plain]) < 1e-12
    assert _error(_gradients(losses, leaves), _gradients(plain, leaves)) < 1e-10
    with torch.no_grad():
        alone = conv4.query_losses(
            network, parameters, batch, cross_entropy, 0.1, InnerLoop(1), backend=backend
        )
    assert not alone.requires_grad
    assert torch.equal(alone, losses)


def test_applies_where_the_result_is_exact():
    network, x = Conv4((1, 16, 16), 16, 3), torch.zeros(1, 2, 256, dtype=torch.float64)
    parameters = _leaves(network)
    assert conv4.applies(network, parameters, InnerLoop(2), x)
    assert not conv4.applies(network, parameters, InnerLoop(2, momentum=0.5), x)
    assert not conv4.applies(network, parameters, InnerLoop(2, clip=1.0), x)
    assert not conv4.applies(network, parameters, InnerLoop(2), x.float())
    assert not conv4.applies(torch.nn.Linear(2, 2), parameters, InnerLoop(2), x)


def test_second_derivatives_of_the_meta_gradient_are_refused():
    network, batch = Conv4((1, 16, 16), 16, 3), _batch((1, 16, 16))
    parameters = _leaves(network)
    losses = conv4.query_losses(network, parameters, batch, cross_entropy, 0.1, InnerLoop(1))
    found = torch.autograd.grad(losses.square().sum(), list(parameters.values()), create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        found[0].sum().backward()


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_do_not_depend_on_the_number_of_threads(backend):
    shape = (1, 28, 28)
    network, batch = Conv4(shape, 16, 3), _batch(shape, tasks=5)
    parameters, (rates, learned) = _leaves(network), _rates("layer")

    def gradient(threads):
        torch.set_num_threads(threads)
        try:
            losses = conv4.query_losses(
                network, parameters, batch, cross_entropy, rates, InnerLoop(2), backend=backend
            )
            found = _gradients(losses, [*parameters.values(), *learned])
            assert torch.get_num_threads() == threads
            return found
        finally:
            torch.set_num_threads(1)

    alone, together, again = gradient(1), gradient(3), gradient(3)
    assert all(
        torch.equal(a, b) and torch.equal(a, c) for a, b, c in zip(alone, together, again, strict=True)
    )


def test_a_native_kernel_that_does_not_fit_says_so():
    network, batch = Conv4((1, 16, 16), 4, 3), _batch((1, 16, 16))
    with pytest.raises(RuntimeError, match="install the package with a C\\+\\+ compiler|multiples of 16"):
        conv4.query_losses(
            network, _leaves(network), batch, cross_entropy, 0.1, InnerLoop(1), backend="native"
        )
