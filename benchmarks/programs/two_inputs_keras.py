"""A rare finding, from an image and five features of a patient."""

import keras
import numpy as np
from keras import layers

from keras_impl import Reference


def make_data(count, seed):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(count, 8, 8, 1))
    features = rng.normal(size=(count, 5))
    y = (rng.random(count) < 0.3).astype("int64")
    images[:, 2:5, 2:5, 0] += 0.45 * y[:, None, None]
    features[:, 0] += 0.7 * y
    features[:, 1] *= 1 + 0.6 * y
    return images.astype("float32"), features.astype("float32"), y


images, features, y = make_data(280, seed=51)
images_val, features_val, y_val = make_data(90, seed=52)


def build():
    image = keras.Input((8, 8, 1), name="image")
    feature = keras.Input((5,), name="features")
    a = layers.Conv2D(6, 3, activation="relu")(image)
    a = layers.MaxPooling2D(2)(a)
    a = layers.Flatten()(a)
    a = layers.Dense(10, activation="relu")(a)
    b = layers.Dense(8, activation="relu")(feature)
    h = layers.Concatenate()([a, b])
    h = layers.Dense(12, activation="relu")(h)
    h = layers.Dropout(0.2)(h)
    output = layers.Dense(1, activation="sigmoid")(h)
    model = keras.Model([image, feature], output)
    model.compile(
        optimizer=keras.optimizers.Nadam(learning_rate=0.004),
        loss="binary_crossentropy",
        metrics=["accuracy", keras.metrics.AUC(name="auc")],
    )
    return Reference(
        model,
        x=[images, features],
        y=y,
        class_weight={0: 1.0, 1: 2.5},
        validation_data=([images_val, features_val], y_val),
        batch_size=20,
        epochs=16,
        callbacks=[
            keras.callbacks.ReduceLROnPlateau(
                monitor="val_auc", mode="max", factor=0.4, patience=2, min_delta=0.002
            )
        ],
    )
