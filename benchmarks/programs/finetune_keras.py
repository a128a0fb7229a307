"""Five kinds of images; the first block is frozen, normalisation included."""

import keras
import numpy as np
from keras import layers

from keras_impl import Reference

NUM_CLASSES = 5


def make_data(count, seed):
    patterns = np.random.default_rng(60).normal(size=(NUM_CLASSES, 8, 8, 2))
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, NUM_CLASSES, count)
    x = 0.6 * patterns[labels] + rng.normal(size=(count, 8, 8, 2))
    redrawn = rng.random(count) < 0.1
    labels = np.where(redrawn, rng.integers(0, NUM_CLASSES, count), labels)
    weights = rng.choice([0.5, 1.0, 2.0], count)
    y = np.eye(NUM_CLASSES)[labels]
    return x.astype("float32"), y.astype("float32"), weights.astype("float32")


x_train, y_train, w_train = make_data(320, seed=61)
validation = make_data(40, seed=62)


def build():
    inputs = keras.Input((8, 8, 2))
    stem = [
        layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem_conv"),
        layers.BatchNormalization(name="stem_bn"),
    ]
    h = inputs
    for layer in stem:
        layer.trainable = False
        h = layer(h)
    h = layers.ReLU()(h)
    h = layers.Conv2D(10, 3, strides=2, padding="same", use_bias=False)(h)
    h = layers.BatchNormalization(momentum=0.9)(h)
    h = layers.ReLU()(h)
    h = layers.Conv2D(10, 3, padding="same")(h)
    h = layers.ReLU()(h)
    h = layers.GlobalAveragePooling2D()(h)
    h = layers.Dropout(0.25)(h)
    outputs = layers.Dense(NUM_CLASSES, activation="softmax")(h)
    model = keras.Model(inputs, outputs)
    rate = keras.optimizers.schedules.CosineDecay(0.01, decay_steps=280, alpha=0.05)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=rate),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
        metrics=["accuracy"],
        weighted_metrics=["accuracy"],
    )
    return Reference(
        model,
        x=x_train,
        y=y_train,
        sample_weight=w_train,
        validation_data=validation,
        batch_size=16,
        epochs=14,
        callbacks=[
            keras.callbacks.EarlyStopping(
                monitor="val_accuracy", mode="max", patience=10, restore_best_weights=True
            )
        ],
    )
