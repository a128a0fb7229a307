"""Video classification with a CNN-RNN architecture."""

import keras
from keras import layers

from keras_impl import Input, Reference

MAX_SEQ_LENGTH, CLASSES = 5, 4


def build_feature_extractor():
    inputs = keras.Input((12, 10, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = layers.Conv2D(6, 3, strides=2, activation="relu")(x)
    x = layers.Conv2D(8, 3, activation="relu")(x)
    outputs = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, outputs, name="feature_extractor")


def build():
    frames_input = keras.Input((MAX_SEQ_LENGTH, 12, 10, 3), name="frames")
    mask_input = keras.Input((MAX_SEQ_LENGTH,), dtype="bool", name="mask")
    features = layers.TimeDistributed(build_feature_extractor())(frames_input)
    x = layers.GRU(8, return_sequences=True)(features, mask=mask_input)
    x = layers.GRU(6)(x)
    x = layers.Dropout(0.4)(x)
    x = layers.Dense(8, activation="relu")(x)
    output = layers.Dense(CLASSES, activation="softmax")(x)
    rnn_model = keras.Model([frames_input, mask_input], output)
    rnn_model.compile(
        loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"]
    )
    return Reference(
        rnn_model,
        inputs={
            "frames": Input(kind="numbers", range=(0, 255)),
            "mask": Input(kind="booleans"),
        },
    )
