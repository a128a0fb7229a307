"""What Keras computes: losses and their gradients in float64, eagerly."""

import keras
import numpy as np
import tensorflow as tf
import torch


def keras_loss_and_gradient(loss, y_pred, y_true, sample_weight=None, activation=None):
    """Returns a Keras loss and the gradient of its sum by `y_pred`, in float64.

    Args:
        loss: of Keras.
        y_pred: array; what the activation is applied to, where there is one.
        y_true: array.
        sample_weight: array or None.
        activation: function of Keras between `y_pred` and the loss.
    """
    keras.config.set_floatx("float64")
    loss = type(loss).from_config(loss.get_config()) if loss.dtype != "float64" else loss
    x = tf.constant(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = loss(tf.constant(y_true), x if activation is None else activation(x), sample_weight)
    return value.numpy(), tape.gradient(value, x).numpy()


def torch_loss_and_gradient(loss, y_pred, y_true, sample_weight=None, activation=None):
    """The same of a loss of ours."""
    x = torch.tensor(y_pred, requires_grad=True)
    output = x if activation is None else activation(x)
    weight = None if sample_weight is None else torch.tensor(sample_weight)
    value = loss(output, torch.tensor(y_true), weight)
    value.sum().backward()
    return value.detach().numpy(), x.grad.numpy()


def assert_close(actual, expected, tolerance):
    """Equal shapes, and each pair of entries within a tolerance, relative to the larger of 1."""
    for ours, theirs in zip(actual, expected, strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        with np.errstate(invalid="ignore"):  # infinities and NaN, which must be the same
            is_close = np.abs(ours - theirs) <= tolerance * np.maximum(1, np.abs(theirs))
        assert (is_close | (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))).all()
