"""Keras models around normalisation, pooling and layers that change shapes."""

from __future__ import annotations

from keras import layers as L

from benchmarks.pairs.factories import factories
from benchmarks.pairs.keras_base import IMAGE, SEQUENCE, stack

globals().update(
    factories(
        # normalisation
        batch_norm=(
            "Convolution without bias, batch normalisation, ReLU.",
            lambda: stack(IMAGE, L.Conv2D(4, 3, use_bias=False), L.BatchNormalization(), L.ReLU()),
        ),
        batch_norm_dense=(
            "Batch normalisation of features: a batch of one has one value for each.",
            lambda: stack(
                (7,), L.Dense(6), L.BatchNormalization(momentum=0.9, epsilon=1e-4), L.ReLU()
            ),
        ),
        batch_norm_frozen=(
            "A batch normalisation that is not trained.",
            lambda: stack(IMAGE, L.Conv2D(4, 3), L.BatchNormalization(trainable=False), L.ReLU()),
        ),
        batch_norm_plain=(
            "Without gamma, and without either.",
            lambda: stack(
                IMAGE,
                L.Conv2D(4, 3, use_bias=False),
                L.BatchNormalization(scale=False),
                L.ReLU(),
                L.Conv2D(5, 3),
                L.BatchNormalization(center=False, scale=False),
            ),
        ),
        layer_norm=(
            "Layer normalisation of features.",
            lambda: stack((7,), L.Dense(6, activation="tanh"), L.LayerNormalization()),
        ),
        layer_norm_sequence=(
            "Layer normalisation of sequences.",
            lambda: stack(
                SEQUENCE, L.Dense(6, activation="gelu"), L.LayerNormalization(epsilon=1e-6)
            ),
        ),
        group_norm=(
            "Group normalisation of images.",
            lambda: stack(IMAGE, L.Conv2D(6, 3), L.GroupNormalization(groups=3), L.ReLU()),
        ),
        # pooling, shapes
        max_pool=(
            "Valid, on sides of both parities.",
            lambda: stack(IMAGE, L.Conv2D(4, 3), L.MaxPooling2D(2), L.Conv2D(5, 3)),
        ),
        max_pool_same=(
            "Same, kernel 3 at stride 2, of values of both signs.",
            lambda: stack(IMAGE, L.Conv2D(4, 3), L.MaxPooling2D(3, strides=2, padding="same")),
        ),
        average_pool=(
            "Valid.",
            lambda: stack(
                IMAGE, L.Conv2D(4, 3, activation="relu"), L.AveragePooling2D(2), L.Conv2D(5, 3)
            ),
        ),
        average_pool_same=(
            "Same, kernel 3 at stride 2.",
            lambda: stack(
                IMAGE,
                L.Conv2D(4, 3, activation="relu"),
                L.AveragePooling2D(3, strides=2, padding="same"),
            ),
        ),
        pool_1d=(
            "Both pools of sequences.",
            lambda: stack(
                SEQUENCE,
                L.Conv1D(6, 3, activation="relu"),
                L.MaxPooling1D(2),
                L.AveragePooling1D(3, strides=2, padding="same"),
            ),
        ),
        global_max=(
            "A global maximum.",
            lambda: stack(IMAGE, L.Conv2D(6, 3, activation="relu"), L.GlobalMaxPooling2D()),
        ),
        flatten=(
            "The usual end of a small net, its sides not equal.",
            lambda: stack(
                (9, 8, 2),
                L.Conv2D(3, 3, activation="relu"),
                L.MaxPooling2D(2),
                L.Flatten(),
                L.Dense(6, activation="relu"),
            ),
        ),
        flatten_norm=(
            "What has an entry for each feature stands between flatten and dense.",
            lambda: stack(
                (7, 6, 2),
                L.Conv2D(3, 3),
                L.Flatten(),
                L.BatchNormalization(),
                L.Dropout(0.3),
                L.Dense(6),
            ),
        ),
        mlp_square=(
            "Square kernels, which can be transposed by mistake.",
            lambda: stack((6,), L.Dense(6, activation="relu"), L.Dense(6, activation="tanh")),
        ),
        reshaped=(
            "From features to an image.",
            lambda: stack(
                (5,),
                L.Dense(24, activation="relu"),
                L.Reshape((3, 4, 2)),
                L.Conv2D(4, 2, activation="relu"),
            ),
        ),
        padded=(
            "Zeros around, then a border cut off.",
            lambda: stack(
                IMAGE,
                L.ZeroPadding2D(((1, 2), (0, 3))),
                L.Conv2D(4, 3, activation="relu"),
                L.Cropping2D(((2, 1), (1, 0))),
                L.Conv2D(3, 3),
            ),
        ),
        upsampled=(
            "Nearest neighbour.",
            lambda: stack((6, 5, 3), L.Conv2D(4, 2), L.UpSampling2D(2), L.Conv2D(3, 3)),
        ),
        upsampled_bilinear=(
            "Bilinear.",
            lambda: stack(
                (6, 5, 3),
                L.Conv2D(4, 2),
                L.UpSampling2D(2, interpolation="bilinear"),
                L.Conv2D(3, 3),
            ),
        ),
    )
)
