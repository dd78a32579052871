"""The count of a task's graph, and the chunks that follow from it."""

from __future__ import annotations

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from med_maml_pipeline.bilevel import InnerLoop, Path, TaskChunks, cross_entropy, query_outputs
from med_maml_pipeline.bilevel.memory import graph_bytes
from med_maml_pipeline.networks import MLP, Conv4, ResNet12

PERCEPTRON = MLP(40, (16, 8), 3, layer_norm=True)
CASES = {
    "reference": (ResNet12((1, 16, 16), 8, 3), (1, 16, 16), Path.REFERENCE),
    "constant input": (PERCEPTRON, (40,), Path.CONSTANT_INPUT),
}


def _counted(network, leaves, batch, loop, path):
    """Bytes of all tensors that a real graph saves, inputs and parameters apart."""
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = query_outputs(network, leaves, batch, cross_entropy, 0.1, loop, path=path)
        loss = cross_entropy(outputs, batch.query.y, batch.query.weight)
    given = (*leaves.values(), batch.support.x, batch.query.x)
    for tensor in given:
        kept.pop(tensor.untyped_storage().data_ptr(), None)
    assert loss.requires_grad
    return sum(kept.values())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("loop", [InnerLoop(3), InnerLoop(2, momentum=0.9, clip=1.0)], ids=["plain", "both"])
def test_the_count_is_that_of_a_real_graph(case, loop, episodes, parameters):
    network, row, path = case
    batch, leaves = episodes((1, *row)), parameters(network)
    counted = graph_bytes(network, leaves, batch, cross_entropy, 0.1, loop, path)
    assert counted == pytest.approx(_counted(network, leaves, batch, loop, path), rel=0.02)


def test_the_count_looks_at_one_task_and_leaves_numbers_alone(episodes, parameters):
    leaves = parameters(PERCEPTRON)
    kept = {name: value.detach().clone() for name, value in leaves.items()}
    one, five = (
        graph_bytes(
            PERCEPTRON, leaves, episodes((n, 40)), cross_entropy, 0.1, InnerLoop(3), Path.CONSTANT_INPUT
        )
        for n in (1, 5)
    )
    assert one == five > 0
    assert all(torch.equal(leaves[name], value) and leaves[name].grad is None for name, value in kept.items())


def test_checkpointed_steps_keep_parameters_where_plain_ones_keep_activations(episodes, parameters):
    network = ResNet12((1, 16, 16), 8, 3)
    batch, leaves = episodes((1, 1, 16, 16), support=25), parameters(network)
    plain, lean = (
        [graph_bytes(network, leaves, batch, cross_entropy, 0.1, InnerLoop(n), path) for n in (1, 2, 5)]
        for path in (Path.REFERENCE, Path.CHECKPOINTED)
    )
    assert (lean[2] - lean[1]) < 0.6 * (plain[2] - plain[1])
    size = sum(value.numel() * value.element_size() for value in leaves.values())
    assert lean[2] - lean[1] == 3 * size


def _plan(chunks, network, leaves, batch):
    return chunks.plan(network, leaves, batch, cross_entropy, 0.1, InnerLoop(2))


def test_as_many_tasks_as_fit_are_taken_and_never_none(episodes, parameters):
    batch, leaves = episodes((6, 40)), parameters(PERCEPTRON)
    one = graph_bytes(PERCEPTRON, leaves, batch, cross_entropy, 0.1, InnerLoop(2), Path.CONSTANT_INPUT)
    for fitting in (1, 2, 5):
        chunks = TaskChunks(fitting * one / 2**20 * 1.01)
        assert _plan(chunks, PERCEPTRON, leaves, batch) == (Path.CONSTANT_INPUT, fitting)
    assert _plan(TaskChunks(1e-9), PERCEPTRON, leaves, batch) == (Path.CONSTANT_INPUT, 1)


def test_a_task_that_does_not_fit_is_checkpointed(episodes, parameters):
    network = ResNet12((1, 16, 16), 8, 3)
    batch, leaves = episodes((2, 1, 16, 16)), parameters(network)
    assert _plan(TaskChunks(1024.0), network, leaves, batch)[0] is Path.REFERENCE
    assert _plan(TaskChunks(0.5), network, leaves, batch) == (Path.CHECKPOINTED, 1)


def test_pictures_of_conv4_are_planned_for_their_own_path(episodes, parameters):
    network = Conv4((1, 16, 16), 4, 3)
    batch, leaves = episodes((2, 256)), parameters(network)
    path, size = _plan(TaskChunks(1024.0), network, leaves, batch)
    assert path is Path.CONVOLUTION
    assert size >= 2


def test_halving_lasts_and_ends_at_one(episodes, parameters):
    batch, leaves = episodes((6, 40)), parameters(PERCEPTRON)
    chunks = TaskChunks(1024.0)
    assert _plan(chunks, PERCEPTRON, leaves, batch)[1] > 6
    assert chunks.halve(6)
    assert _plan(chunks, PERCEPTRON, leaves, batch)[1] == 3
    assert chunks.halve(3)
    assert _plan(chunks, PERCEPTRON, leaves, batch)[1] == 1
    assert not chunks.halve(1)
