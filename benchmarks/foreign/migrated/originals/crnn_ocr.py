"""CRNN for captchas: convolutions, columns as steps, recurrent layers, one character per step."""

import keras
from keras import layers

CHARS = 11


def build():
    image = keras.Input((12, 24, 1), name="image")
    x = layers.Conv2D(
        5, 3, padding="same", activation="relu", kernel_initializer="he_normal", name="Conv1"
    )(image)
    x = layers.MaxPooling2D((2, 2), name="pool1")(x)
    x = layers.Conv2D(6, (3, 3), padding="same", use_bias=False, name="Conv2")(x)
    x = layers.BatchNormalization(scale=False, name="bn2")(x)
    x = layers.Activation("relu", name="relu2")(x)
    x = layers.MaxPooling2D((2, 2), name="pool2")(x)  # (3, 6, 6)
    x = layers.Permute((2, 1, 3), name="columns")(x)  # width first
    x = layers.Reshape((6, 18), name="steps")(x)
    x = layers.Dense(8, activation="relu", name="dense1")(x)
    x = layers.Dropout(0.2, name="drop")(x)
    x = layers.Bidirectional(layers.GRU(5, return_sequences=True), merge_mode="sum", name="bigru")(
        x
    )
    x = layers.LSTM(6, return_sequences=True, go_backwards=True, name="lstm")(x)
    x = layers.TimeDistributed(layers.Dense(CHARS), name="chars")(x)
    model = keras.Model(image, x, name="crnn")
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3, amsgrad=True, clipvalue=0.02),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["sparse_categorical_accuracy"],
    )
    return model
