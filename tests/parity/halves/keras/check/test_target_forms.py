"""The form of targets that a loss of the user's own takes."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from rows import each_row

from parity.data.samples import Samples
from parity.halves.keras.check.objective import Forms, found_form


def crossentropy(y_true, y_pred):
    return keras.losses.binary_crossentropy(ops.cast(y_true, y_pred.dtype), y_pred)


def squares(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def logarithms(y_true, y_pred):
    """No number where a target is zero."""
    return ops.mean(ops.square(ops.log(y_true) - ops.log(y_pred)), axis=-1)


def form_of(loss, output):
    shape = output.shape[1:]
    forms = Forms("values", False, lambda kind: Samples.drawn_targets(0, "a", 4, kind, shape))
    return found_form(loss, forms, tf.constant(output)).name


SHARES = np.random.default_rng(0).uniform(0.1, 0.9, size=(4, 3, 2))
SOFTMAX = SHARES / SHARES.sum(-1, keepdims=True)


@each_row(
    "loss, output, form",
    [
        (crossentropy, SHARES, "binary"),
        (squares, SHARES, "binary"),
        (logarithms, SHARES, "shares"),
        (squares, SOFTMAX, "values"),
        (squares, SHARES - 0.5, "values"),
        (squares, SHARES + 0.5, "values"),
    ],
)
def test_outputs_from_0_to_1_get_targets_from_0_to_1(loss, output, form):
    assert form_of(loss, output) == form
