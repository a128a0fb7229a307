"""What is minimised is what Keras minimises: a loss, and the penalties that its layers keep."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
import torch.nn.functional as F
from covering import one_test
from small_nets import Net
from torch import nn

from torch_impl.losses import MeanSquaredError, SparseCategoricalCrossentropy
from torch_impl.penalty import Penalty, RegularizedLoss, kernel_l2
from torch_impl.regularizers import L1, L1L2, L2, OrthogonalRegularizer


def regularized(model, l2):
    return RegularizedLoss(SparseCategoricalCrossentropy(from_logits=True), kernel_l2(model, l2))


def batch(num_classes=3, size=4):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(size, num_classes, generator=generator, dtype=torch.float64)
    return logits, torch.arange(size) % num_classes


def test_the_penalty_is_l2_times_the_sum_of_squares_of_every_kernel():
    """At any depth, of no bias; it follows the weights and owns none."""
    model = nn.Sequential(nn.Conv2d(1, 1, 2), nn.Sequential(nn.ReLU(), nn.Linear(3, 1))).double()
    criterion, (logits, y) = regularized(model, 0.5), batch()
    assert list(criterion.parameters()) == list(criterion.state_dict()) == []
    for parameter in model.parameters():
        nn.init.constant_(parameter, 2.0)
    loss = criterion(logits, y)
    assert (loss.dtype, loss.shape) == (torch.float64, ())
    penalty = loss - F.cross_entropy(logits, y)
    assert penalty.item() == pytest.approx(0.5 * (4 + 3) * 2.0**2, abs=1e-14)
    penalty.backward()
    assert torch.equal(model[0].weight.grad, 2 * 0.5 * model[0].weight)
    assert model[0].bias.grad is None
    with pytest.raises(AttributeError, match="no attribute `kernel`"):
        Penalty(nn.Linear(3, 2), {"kernel": L2()})


def test_the_factor_is_rounded_to_float32_as_keras_casts_it():
    rounded = float(np.float32(0.1))
    model = nn.Linear(3, 2, dtype=torch.float64)
    keras.config.set_floatx("float64")
    theirs = keras.regularizers.L2(0.1)(model.weight.detach().numpy())
    (penalty,) = regularized(model, 0.1).penalty.terms()
    squares = float(model.weight.detach().square().sum())
    # 0.1 is 1.5e-8 of itself off float32's 0.1.
    assert float(theirs) == pytest.approx(rounded * squares, rel=1e-14, abs=0)
    assert penalty.item() == pytest.approx(rounded * squares, rel=1e-14, abs=0)


def keras_net(net):
    """The same in Keras, with a regulariser at every place that has one."""
    regularizers = keras.regularizers
    conv = keras.layers.Conv2D(
        *(3, (3, 2)), kernel_regularizer=regularizers.L1(0.02), activity_regularizer="l2"
    )
    dense = keras.layers.Dense(
        3,
        kernel_regularizer=regularizers.L1L2(0.01, 0.03),
        bias_regularizer=regularizers.L2(0.5),
        activity_regularizer=regularizers.L1(0.1),
    )
    inputs = keras.layers.Input((5, 7, 2))
    model = keras.Model(inputs, dense(dense(keras.layers.GlobalAveragePooling2D()(conv(inputs)))))
    conv.set_weights([net.conv.weight.detach().permute(2, 3, 1, 0), net.conv.bias.detach()])
    dense.set_weights([net.dense.weight.detach().T, net.dense.bias.detach()])
    return model


NET_WEIGHTS = {"conv.weight": L1(0.02), "dense.weight": L1L2(0.01, 0.03), "dense.bias": L2(0.5)}
NET_ACTIVITIES = {"conv": L2(0.01), "dense": L1(0.1)}


@pytest.mark.usefixtures("float64")
@one_test
@pytest.mark.parametrize("num_samples", [1, 4])
@pytest.mark.parametrize("frozen", [False, True], ids=["trainable", "frozen"])
def test_penalties_of_weights_and_outputs_are_those_of_keras(num_samples, frozen):
    torch.manual_seed(3)
    net = Net(
        lambda net, x: net.dense(net.dense(net.conv(x).mean((2, 3)))),
        conv=nn.Conv2d(2, 3, (3, 2), dtype=torch.float64),
        dense=nn.Linear(3, 3, dtype=torch.float64),  # called twice
    )
    theirs = keras_net(net)
    x = torch.randn(num_samples, 2, 5, 7, dtype=torch.float64)
    y = torch.randn(num_samples, 3, dtype=torch.float64)
    theirs.layers[1].trainable = not frozen
    net.conv.requires_grad_(not frozen)
    theirs.compile(loss="mse")
    criterion = RegularizedLoss(MeanSquaredError(), Penalty(net, NET_WEIGHTS, NET_ACTIVITIES))
    for _ in range(2):  # the second call forgets the outputs of the first
        outputs = theirs(x.permute(0, 2, 3, 1).numpy())
        expected = float(theirs.compute_loss(None, y.numpy(), outputs))
        loss = criterion(net(x), y)
        assert loss.item() == pytest.approx(expected, rel=1e-14)
    # Three outputs (the Dense layer has two), and two or three weights.
    assert len(list(criterion.penalty.terms())) == 6 - frozen
    loss.backward()
    assert net.dense.bias.grad is not None


def test_an_output_of_no_rows_costs_nothing_and_hooks_can_be_removed():
    layer = nn.Linear(3, 2)
    penalty = Penalty(layer, activities={"": L2(1.0)})
    layer(torch.ones(0, 3))
    assert sum(penalty.terms()) == 0
    layer(torch.ones(4, 3))
    assert sum(penalty.terms()) > 0
    penalty.remove()
    layer(torch.ones(4, 3))
    assert list(penalty.terms()) == []


def test_an_orthogonal_penalty_sees_the_kernel_in_the_layout_of_keras():
    keras.config.set_floatx("float32")
    layer = nn.Linear(5, 3)
    kernel = layer.weight.detach().T.numpy()
    for mode in ("rows", "columns"):
        expected = keras.regularizers.OrthogonalRegularizer(0.3, mode)(tf.constant(kernel))
        (term,) = Penalty(layer, {"weight": OrthogonalRegularizer(0.3, mode)}).terms()
        # Ten products of five numbers of size 1, summed in float32.
        assert term.item() == pytest.approx(float(expected), rel=3e-6)


def test_weights_of_samples_reach_the_loss_and_not_the_penalty():
    layer = nn.Linear(3, 2)
    nn.init.ones_(layer.weight)
    criterion = RegularizedLoss(MeanSquaredError(), kernel_l2(layer, 0.5))
    y_pred, weight = torch.ones(2, 2), torch.tensor([1.0, 3.0])
    # (1 * 1 + 3 * 1) / 2 + 0.5 * 6
    assert criterion(y_pred, torch.zeros(2, 2), sample_weight=weight).item() == 5
