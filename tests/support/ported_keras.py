"""Keras programs of which ports are written."""

import keras
from keras import layers as L

import keras_impl


def images():
    """What `train.py` has to repeat: dropout, moving statistics, a penalty, a rate that is cut."""
    model = keras.Sequential(
        [
            L.Input((12, 12, 1)),
            L.Conv2D(4, 3, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-3)),
            L.MaxPooling2D(),
            L.Dropout(0.25),
            L.Conv2D(4, 3, strides=2, padding="same", use_bias=False),
            L.BatchNormalization(),
            L.ReLU(),
            L.Flatten(),
            L.Dense(10, activation="softmax"),
        ],
        name="small_net",
    )
    model.compile(
        keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    plateau = keras.callbacks.ReduceLROnPlateau(patience=1, min_delta=10.0)
    return keras_impl.Reference(model, callbacks=[plateau], epochs=3, batch_size=16)


def two_heads():
    """Two losses with weights, and a callback that no port can have."""
    x = inputs = L.Input((7,), name="features")
    x = L.Dense(6, activation="tanh", kernel_initializer="he_normal")(x)
    ends = {
        "kind": L.Dense(3, activation="softmax", name="kind")(x),
        "size": L.Dense(1, name="size")(x),
    }
    model = keras.Model(inputs, ends)
    model.compile(
        keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9), 0.9),
        loss={"kind": "sparse_categorical_crossentropy", "size": keras.losses.Huber(0.5)},
        loss_weights={"kind": 1.0, "size": 0.25},
    )
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)
    return keras_impl.Reference(model, callbacks=[callback])


@keras.saving.register_keras_serializable(package="tests")
class Patches(keras.layers.Layer):
    """A layer of the user's own."""

    def call(self, x):
        return x[:, ::2]


def of_ones_own():
    model = keras.Sequential([L.Input((8,)), Patches(name="patches"), L.Dense(2)])
    model.compile("sgd", "mse")
    return model
