"""Activations have Keras's values and slopes, also at their kinks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from covering import one_test
from layer_pairs import BAR, Pair, as_they_are, assert_same, difference, keras_layer, signed
from rows import each_row

from torch_impl.layers import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from torch_impl.layers.activations import ACTIVATIONS, activation

SETTINGS = {
    "relu": [
        {},
        {"negative_slope": 0.1},
        {"max_value": 2.3},
        {"max_value": 6.0},
        {"threshold": 0.7},
        {"max_value": 2.0, "threshold": 0.7, "negative_slope": 0.1},
        {"max_value": 6.0, "threshold": 0.7},
        {"max_value": 6.0, "negative_slope": 0.1},
    ],
    "leaky_relu": [{}, {"negative_slope": 0.3}],
    "elu": [{}, {"alpha": 0.3}],
    "celu": [{}, {"alpha": 0.3}],
    "gelu": [{}, {"approximate": True}],
    "threshold": [{"threshold": 0.5, "default_value": -2.0}],
    "softmax": [{}, {"axis": 1}, {"axis": (0, 1)}, {"axis": None}],
    "log_softmax": [{}, {"axis": 1}, {"axis": (0, 1)}, {"axis": None}],
    "sparsemax": [{}, {"axis": 1}],
    "squareplus": [{}, {"b": 1}],
    "hard_shrink": [{}, {"threshold": 0.2}],
    "soft_shrink": [{}, {"threshold": 0.2}],
    "glu": [{}, {"axis": 1}],
}
CASES = [(name, s) for name in sorted(ACTIVATIONS) for s in SETTINGS.get(name, [{}])]

# Every kink of every function above, and values far out.
KINKS = [0, 0.2, 0.5, 0.7, 1, 2, 2.3, 3, 6, 1e-3, 15, 25, 39, 45, 300]


def values():
    points = np.array([*KINKS, *(-k for k in KINKS)], np.float64)
    return np.concatenate([points, signed(34) * 3]).reshape(4, 8, 2)


def both(name, settings, x):
    """((output, gradient) of ours, the same of Keras's)."""
    upstream = signed(x.shape, 3)
    tensor = torch.tensor(x).requires_grad_()
    ours = activation(name, **settings)(tensor)
    with tf.GradientTape() as tape:
        constant = tf.constant(x)
        tape.watch(constant)
        theirs = getattr(keras.activations, name)(constant, **settings)
        part = upstream[tuple(slice(n) for n in theirs.shape)]
        total = tf.reduce_sum(theirs * part)
    (ours * torch.tensor(part)).sum().backward()
    gradient = tape.gradient(total, constant)
    return (ours.detach().numpy(), tensor.grad.numpy()), (theirs.numpy(), gradient.numpy())


@one_test
@pytest.mark.parametrize(("name", "settings"), CASES, ids=[f"{n}{s or ''}" for n, s in CASES])
def test_an_activation_is_keras_one(name, settings):
    x = values()
    if name == "exponential":
        x = np.minimum(x, 20)
    for ours, theirs in zip(*both(name, settings, x), strict=True):
        assert difference(ours, theirs) <= BAR
        # Each value for itself too: the far ones would hide the others. The bar is the same, and
        # below 1 absolute, since 1 - tanh and the like lose what they cancel.
        np.testing.assert_allclose(ours, theirs, rtol=BAR, atol=BAR)


def test_every_activation_of_keras_is_there():
    from keras.src.activations import ALL_OBJECTS_DICT

    assert ACTIVATIONS.keys() == ALL_OBJECTS_DICT.keys()


LAYERS = {
    "ReLU": (ReLU, [{}, {"max_value": 1.0}, {"negative_slope": 0.1, "threshold": 0.2}]),
    "LeakyReLU": (LeakyReLU, [{}, {"negative_slope": 0.1}]),
    "ELU": (ELU, [{}]),  # alpha has no place in the config of Keras's layer
    "Softmax": (Softmax, [{}, {"axis": 1}, {"axis": (1, -1)}, {"axis": [1]}]),
}


@one_test
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_has_keras_defaults_and_settings(name):
    kind, options = LAYERS[name]
    for settings in options:
        theirs = keras_layer(name, **settings)
        pair = Pair(theirs, kind(**settings), (4, 3), as_they_are, lambda t: t.detach().numpy())
        assert_same(pair)


MASKS = {
    "bool": np.array([[True, False, True], [False, True, True], [False, False, False]]),
    "numbers": np.array([[0.2, 1, 0], [3, -1, 0.5], [1, 1, 1]]),
    "of_columns": np.array([True, False, True]),
}


@one_test
@pytest.mark.parametrize("axis", [-1, 1, (1, 2), [2]], ids=str)
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_a_masked_softmax_is_keras_one(mask, axis):
    x = signed((2, 3, 3)) * 3
    theirs = keras_layer("Softmax", axis=axis)(x, mask=mask).numpy()
    ours = Softmax(axis)(torch.tensor(x), torch.tensor(mask)).numpy()
    np.testing.assert_allclose(ours, theirs, rtol=BAR, atol=BAR)
    assert np.abs(ours - Softmax(axis)(torch.tensor(x)).numpy()).max() > 0.01


@each_row(
    "call, message",
    [
        (
            lambda: Softmax()(torch.zeros(4, 3), torch.ones(2)),
            r"mask of shape \(2,\), and input of shape \(4, 3\)",
        ),
        (lambda: Activation("swoosh"), r"activation='swoosh': expected one of \['celu', 'elu'"),
        (lambda: ReLU(threshold=-1), "threshold=-1: expected a number of at least 0"),
    ],
)
def test_another_shape_of_a_mask_name_or_setting_is_an_error_that_shows_it(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@one_test
@pytest.mark.parametrize(("axis", "carries"), [(-1, True), ([1], True), ((0, 1), False)], ids=str)
def test_a_softmax_layer_carries_its_logits_where_keras_one_does(axis, carries):
    x = signed((4, 3))
    assert hasattr(keras_layer("Softmax", axis=axis)(tf.constant(x)), "_keras_logits") is carries
    assert hasattr(Softmax(axis)(torch.tensor(x)), "_keras_logits") is carries


@one_test
@pytest.mark.parametrize("shared", [None, 1, [1, 2]], ids=str)
def test_prelu_is_keras_one(shared):
    theirs = keras_layer("PReLU", shared_axes=shared)
    ours = PReLU((4, 3, 2), shared)
    assert_same(Pair(theirs, ours, (4, 3, 2), as_they_are, lambda t: t.detach().numpy()))
