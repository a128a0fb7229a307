"""A classifier of short token sequences: embedding, LSTM, GRU."""

import keras
import numpy as np
from keras import layers, regularizers

from keras_impl import Reference

VOCABULARY, LENGTH, NUM_CLASSES = 60, 12, 6


def make_data(count, seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, NUM_CLASSES, count)
    x = rng.integers(0, VOCABULARY, (count, LENGTH))
    for row, label in enumerate(y):  # four positions name the class by one of its five words
        places = rng.choice(LENGTH, 4, replace=False)
        x[row, places] = 10 + 5 * label + rng.integers(0, 5, 4)
    redrawn = rng.random(count) < 0.15
    y = np.where(redrawn, rng.integers(0, NUM_CLASSES, count), y)
    return x.astype("int32"), y.astype("int64")


x_train, y_train = make_data(300, seed=21)
x_val, y_val = make_data(100, seed=22)


def build():
    model = keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="int32"),
            layers.Embedding(VOCABULARY, 8, embeddings_regularizer=regularizers.L2(1e-4)),
            layers.LSTM(12, return_sequences=True),
            layers.GRU(10),
            layers.Dropout(0.3),
            layers.Dense(NUM_CLASSES, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.RMSprop(learning_rate=0.005),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(k=2, name="top2")],
    )
    return Reference(
        model,
        x=x_train,
        y=y_train,
        validation_data=(x_val, y_val),
        batch_size=12,
        epochs=25,
        callbacks=[
            keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)
        ],
    )
