"""A Keras program that augments images at the head of its model."""

import keras
import numpy as np
from keras import layers

from keras_impl import Reference


def build():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 255, (48, 12, 10, 3)).astype("float32"), rng.integers(0, 3, 48)
    augmentation = keras.Sequential(
        [
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(0.1),
            layers.RandomZoom(0.2),
            layers.RandomContrast(0.4),
            layers.RandomTranslation((0.0, 0.2), 0.1),
            layers.RandomBrightness((0.0, 0.3)),
        ],
        name="data_augmentation",
    )
    model = keras.Sequential(
        [
            keras.Input((12, 10, 3)),
            augmentation,
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    return Reference(model, x=x, y=y, batch_size=16, epochs=3, validation_split=0.25)
