"""CTC in float64 is the sum over all paths, and TensorFlow's own within float32."""

import itertools

import keras
import numpy as np
import tensorflow as tf
from rows import each_row

from parity.halves.keras.float64 import ctc_in_float64, ctc_loss


def over_all_paths(logits, labels, blank=0):
    """-log of the probability of all paths that become the labels: repeats go, then blanks."""
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    total = 0.0
    for path in itertools.product(range(logits.shape[-1]), repeat=len(logits)):
        merged = [each for each, _ in itertools.groupby(path)]
        if [each for each in merged if each != blank] == list(labels):
            total += np.prod([p[step, each] for step, each in enumerate(path)])
    return -np.log(total)


@each_row("labels", [[1, 2], [2, 2], [1, 0], [0, 0]])
def test_it_is_the_sum_over_all_paths(labels):
    logits = np.random.default_rng(len(labels)).normal(size=(2, 5, 3))
    number = np.count_nonzero(labels)
    found = ctc_loss(np.array([labels] * 2), logits, [number] * 2, [5, 4])
    expected = [over_all_paths(logits[n, :steps], labels[:number]) for n, steps in ((0, 5), (1, 4))]
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_keras_loss_and_gradient_are_those_of_its_own_kernel_in_more_digits():
    draw = np.random.default_rng(1)
    y = np.array([[1, 3, 3], [2, 0, 0], [4, 1, 0]])
    output = tf.constant(draw.normal(size=(3, 9, 5)) * 3)

    def loss_and_slope():
        with tf.GradientTape() as tape:
            tape.watch(output)
            value = keras.losses.CTC(dtype="float64")(y, output)
        return value.numpy(), tape.gradient(value, output).numpy()

    single = loss_and_slope()
    with ctc_in_float64():
        double = loss_and_slope()
    for a, b in zip(single, double, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)
    assert (double[0].dtype, bool(single[0] == double[0])) == (np.float64, False)


def test_labels_that_do_not_fit_are_impossible():
    logits = np.zeros((1, 2, 3))
    assert np.isposinf(ctc_loss(np.array([[1, 1]]), logits, [2], [2]).numpy())  # needs a blank
