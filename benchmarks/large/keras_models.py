"""Large networks of keras.applications; `python FILE FOLDER NAME ...` writes configs as JSON."""

from __future__ import annotations

import sys
from pathlib import Path

import keras

SHAPE, NUM_CLASSES = (64, 67, 3), 10  # not square, an odd side
RATE = 1e-4


def _compiled(name: str) -> keras.Model:
    build = getattr(keras.applications, name)
    model = build(weights=None, input_shape=SHAPE, classes=NUM_CLASSES)
    model.compile(keras.optimizers.Adam(RATE), "sparse_categorical_crossentropy")
    return model


def ResNet50() -> keras.Model:
    """ResNet with 50 layers, version 1: 23.6 million weights."""
    return _compiled("ResNet50")


def DenseNet121() -> keras.Model:
    """DenseNet with 121 layers: 7.0 million weights."""
    return _compiled("DenseNet121")


def EfficientNetB0() -> keras.Model:
    """The smallest EfficientNet: 4.1 million weights."""
    return _compiled("EfficientNetB0")


if __name__ == "__main__":
    for name in sys.argv[2:]:
        config = _compiled(name).to_json()
        Path(sys.argv[1], f"{name}.json").write_text(config, encoding="utf-8")
