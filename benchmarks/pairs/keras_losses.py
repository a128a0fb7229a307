"""Keras models around one loss, penalty or initialiser each."""

from __future__ import annotations

import keras
from keras import layers as L
from keras import losses, optimizers
from keras import regularizers as R

from benchmarks.pairs.keras_net import activated, mlp
from keras_impl import Reference

# --- losses and penalties -------------------------------------------------------------------------


def mse() -> keras.Model:
    """Squared error, three outputs."""
    return mlp()


def mse_one() -> keras.Model:
    """Squared error, one output."""
    return mlp(num=1)


def softmax() -> keras.Model:
    """Softmax in the model, classes as numbers."""
    return activated("softmax", 4, "sparse_categorical_crossentropy")


def softmax_one_hot() -> keras.Model:
    """Softmax in the model, one-hot classes."""
    return activated("softmax", 4, "categorical_crossentropy")


def smoothed() -> keras.Model:
    """Label smoothing."""
    loss = losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    return mlp(loss=loss, num=4)


def sigmoid() -> keras.Model:
    """A yes or no."""
    return activated("sigmoid", 1, "binary_crossentropy")


def labels() -> keras.Model:
    """Several yes or no, from logits."""
    return mlp(loss=losses.BinaryCrossentropy(from_logits=True), num=4)


def class_weights() -> Reference:
    """Classes that do not count alike."""
    model = activated("softmax", 3, "sparse_categorical_crossentropy")
    return Reference(model, class_weight={0: 0.5, 1: 1.0, 2: 3.0})


def huber() -> keras.Model:
    """Huber's loss."""
    return mlp(loss=losses.Huber(delta=0.7))


def mae() -> keras.Model:
    """Absolute error."""
    return mlp(loss="mae")


def summed() -> keras.Model:
    """A loss that is summed."""
    return mlp(loss=losses.MeanSquaredError(reduction="sum"))


def l2() -> keras.Model:
    """An L2 penalty of one kernel."""
    return mlp(kernel_regularizer=R.L2(0.02))


def l1_l2() -> keras.Model:
    """Both penalties, of kernel and bias."""
    return mlp(kernel_regularizer=R.L1L2(0.01, 0.02), bias_regularizer=R.L1(0.03))


# --- initial weights ------------------------------------------------------------------------------


def wide() -> keras.Model:
    """Kernels of some size, so that a distribution can be told."""
    inputs = keras.Input((23,))
    x = L.Dense(31, activation="relu")(inputs)
    model = keras.Model(inputs, L.Dense(5)(x))
    model.compile(optimizers.SGD(0.05), "mse")
    return model


def he_normal() -> keras.Model:
    """Kaiming's normal, which Keras truncates."""
    inputs = keras.Input((40,))
    x = L.Dense(60, activation="relu", kernel_initializer="he_normal")(inputs)
    model = keras.Model(inputs, L.Dense(5)(x))
    model.compile(optimizers.SGD(0.05), "mse")
    return model
