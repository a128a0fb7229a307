"""Keras models with random layers of images at their head."""

from __future__ import annotations

from typing import Any

from benchmarks.held_out.keras_side import keras, keras_sequential, layers

SIZE = (24, 20)
_CONSTANT = {"fill_mode": "constant"}


def _built(*head: Any, channels: int = 3) -> Any:
    model = keras_sequential(
        keras.Input((*SIZE, channels)),
        *head,
        layers.Conv2D(4, 3, activation="relu", name="features"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3, name="classes"),
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    return model


def _bytes() -> Any:
    return layers.Rescaling(1 / 255)


def flipped() -> Any:
    """Left and right are exchanged in half of the images."""
    return _built(layers.RandomFlip("horizontal"), _bytes())


def turned() -> Any:
    """The usual head of the examples of Keras, in a model of its own."""
    parts = [layers.RandomFlip("horizontal"), layers.RandomRotation(0.1), layers.RandomZoom(0.2)]
    return _built(keras_sequential(*parts, name="data_augmentation"), _bytes())


def turned_on_black() -> Any:
    """What is outside of an image is black, as torchvision does it."""
    return _built(
        layers.RandomFlip("horizontal"), layers.RandomRotation(0.1, **_CONSTANT), _bytes()
    )


def shifted() -> Any:
    """Grey images are moved, behind their scaling."""
    move = layers.RandomTranslation(0.1, 0.2, **_CONSTANT)
    return _built(_bytes(), move, channels=1)


def zoomed() -> Any:
    """Height and width by the same factor."""
    return _built(layers.RandomZoom(0.3, **_CONSTANT), _bytes())


def lit() -> Any:
    """Brightness and contrast of pixels from 0 to 255."""
    return _built(layers.RandomBrightness(0.2), layers.RandomContrast(0.4), _bytes())


def signed() -> Any:
    """Black is 0 in front of the scaling, and -1 behind it."""
    turn = layers.RandomRotation(0.1, **_CONSTANT)
    return _built(turn, layers.Rescaling(1 / 127.5, offset=-1.0))


def piped() -> Any:
    """Two layers in a Pipeline."""
    parts = [layers.RandomFlip("vertical"), layers.RandomTranslation(0.1, 0.2, **_CONSTANT)]
    return _built(layers.Pipeline(parts), _bytes())


def cropped() -> Any:
    """A part of each image, at random in training."""
    return _built(layers.RandomCrop(18, 16), _bytes())
