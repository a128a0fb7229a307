"""Keras models around one kind of convolution each."""

from __future__ import annotations

import keras
from keras import layers as L

from benchmarks.pairs.keras_base import IMAGE, SEQUENCE, classified, stack


def conv_valid() -> keras.Model:
    """3 x 3, valid, with a ReLU."""
    return stack(IMAGE, L.Conv2D(4, 3, activation="relu"))


def conv_same() -> keras.Model:
    """Same padding at stride 1, an odd and an even kernel."""
    return stack(
        IMAGE,
        L.Conv2D(4, 3, padding="same", activation="relu"),
        L.Conv2D(6, 4, padding="same"),
    )


def conv_same_stride_2() -> keras.Model:
    """Same padding at stride 2."""
    return stack(IMAGE, L.Conv2D(4, 3, strides=2, padding="same", activation="relu"))


def conv_same_kernel_5() -> keras.Model:
    """Same padding at stride 2, kernel 5, then kernel 2."""
    return stack(
        IMAGE,
        L.Conv2D(4, 5, strides=2, padding="same", activation="relu"),
        L.Conv2D(6, 2, strides=2, padding="same"),
    )


def conv_same_stride_3() -> keras.Model:
    """Same padding at stride 3, the sides of the kernel not equal."""
    return stack(IMAGE, L.Conv2D(4, (3, 5), strides=3, padding="same"))


def conv_dilated() -> keras.Model:
    """Holes, and groups."""
    return stack(
        IMAGE,
        L.Conv2D(4, 3, padding="same", dilation_rate=2, activation="relu"),
        L.Conv2D(6, 3, groups=2),
    )


def conv_square() -> keras.Model:
    """As many filters as inputs, and as many as the kernel has rows: no shape tells the axes."""
    return stack(IMAGE, L.Conv2D(3, 3), L.ReLU(), L.Conv2D(3, 3))


def conv_1d() -> keras.Model:
    """Sequences, same padding at stride 2."""
    return stack(SEQUENCE, L.Conv1D(6, 3, strides=2, padding="same", activation="tanh"))


def conv_1d_causal() -> keras.Model:
    """Sequences, padded on the left only."""
    return stack(SEQUENCE, L.Conv1D(6, 3, padding="causal", activation="relu"))


def conv_3d() -> keras.Model:
    """Volumes."""
    inputs = keras.Input((6, 5, 7, 2))
    x = L.Conv3D(3, 3, activation="relu")(inputs)
    return classified(inputs, L.GlobalAveragePooling3D()(x))


def depthwise() -> keras.Model:
    """A depthwise convolution with a multiplier."""
    return stack(IMAGE, L.DepthwiseConv2D(3, depth_multiplier=2, activation="relu"))


def depthwise_same() -> keras.Model:
    """As in MobileNet: depthwise at stride 2 with same padding, then 1 x 1."""
    return stack(
        IMAGE,
        L.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False),
        L.ReLU(),
        L.Conv2D(6, 1),
    )


def separable() -> keras.Model:
    """A separable convolution."""
    return stack(IMAGE, L.SeparableConv2D(5, 3, padding="same", activation="relu"))


def transposed() -> keras.Model:
    """A transposed convolution, same padding at stride 2."""
    return stack((9, 7, 3), L.Conv2DTranspose(4, 3, strides=2, padding="same"), L.ReLU())


def transposed_valid() -> keras.Model:
    """A transposed convolution, valid padding at stride 2."""
    return stack((9, 7, 3), L.Conv2DTranspose(4, 3, strides=2), L.ReLU())
