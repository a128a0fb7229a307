"""Keras models around one loss, penalty or initialiser each."""

from __future__ import annotations

import keras
from keras import layers as L
from keras import losses, optimizers
from keras import regularizers as R

from benchmarks.pairs.factories import factories
from benchmarks.pairs.keras_net import activated, mlp
from keras_impl import Reference

# --- losses and penalties -------------------------------------------------------------------------


def smoothed() -> keras.Model:
    """Label smoothing."""
    loss = losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    return mlp(loss=loss, num=4)


def class_weights() -> Reference:
    """Classes that do not count alike."""
    model = activated("softmax", 3, "sparse_categorical_crossentropy")
    return Reference(model, class_weight={0: 0.5, 1: 1.0, 2: 3.0})


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


globals().update(
    factories(
        # losses and penalties
        mse=("Squared error, three outputs.", lambda: mlp()),
        mse_one=("Squared error, one output.", lambda: mlp(num=1)),
        softmax=(
            "Softmax in the model, classes as numbers.",
            lambda: activated("softmax", 4, "sparse_categorical_crossentropy"),
        ),
        softmax_one_hot=(
            "Softmax in the model, one-hot classes.",
            lambda: activated("softmax", 4, "categorical_crossentropy"),
        ),
        sigmoid=("A yes or no.", lambda: activated("sigmoid", 1, "binary_crossentropy")),
        labels=(
            "Several yes or no, from logits.",
            lambda: mlp(loss=losses.BinaryCrossentropy(from_logits=True), num=4),
        ),
        huber=("Huber's loss.", lambda: mlp(loss=losses.Huber(delta=0.7))),
        mae=("Absolute error.", lambda: mlp(loss="mae")),
        summed=(
            "A loss that is summed.",
            lambda: mlp(loss=losses.MeanSquaredError(reduction="sum")),
        ),
        l2=("An L2 penalty of one kernel.", lambda: mlp(kernel_regularizer=R.L2(0.02))),
        l1_l2=(
            "Both penalties, of kernel and bias.",
            lambda: mlp(kernel_regularizer=R.L1L2(0.01, 0.02), bias_regularizer=R.L1(0.03)),
        ),
    )
)
