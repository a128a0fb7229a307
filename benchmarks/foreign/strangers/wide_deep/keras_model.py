"""Wide and deep on a table: one-hot columns beside embeddings, and numbers that are normalised by the data."""

import keras
from keras import layers, regularizers

from keras_impl import Reference

from .data import table

WORK, COUNTRY = 6, 9


def build():
    numbers = keras.Input((3,), name="numbers")
    work = keras.Input((), dtype="int32", name="work")
    country = keras.Input((), dtype="int32", name="country")

    normalization = layers.Normalization(name="normalization")
    normalization.adapt(table()["numbers"])
    scaled = normalization(numbers)

    wide = layers.Concatenate()(
        [
            layers.CategoryEncoding(WORK, output_mode="one_hot")(work),
            layers.CategoryEncoding(COUNTRY, output_mode="one_hot")(country),
        ]
    )
    deep = layers.Concatenate()(
        [
            scaled,
            layers.Embedding(WORK, 3, name="work_embedding")(work),
            layers.Embedding(COUNTRY, 4, name="country_embedding")(country),
        ]
    )
    for units in (16, 8):
        deep = layers.Dense(
            units, use_bias=False, kernel_regularizer=regularizers.L1L2(l1=1e-3, l2=1e-3)
        )(deep)
        deep = layers.BatchNormalization()(deep)
        deep = layers.ReLU()(deep)
        deep = layers.Dropout(0.1)(deep)
    outputs = layers.Dense(1, activation="sigmoid", name="income")(
        layers.Concatenate()([wide, deep])
    )
    model = keras.Model({"numbers": numbers, "work": work, "country": country}, outputs)
    model.compile(
        optimizer=keras.optimizers.Nadam(2e-3),
        loss=keras.losses.BinaryCrossentropy(label_smoothing=0.05),
    )
    return Reference(model, class_weight={0: 1.0, 1: 3.0})
