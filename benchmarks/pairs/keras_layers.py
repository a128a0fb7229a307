"""Keras models around normalisation, pooling and layers that change shapes."""

from __future__ import annotations

import keras
from keras import layers as L

from benchmarks.pairs.keras_base import IMAGE, SEQUENCE, stack

# --- normalisation --------------------------------------------------------------------------------


def batch_norm() -> keras.Model:
    """Convolution without bias, batch normalisation, ReLU."""
    return stack(IMAGE, L.Conv2D(4, 3, use_bias=False), L.BatchNormalization(), L.ReLU())


def batch_norm_dense() -> keras.Model:
    """Batch normalisation of features: a batch of one has one value for each."""
    return stack((7,), L.Dense(6), L.BatchNormalization(momentum=0.9, epsilon=1e-4), L.ReLU())


def batch_norm_frozen() -> keras.Model:
    """A batch normalisation that is not trained."""
    return stack(IMAGE, L.Conv2D(4, 3), L.BatchNormalization(trainable=False), L.ReLU())


def batch_norm_plain() -> keras.Model:
    """Without gamma, and without either."""
    return stack(
        IMAGE,
        L.Conv2D(4, 3, use_bias=False),
        L.BatchNormalization(scale=False),
        L.ReLU(),
        L.Conv2D(5, 3),
        L.BatchNormalization(center=False, scale=False),
    )


def layer_norm() -> keras.Model:
    """Layer normalisation of features."""
    return stack((7,), L.Dense(6, activation="tanh"), L.LayerNormalization())


def layer_norm_sequence() -> keras.Model:
    """Layer normalisation of sequences."""
    return stack(SEQUENCE, L.Dense(6, activation="gelu"), L.LayerNormalization(epsilon=1e-6))


def group_norm() -> keras.Model:
    """Group normalisation of images."""
    return stack(IMAGE, L.Conv2D(6, 3), L.GroupNormalization(groups=3), L.ReLU())


# --- pooling, shapes ------------------------------------------------------------------------------


def max_pool() -> keras.Model:
    """Valid, on sides of both parities."""
    return stack(IMAGE, L.Conv2D(4, 3), L.MaxPooling2D(2), L.Conv2D(5, 3))


def max_pool_same() -> keras.Model:
    """Same, kernel 3 at stride 2, of values of both signs."""
    return stack(IMAGE, L.Conv2D(4, 3), L.MaxPooling2D(3, strides=2, padding="same"))


def average_pool() -> keras.Model:
    """Valid."""
    return stack(IMAGE, L.Conv2D(4, 3, activation="relu"), L.AveragePooling2D(2), L.Conv2D(5, 3))


def average_pool_same() -> keras.Model:
    """Same, kernel 3 at stride 2."""
    return stack(
        IMAGE,
        L.Conv2D(4, 3, activation="relu"),
        L.AveragePooling2D(3, strides=2, padding="same"),
    )


def pool_1d() -> keras.Model:
    """Both pools of sequences."""
    return stack(
        SEQUENCE,
        L.Conv1D(6, 3, activation="relu"),
        L.MaxPooling1D(2),
        L.AveragePooling1D(3, strides=2, padding="same"),
    )


def global_max() -> keras.Model:
    """A global maximum."""
    return stack(IMAGE, L.Conv2D(6, 3, activation="relu"), L.GlobalMaxPooling2D())


def flatten() -> keras.Model:
    """The usual end of a small net, its sides not equal."""
    return stack(
        (9, 8, 2),
        L.Conv2D(3, 3, activation="relu"),
        L.MaxPooling2D(2),
        L.Flatten(),
        L.Dense(6, activation="relu"),
    )


def flatten_norm() -> keras.Model:
    """What has an entry for each feature stands between flatten and dense."""
    return stack(
        (7, 6, 2), L.Conv2D(3, 3), L.Flatten(), L.BatchNormalization(), L.Dropout(0.3), L.Dense(6)
    )


def mlp_square() -> keras.Model:
    """Square kernels, which can be transposed by mistake."""
    return stack((6,), L.Dense(6, activation="relu"), L.Dense(6, activation="tanh"))


def reshaped() -> keras.Model:
    """From features to an image."""
    return stack(
        (5,),
        L.Dense(24, activation="relu"),
        L.Reshape((3, 4, 2)),
        L.Conv2D(4, 2, activation="relu"),
    )


def padded() -> keras.Model:
    """Zeros around, then a border cut off."""
    return stack(
        IMAGE,
        L.ZeroPadding2D(((1, 2), (0, 3))),
        L.Conv2D(4, 3, activation="relu"),
        L.Cropping2D(((2, 1), (1, 0))),
        L.Conv2D(3, 3),
    )


def upsampled() -> keras.Model:
    """Nearest neighbour."""
    return stack((6, 5, 3), L.Conv2D(4, 2), L.UpSampling2D(2), L.Conv2D(3, 3))


def upsampled_bilinear() -> keras.Model:
    """Bilinear."""
    return stack(
        (6, 5, 3), L.Conv2D(4, 2), L.UpSampling2D(2, interpolation="bilinear"), L.Conv2D(3, 3)
    )
