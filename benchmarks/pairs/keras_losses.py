"""Keras models with one loss, penalty or initialiser each."""

from __future__ import annotations

import keras
from keras import layers as L
from keras import losses, optimizers
from keras import regularizers as R

from benchmarks.pairs.keras_net import activated, mlp
from keras_impl import Reference

# --- losses and penalties -------------------------------------------------------------------------


def smoothed() -> keras.Model:
    """Label smoothing."""
    loss = losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    return mlp(loss=loss, num=4)


def class_weights() -> Reference:
    """Classes with different weights."""
    model = activated("softmax", 3, "sparse_categorical_crossentropy")
    return Reference(model, class_weight={0: 0.7, 1: 1.0, 2: 2.9})


# --- initial weights ------------------------------------------------------------------------------


def wide() -> keras.Model:
    """Kernels that are large enough to show their distribution."""
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


globals().update(
    # losses and penalties
    mse=lambda: mlp(),  # Squared error, three outputs.
    mse_one=lambda: mlp(num=1),  # Squared error, one output.
    # Softmax in the model, classes as numbers.
    softmax=lambda: activated("softmax", 4, "sparse_categorical_crossentropy"),
    # Softmax in the model, one-hot classes.
    softmax_one_hot=lambda: activated("softmax", 4, "categorical_crossentropy"),
    sigmoid=lambda: activated("sigmoid", 1, "binary_crossentropy"),  # Yes or no.
    # Several labels, each yes or no, from logits.
    labels=lambda: mlp(loss=losses.BinaryCrossentropy(from_logits=True), num=4),
    huber=lambda: mlp(loss=losses.Huber(delta=0.7)),  # Huber's loss.
    mae=lambda: mlp(loss="mae"),  # Absolute error.
    summed=lambda: mlp(loss=losses.MeanSquaredError(reduction="sum")),  # A loss that is summed.
    l2=lambda: mlp(kernel_regularizer=R.L2(0.02)),  # An L2 penalty of one kernel.
    # Both penalties, for kernel and bias.
    l1_l2=lambda: mlp(kernel_regularizer=R.L1L2(0.01, 0.02), bias_regularizer=R.L1(0.03)),
)
