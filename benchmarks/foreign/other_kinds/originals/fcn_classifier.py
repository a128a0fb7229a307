"""Timeseries classification from scratch: a fully convolutional net on engine noise."""

import keras

num_classes = 3


def make_model(input_shape):
    input_layer = keras.layers.Input(input_shape)

    x = keras.layers.Conv1D(filters=6, kernel_size=3, padding="same")(input_layer)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU()(x)

    x = keras.layers.Conv1D(filters=6, kernel_size=3, padding="same")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU()(x)

    x = keras.layers.Conv1D(filters=6, kernel_size=3, padding="same")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU()(x)

    gap = keras.layers.GlobalAveragePooling1D()(x)
    output_layer = keras.layers.Dense(num_classes, activation="softmax")(gap)
    return keras.models.Model(inputs=input_layer, outputs=output_layer)


def build():
    from keras_impl import Reference

    model = make_model((20, 1))
    model.compile(
        optimizer="adam",
        loss="sparse_categorical_crossentropy",
        metrics=["sparse_categorical_accuracy"],
    )
    callbacks = [
        keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=4, min_lr=1e-4),
        keras.callbacks.EarlyStopping(monitor="val_loss", patience=8, verbose=1),
    ]
    return Reference(model, callbacks=callbacks)
