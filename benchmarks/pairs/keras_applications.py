"""Networks of keras.applications, compiled; `python FILE FOLDER` writes their configs as JSON."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras

SHAPE, NUM_CLASSES = (32, 35, 3), 5  # not square, an odd side
# The last of the 121 normalisations see one pixel of smaller images: they divide the differences of
# two or three values by themselves, which amplifies rounding.
LARGER_SHAPE = (64, 67, 3)


def _compiled(build: Any, shape: tuple[int, int, int] = SHAPE) -> keras.Model:
    model = build(weights=None, input_shape=shape, classes=NUM_CLASSES)
    model.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy")
    return model


def VGG16() -> keras.Model:
    """VGG with 16 layers."""
    return _compiled(keras.applications.VGG16)


def ResNet50() -> keras.Model:
    """ResNet with 50 layers, version 1."""
    return _compiled(keras.applications.ResNet50)


def MobileNetV2() -> keras.Model:
    """MobileNet, version 2."""
    return _compiled(keras.applications.MobileNetV2)


def EfficientNetB0() -> keras.Model:
    """The smallest EfficientNet."""
    return _compiled(keras.applications.EfficientNetB0)


def DenseNet121() -> keras.Model:
    """DenseNet with 121 layers."""
    return _compiled(keras.applications.DenseNet121, LARGER_SHAPE)


NETWORKS = (VGG16, ResNet50, MobileNetV2, EfficientNetB0, DenseNet121)

if __name__ == "__main__":
    for network in NETWORKS:
        path = Path(sys.argv[1]) / f"{network.__name__}.json"
        path.write_text(network().to_json(), encoding="utf-8")
