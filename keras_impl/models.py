"""The networks of the article, as its author wrote them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import keras
from keras import layers

if TYPE_CHECKING:
    from parity.programs.run_spec import RunSpec


def underfit(input_shape: tuple[int, int, int], num_classes: int) -> keras.Sequential:
    """The net that Example 1 answers: few filters, no hidden layer."""
    return keras.Sequential(
        [
            layers.Input(input_shape),
            layers.Conv2D(2, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(4, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Flatten(),
            layers.Dense(num_classes, activation="softmax"),
        ]
    )


def capacity(
    input_shape: tuple[int, int, int],
    num_classes: int,
    kernel_regularizer: keras.regularizers.Regularizer | None = None,
) -> keras.Sequential:
    """Examples 1 and 2: more filters and a hidden layer."""
    return keras.Sequential(
        [
            layers.Input(input_shape),
            layers.Conv2D(32, (3, 3), activation="relu", kernel_regularizer=kernel_regularizer),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu", kernel_regularizer=kernel_regularizer),
            layers.MaxPooling2D((2, 2)),
            layers.Flatten(),
            layers.Dense(128, activation="relu", kernel_regularizer=kernel_regularizer),
            layers.Dense(num_classes, activation="softmax", kernel_regularizer=kernel_regularizer),
        ]
    )


def dropout(input_shape: tuple[int, int, int], num_classes: int) -> keras.Sequential:
    """Example 3: dropout after the first pool and before the last Dense."""
    return keras.Sequential(
        [
            layers.Input(input_shape),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Dropout(0.25),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(num_classes, activation="softmax"),
        ]
    )


def linear(input_shape: tuple[int, int, int], num_classes: int) -> keras.Sequential:
    """Two convolutions and two Dense layers without an activation between them: a linear map."""
    return keras.Sequential(
        [
            layers.Input(input_shape),
            layers.Conv2D(4, (3, 3), strides=2),
            layers.Conv2D(4, (3, 3), strides=2),
            layers.Flatten(),
            layers.Dense(4),
            layers.Dense(num_classes, activation="softmax"),
        ]
    )


MODELS = {"underfit": underfit, "capacity": capacity, "dropout": dropout, "linear": linear}


def build_model(
    spec: RunSpec, input_shape: tuple[int, int, int], num_classes: int
) -> keras.Sequential:
    """Seeds everything once, builds the network of a spec and compiles it.

    Args:
        spec: gives model, seed, dtype, learning rate, weight decay and L2 factor.
        input_shape: (height, width, channels) of an image.
        num_classes: number of labels.
    """
    # Both are needed: the policy is cached and does not follow floatx by itself.
    keras.config.set_floatx(spec.dtype)
    keras.config.set_dtype_policy(spec.dtype)
    keras.utils.set_random_seed(spec.seed)
    return build_network(spec, input_shape, num_classes)


def build_network(
    spec: RunSpec, input_shape: tuple[int, int, int], num_classes: int
) -> keras.Sequential:
    """Builds and compiles the network of a spec, with the seed and dtype that the process has.

    Args:
        spec: gives model, learning rate, weight decay and L2 factor.
        input_shape: (height, width, channels) of an image.
        num_classes: number of labels.
    """
    network: Callable[..., keras.Sequential] = MODELS[spec.model]
    if spec.l2:
        network = partial(network, kernel_regularizer=keras.regularizers.L2(spec.l2))
    model = network(input_shape, num_classes)
    model.compile(
        optimizer=keras.optimizers.Adam(spec.learning_rate, weight_decay=spec.weight_decay or None),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # XLA draws other dropout masks and rounds differently
    )
    return model
