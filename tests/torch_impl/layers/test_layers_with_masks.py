"""Layers that take a mask, called by hand, against Keras's with the same mask."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from covering import one_test
from layer_pairs import BAR, difference, fill, own_names, signed

from torch_impl import layers
from torch_impl.weights import assign, read

SHAPE = (4, 6, 3)
COUNTS = np.array([[1, 1, 1, 0, 0, 0], [0, 1, 0, 1, 1, 0], [1] * 6, [0, 0, 0, 0, 0, 1]]) > 0
MASK = torch.tensor(COUNTS)


def test_the_mean_is_over_the_steps_that_count():
    x = signed(SHAPE)
    theirs = keras.layers.GlobalAveragePooling1D(dtype="float64")(
        tf.constant(x), mask=tf.constant(COUNTS)
    )
    ours = layers.GlobalAveragePooling1D()(torch.tensor(x).movedim(-1, 1), mask=MASK)
    assert difference(ours.numpy(), theirs.numpy()) <= BAR


@one_test
@pytest.mark.parametrize("axis", [1, -1], ids=["torch", "keras"])
@pytest.mark.parametrize("training", [True, False])
def test_batch_statistics_are_those_of_the_steps_that_count(axis, training):
    theirs = keras.layers.BatchNormalization(momentum=0.7, dtype="float64")
    theirs.build(SHAPE)
    fill(theirs)
    ours = layers.BatchNormalization(3, axis=axis, momentum=0.7).double().train(training)
    assign(ours, {name: weight.numpy() for name, weight in own_names(theirs).items()})
    x, upstream = signed(SHAPE, 1), signed(SHAPE, 2)
    constant, tensor = tf.constant(x), torch.tensor(x, requires_grad=True)
    with tf.GradientTape() as tape:
        tape.watch(constant)
        output = theirs(constant, training=training, mask=tf.constant(COUNTS))
        total = tf.reduce_sum(output * upstream)
    slope = tape.gradient(total, constant)
    y = ours(tensor.movedim(-1, axis), mask=MASK).movedim(axis, -1)
    (y * torch.tensor(upstream)).sum().backward()
    assert difference(y.detach().numpy(), output.numpy()) <= BAR
    assert difference(tensor.grad.numpy(), slope.numpy()) <= BAR
    for name, array in read(ours).items():
        assert difference(array, own_names(theirs)[name].numpy()) <= BAR


def test_a_mask_of_another_shape_is_refused_by_the_batch_statistics():
    with pytest.raises(ValueError, match=r"mask has shape \(4, 5\): expected \(4, 6\)"):
        layers.BatchNormalization(3)(torch.ones(4, 3, 6), mask=torch.ones(4, 5))


def test_masking_compares_with_a_number_of_float32_as_keras_does():
    x = signed(SHAPE)
    x[0, 1], x[1, 2], x[2, 3, 0] = 0.1, np.float32(0.1), np.float32(0.1)
    theirs = keras.layers.Masking(0.1, dtype="float64")
    ours = layers.Masking(0.1)
    assert difference(ours(torch.tensor(x)).numpy(), theirs(x).numpy()) == 0
    counts = ours.compute_mask(torch.tensor(x))
    np.testing.assert_array_equal(counts.numpy(), theirs.compute_mask(tf.constant(x)).numpy())
    assert counts.sum() == 23
