"""Layers that move entries: other shapes, borders, and larger images."""

from __future__ import annotations

from benchmarks.public_layers.setting import (
    FEATURES,
    IMAGES,
    SEQUENCES,
    VOLUMES,
    Given,
    settings,
)

SETTINGS = [
    *settings("Flatten", IMAGES, {}),
    *settings("Flatten", FEATURES, {}),
    *settings("Reshape", IMAGES, {"target_shape": (-1, 3, 8)}, {"target_shape": (120,)}),
    *settings("Permute", IMAGES, {"dims": (3, 1, 2)}, {"dims": (2, 1, 3)}),
    *settings("Permute", SEQUENCES, {"dims": (2, 1)}),
    *settings("RepeatVector", FEATURES, {"n": 3}),
    *settings("ZeroPadding1D", SEQUENCES, {}, {"padding": 2}, {"padding": (1, 2)}),
    *settings(
        "ZeroPadding2D",
        IMAGES,
        {},
        {"padding": 2},
        {"padding": (1, 2)},
        {"padding": ((1, 2), (0, 3))},
    ),
    *settings(
        "ZeroPadding3D",
        VOLUMES,
        {"padding": 1},
        {"padding": (1, 2, 0)},
        {"padding": ((1, 2), (0, 3), (1, 0))},
    ),
    *settings("Cropping1D", SEQUENCES, {}, {"cropping": 2}, {"cropping": (2, 0)}),
    *settings(
        "Cropping2D",
        IMAGES,
        {},
        {"cropping": 1},
        {"cropping": (2, 1)},
        {"cropping": ((1, 2), (0, 3))},
    ),
    *settings(
        "Cropping3D",
        VOLUMES,
        {"cropping": 1},
        {"cropping": (1, 2, 0)},
        {"cropping": ((1, 0), (2, 1), (0, 1))},
    ),
    *settings("UpSampling1D", SEQUENCES, {}, {"size": 3}),
    *settings(
        "UpSampling2D",
        IMAGES,
        {},
        {"size": (2, 3)},
        {"size": 2, "interpolation": "bilinear"},
        {"size": (3, 2), "interpolation": "bicubic"},
        {"size": 2, "interpolation": "lanczos3"},
        {"size": 2, "interpolation": "lanczos5"},
    ),
    *settings("UpSampling3D", VOLUMES, {}, {"size": (1, 2, 3)}),
    *settings("Flatten", Given(SEQUENCES, is_masked=True), {}),
]
