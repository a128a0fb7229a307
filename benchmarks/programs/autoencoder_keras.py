"""A convolutional autoencoder of 8 x 8 images with three channels."""

import keras
import numpy as np
from keras import layers

from keras_impl import Reference


def make_data(count=300, seed=41):
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:8, 0:8] / 7.0
    centre = rng.uniform(0.2, 0.8, (count, 2, 1, 1))
    width = rng.uniform(0.15, 0.4, (count, 1, 1))
    distance = (rows - centre[:, 0]) ** 2 + (columns - centre[:, 1]) ** 2
    blob = np.exp(-distance / (2 * width**2))
    colour = rng.uniform(0.2, 1.0, (count, 1, 1, 3))
    images = blob[..., None] * colour + 0.05 * rng.random((count, 8, 8, 3))
    return np.clip(images, 0, 1).astype("float32")


images = make_data()


def schedule(epoch, rate):
    """Constant for eight epochs, then a fifth less in every epoch."""
    return rate if epoch < 8 else rate * 0.8


def build():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(6, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu"),
            layers.UpSampling2D(2),
            layers.Conv2D(3, 3, padding="same", activation="sigmoid"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=0.005),
        loss="mse",
        metrics=["mae", keras.metrics.CosineSimilarity(name="cosine_similarity")],
    )
    return Reference(
        model,
        x=images,
        y=images,
        validation_split=0.2,
        batch_size=16,
        epochs=15,
        callbacks=[keras.callbacks.LearningRateScheduler(schedule)],
    )
