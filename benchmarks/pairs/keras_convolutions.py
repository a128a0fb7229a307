"""Keras models with one kind of convolution each."""

from __future__ import annotations

import keras
from keras import layers as L

from benchmarks.pairs.keras_base import IMAGE, SEQUENCE, classified, stack


def conv_3d() -> keras.Model:
    """Convolutions of volumes."""
    inputs = keras.Input((6, 5, 7, 2))
    x = L.Conv3D(3, 3, activation="relu")(inputs)
    return classified(inputs, L.GlobalAveragePooling3D()(x))


globals().update(
    # 3 x 3, valid, with a ReLU.
    conv_valid=lambda: stack(IMAGE, L.Conv2D(4, 3, activation="relu")),
    # Same padding at stride 1, an odd and an even kernel.
    conv_same=lambda: stack(
        IMAGE,
        L.Conv2D(4, 3, padding="same", activation="relu"),
        L.Conv2D(6, 4, padding="same"),
    ),
    # Same padding at stride 2.
    conv_same_stride_2=lambda: stack(
        IMAGE, L.Conv2D(4, 3, strides=2, padding="same", activation="relu")
    ),
    # Same padding at stride 2, kernel 5, then kernel 2.
    conv_same_kernel_5=lambda: stack(
        IMAGE,
        L.Conv2D(4, 5, strides=2, padding="same", activation="relu"),
        L.Conv2D(6, 2, strides=2, padding="same"),
    ),
    # Same padding at stride 3, with a kernel that is not square.
    conv_same_stride_3=lambda: stack(IMAGE, L.Conv2D(4, (3, 5), strides=3, padding="same")),
    # Dilation, and groups.
    conv_dilated=lambda: stack(
        IMAGE,
        L.Conv2D(4, 3, padding="same", dilation_rate=2, activation="relu"),
        L.Conv2D(6, 3, groups=2),
    ),
    # Filters, inputs and kernel rows are equal in number, so that no shape shows the axes.
    conv_square=lambda: stack(IMAGE, L.Conv2D(3, 3), L.ReLU(), L.Conv2D(3, 3)),
    # Sequences, same padding at stride 2.
    conv_1d=lambda: stack(SEQUENCE, L.Conv1D(6, 3, strides=2, padding="same", activation="tanh")),
    # Sequences, padded only on the left.
    conv_1d_causal=lambda: stack(SEQUENCE, L.Conv1D(6, 3, padding="causal", activation="relu")),
    # A depthwise convolution with a multiplier.
    depthwise=lambda: stack(IMAGE, L.DepthwiseConv2D(3, depth_multiplier=2, activation="relu")),
    # As in MobileNet: depthwise at stride 2 with same padding, then 1 x 1.
    depthwise_same=lambda: stack(
        IMAGE,
        L.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False),
        L.ReLU(),
        L.Conv2D(6, 1),
    ),
    # A separable convolution.
    separable=lambda: stack(IMAGE, L.SeparableConv2D(5, 3, padding="same", activation="relu")),
    # A transposed convolution, same padding at stride 2.
    transposed=lambda: stack(
        (9, 7, 3), L.Conv2DTranspose(4, 3, strides=2, padding="same"), L.ReLU()
    ),
    # A transposed convolution, valid padding at stride 2.
    transposed_valid=lambda: stack((9, 7, 3), L.Conv2DTranspose(4, 3, strides=2), L.ReLU()),
)
