"""Structure, first values and heads of the networks."""

from __future__ import annotations

import math

import pytest
import torch
from torch.func import functional_call

from med_maml_pipeline.networks import MLP, Conv4, Heads, initial_parameters

torch.set_num_threads(1)


def test_initial_parameters_are_he_normal_and_a_function_of_the_seed():
    network = MLP(400, (300,), 2)
    first, again, other = (initial_parameters(network, seed) for seed in (1, 1, 2))
    weight = first["first.weight"]
    assert torch.equal(weight, again["first.weight"])
    assert not torch.equal(weight, other["first.weight"])
    assert weight.std().item() == pytest.approx(math.sqrt(2 / 400), rel=0.02)
    assert first["first.bias"].abs().max() == 0


def test_the_layer_named_zero_starts_at_zero_and_no_other_changes():
    network = MLP(5, (4, 3), 2)
    plain, zeroed = initial_parameters(network, 1), initial_parameters(network, 1, zero="tail.head")
    assert zeroed["tail.head.weight"].abs().max() == 0
    assert all(torch.equal(plain[name], zeroed[name]) for name in plain if "head" not in name)


def test_networks_leave_the_global_random_state_alone():
    before = torch.random.get_rng_state()
    initial_parameters(MLP(5, (4,), 2), 3)
    assert torch.equal(before, torch.random.get_rng_state())


def test_mlp_is_the_chain_of_its_matrices():
    network = MLP(3, (4, 2), 1, activation="relu")
    p = initial_parameters(network, 0, dtype=torch.float64)
    x = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    h = torch.relu(x @ p["first.weight"].T + p["first.bias"])
    h = torch.relu(h @ p["tail.body.1.weight"].T + p["tail.body.1.bias"])
    expected = h @ p["tail.head.weight"].T + p["tail.head.bias"]
    assert torch.allclose(functional_call(network, p, (x,)), expected, atol=1e-14)


def test_mlp_without_head_gives_the_embedding():
    network = MLP(3, (4, 2), None)
    assert functional_call(network, initial_parameters(network, 0), (torch.ones(5, 3),)).shape == (5, 2)


def test_layer_norm_makes_units_of_mean_zero_before_the_activation():
    network = MLP(3, (16,), None, layer_norm=True)
    parameters = initial_parameters(network, 0)
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    normalised = network.tail.body[0]
    z = functional_call(network.first, {k[6:]: v for k, v in parameters.items() if k[:6] == "first."}, (x,))
    scaled = functional_call(normalised, {"weight": torch.ones(16), "bias": torch.zeros(16)}, (z,))
    expected = torch.nn.functional.silu(scaled)
    assert torch.allclose(functional_call(network, parameters, (x,)), expected, atol=1e-6)
    assert scaled.mean(-1).abs().max() < 1e-6


def test_an_mlp_needs_a_hidden_layer_and_conv4_sixteen_pixels():
    with pytest.raises(ValueError, match="at least one hidden layer"):
        MLP(3, (), 2)
    with pytest.raises(ValueError, match="16 pixels, got 8"):
        Conv4((1, 8, 8), 4, 2)


def test_conv4_gives_an_image_the_same_outputs_alone_and_in_a_batch():
    network = Conv4((3, 16, 16), 8, 5)
    parameters = initial_parameters(network, 0)
    images = torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    together = functional_call(network, parameters, (images,))
    alone = torch.cat([functional_call(network, parameters, (image[None],)) for image in images])
    assert together.shape == (6, 5)
    assert torch.allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "n_classes", "rows"), [("binary", 2, 2), ("multiclass", 7, 7), ("regression", 0, 1)]
)
def test_heads_fit_the_target_and_pass_gradients_to_what_is_learned(kind, n_classes, rows):
    """A multiclass head is learned within a task only: its start is a leaf of its own, all zero."""
    heads = Heads(4)
    meta = {name: value.requires_grad_() for name, value in heads.initial().items()}
    attached = heads.attach({"first.weight": torch.ones(1), **meta}, kind, n_classes)
    assert set(attached) == {"first.weight", "tail.head.weight", "tail.head.bias"}
    assert attached["tail.head.weight"].shape == (rows, 4)
    assert attached["tail.head.bias"].shape == (rows,)
    attached["tail.head.weight"].sum().backward()
    learned = attached["tail.head.weight"] if kind == "multiclass" else meta[f"heads.{kind}.weight"]
    assert learned.grad.abs().sum() == rows * 4
    assert not attached["tail.head.weight"].any()
