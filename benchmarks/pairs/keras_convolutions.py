"""Keras models around one kind of convolution each."""

from __future__ import annotations

import keras
from keras import layers as L

from benchmarks.pairs.factories import factories
from benchmarks.pairs.keras_base import IMAGE, SEQUENCE, classified, stack


def conv_3d() -> keras.Model:
    """Volumes."""
    inputs = keras.Input((6, 5, 7, 2))
    x = L.Conv3D(3, 3, activation="relu")(inputs)
    return classified(inputs, L.GlobalAveragePooling3D()(x))


globals().update(
    factories(
        conv_valid=(
            "3 x 3, valid, with a ReLU.",
            lambda: stack(IMAGE, L.Conv2D(4, 3, activation="relu")),
        ),
        conv_same=(
            "Same padding at stride 1, an odd and an even kernel.",
            lambda: stack(
                IMAGE,
                L.Conv2D(4, 3, padding="same", activation="relu"),
                L.Conv2D(6, 4, padding="same"),
            ),
        ),
        conv_same_stride_2=(
            "Same padding at stride 2.",
            lambda: stack(IMAGE, L.Conv2D(4, 3, strides=2, padding="same", activation="relu")),
        ),
        conv_same_kernel_5=(
            "Same padding at stride 2, kernel 5, then kernel 2.",
            lambda: stack(
                IMAGE,
                L.Conv2D(4, 5, strides=2, padding="same", activation="relu"),
                L.Conv2D(6, 2, strides=2, padding="same"),
            ),
        ),
        conv_same_stride_3=(
            "Same padding at stride 3, the sides of the kernel not equal.",
            lambda: stack(IMAGE, L.Conv2D(4, (3, 5), strides=3, padding="same")),
        ),
        conv_dilated=(
            "Holes, and groups.",
            lambda: stack(
                IMAGE,
                L.Conv2D(4, 3, padding="same", dilation_rate=2, activation="relu"),
                L.Conv2D(6, 3, groups=2),
            ),
        ),
        conv_square=(
            "As many filters as inputs and as the kernel has rows: no shape tells the axes.",
            lambda: stack(IMAGE, L.Conv2D(3, 3), L.ReLU(), L.Conv2D(3, 3)),
        ),
        conv_1d=(
            "Sequences, same padding at stride 2.",
            lambda: stack(SEQUENCE, L.Conv1D(6, 3, strides=2, padding="same", activation="tanh")),
        ),
        conv_1d_causal=(
            "Sequences, padded on the left only.",
            lambda: stack(SEQUENCE, L.Conv1D(6, 3, padding="causal", activation="relu")),
        ),
        depthwise=(
            "A depthwise convolution with a multiplier.",
            lambda: stack(IMAGE, L.DepthwiseConv2D(3, depth_multiplier=2, activation="relu")),
        ),
        depthwise_same=(
            "As in MobileNet: depthwise at stride 2 with same padding, then 1 x 1.",
            lambda: stack(
                IMAGE,
                L.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False),
                L.ReLU(),
                L.Conv2D(6, 1),
            ),
        ),
        separable=(
            "A separable convolution.",
            lambda: stack(IMAGE, L.SeparableConv2D(5, 3, padding="same", activation="relu")),
        ),
        transposed=(
            "A transposed convolution, same padding at stride 2.",
            lambda: stack((9, 7, 3), L.Conv2DTranspose(4, 3, strides=2, padding="same"), L.ReLU()),
        ),
        transposed_valid=(
            "A transposed convolution, valid padding at stride 2.",
            lambda: stack((9, 7, 3), L.Conv2DTranspose(4, 3, strides=2), L.ReLU()),
        ),
    )
)
