"""Keras models with normalisation, pooling, or layers that change shapes."""

from __future__ import annotations

import numpy as np
from keras import layers as L

from benchmarks.pairs.keras_base import IMAGE, SEQUENCE, stack
from keras_impl import Reference

globals().update(
    # normalisation
    # Convolution without bias, batch normalisation, ReLU.
    batch_norm=lambda: stack(
        IMAGE, L.Conv2D(4, 3, use_bias=False), L.BatchNormalization(), L.ReLU()
    ),
    # Batch normalisation of features: a batch of one sample has one value for each.
    batch_norm_dense=lambda: stack(
        (7,), L.Dense(6), L.BatchNormalization(momentum=0.9, epsilon=1e-4), L.ReLU()
    ),
    # The same with 33 rows: the last batch of each epoch has one.
    batch_norm_of_33_rows=lambda: Reference(
        stack((7,), L.Dense(6), L.BatchNormalization(momentum=0.9, epsilon=1e-4), L.ReLU()),
        x=np.zeros((33, 7)),
        y=np.zeros(33, int),
    ),
    # A batch normalisation that is not trained.
    batch_norm_frozen=lambda: stack(
        IMAGE, L.Conv2D(4, 3), L.BatchNormalization(trainable=False), L.ReLU()
    ),
    # One without gamma, and one without gamma and beta.
    batch_norm_plain=lambda: stack(
        IMAGE,
        L.Conv2D(4, 3, use_bias=False),
        L.BatchNormalization(scale=False),
        L.ReLU(),
        L.Conv2D(5, 3),
        L.BatchNormalization(center=False, scale=False),
    ),
    # Layer normalisation of features.
    layer_norm=lambda: stack((7,), L.Dense(6, activation="tanh"), L.LayerNormalization()),
    # Layer normalisation of sequences.
    layer_norm_sequence=lambda: stack(
        SEQUENCE, L.Dense(6, activation="gelu"), L.LayerNormalization(epsilon=1e-6)
    ),
    # Group normalisation of images.
    group_norm=lambda: stack(IMAGE, L.Conv2D(6, 3), L.GroupNormalization(groups=3), L.ReLU()),
    # pooling, shapes
    # Valid padding, on even and odd sides.
    max_pool=lambda: stack(IMAGE, L.Conv2D(4, 3), L.MaxPooling2D(2), L.Conv2D(5, 3)),
    # Same padding, kernel 3 at stride 2, with values of both signs.
    max_pool_same=lambda: stack(
        IMAGE, L.Conv2D(4, 3), L.MaxPooling2D(3, strides=2, padding="same")
    ),
    average_pool=lambda: stack(
        IMAGE, L.Conv2D(4, 3, activation="relu"), L.AveragePooling2D(2), L.Conv2D(5, 3)
    ),
    # Same padding, kernel 3 at stride 2.
    average_pool_same=lambda: stack(
        IMAGE,
        L.Conv2D(4, 3, activation="relu"),
        L.AveragePooling2D(3, strides=2, padding="same"),
    ),
    # Both pools, for sequences.
    pool_1d=lambda: stack(
        SEQUENCE,
        L.Conv1D(6, 3, activation="relu"),
        L.MaxPooling1D(2),
        L.AveragePooling1D(3, strides=2, padding="same"),
    ),
    # A global maximum.
    global_max=lambda: stack(IMAGE, L.Conv2D(6, 3, activation="relu"), L.GlobalMaxPooling2D()),
    # The usual end of a small network, for an image that is not square.
    flatten=lambda: stack(
        (9, 8, 2),
        L.Conv2D(3, 3, activation="relu"),
        L.MaxPooling2D(2),
        L.Flatten(),
        L.Dense(6, activation="relu"),
    ),
    # A layer with an entry for each feature comes between flatten and dense.
    flatten_norm=lambda: stack(
        (7, 6, 2),
        L.Conv2D(3, 3),
        L.Flatten(),
        L.BatchNormalization(),
        L.Dropout(0.3),
        L.Dense(6),
    ),
    # Square kernels, which can be transposed by mistake.
    mlp_square=lambda: stack((6,), L.Dense(6, activation="relu"), L.Dense(6, activation="tanh")),
    # From features to an image.
    reshaped=lambda: stack(
        (5,),
        L.Dense(24, activation="relu"),
        L.Reshape((3, 4, 2)),
        L.Conv2D(4, 2, activation="relu"),
    ),
    # Zero padding, then cropping.
    padded=lambda: stack(
        IMAGE,
        L.ZeroPadding2D(((1, 2), (0, 3))),
        L.Conv2D(4, 3, activation="relu"),
        L.Cropping2D(((2, 1), (1, 0))),
        L.Conv2D(3, 3),
    ),
    # Nearest neighbour.
    upsampled=lambda: stack((6, 5, 3), L.Conv2D(4, 2), L.UpSampling2D(2), L.Conv2D(3, 3)),
    # Bilinear.
    upsampled_bilinear=lambda: stack(
        (6, 5, 3),
        L.Conv2D(4, 2),
        L.UpSampling2D(2, interpolation="bilinear"),
        L.Conv2D(3, 3),
    ),
)
