"""Keras programs of which ports are written."""

import math
from functools import partial

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L
from keras import ops

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
    stop = keras.callbacks.EarlyStopping("loss", patience=2, restore_best_weights=True)
    return keras_impl.Reference(model, callbacks=[stop, callback])


class Gated(L.Layer):
    """A layer of the user's own, of which no config can be made: it holds a function."""

    def __init__(self, units, squash, scale=2.0, **options):
        super().__init__(**options)
        self.units, self.squash, self.scale = units, squash, scale

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")
        self.gate = self.add_weight(
            shape=(shape[-1], self.units), initializer="he_normal", name="gate"
        )
        self.shift = self.add_weight(shape=(self.units,), initializer="ones", name="offset")

    def call(self, x):
        return self.scale * self.squash(x @ self.kernel + self.shift) * tf.sigmoid(x @ self.gate)


class Residual(L.Layer):
    """A layer of the user's own with layers of Keras, and one more of the user's, inside."""

    def __init__(self, width, **options):
        super().__init__(**options)
        self.norm = L.LayerNormalization()
        self.wide = L.Dense(2 * width, activation="relu")
        self.drop = L.Dropout(0.5)
        self.back = [Gated(width, ops.tanh)]
        self.share = self.add_weight(shape=(), initializer="ones", name="share")

    def call(self, x):
        return tf.add(x, self.share * self.back[0](self.drop(self.wide(self.norm(x)))))


def bent(x):
    return ops.tanh(x) * x


def cubic(y, p):
    """Calls TensorFlow, so that it is not written out."""
    return tf.reduce_mean(tf.abs(y - p) ** 3, axis=-1)


def of_ones_own():
    """Layers, an activation, a Lambda and a loss of the user's own."""
    model = keras.Sequential(
        [
            L.Input((8,)),
            L.Dense(6, activation=bent, name="wide"),
            Gated(5, ops.tanh, name="first"),
            Gated(3, ops.tanh, name="second"),
            Residual(3, name="residual"),
            L.Lambda(lambda x: tf.multiply(x, 2), name="doubled"),
            L.Dense(2),
        ],
        name="own_net",
    )
    model.compile("sgd", cubic)
    return model


class Placed(L.Layer):
    """Adds an embedding of positions to that of tokens, as most transformers of text do.

    It has a weight of its own that scales what it adds.
    """

    def __init__(self, **options):
        super().__init__(**options)
        self.tokens, self.places = L.Embedding(11, 6), L.Embedding(9, 6)
        self.scale = self.add_weight(shape=(6,), initializer="he_normal", name="gain")

    def call(self, x):
        return self.tokens(x) + self.places(ops.arange(0, ops.shape(x)[-1], 1)) * self.scale


def placed():
    """A layer that is called on positions, which no batch has, and that has a weight."""
    model = keras.Sequential(
        [
            L.Input((7,), dtype="int32"),
            Placed(name="placed"),
            L.LayerNormalization(),
            L.GlobalAveragePooling1D(),
            L.Dense(3, activation="softmax"),
        ],
        name="placed_net",
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def contrastive(margin):
    def contrastive_loss(y_true, y_pred):
        square_pred = ops.square(y_pred)
        margin_square = ops.square(ops.maximum(margin - y_pred, 0))
        return ops.mean((1 - y_true) * square_pred + y_true * margin_square)

    return contrastive_loss


class Pinball(keras.losses.Loss):
    """A loss with numbers of its own, which computes a value for each sample."""

    def __init__(self, quantiles):
        super().__init__(name="pinball")
        self.quantiles = quantiles

    def call(self, y_true, y_pred):
        err = ops.expand_dims(y_true, -1) - y_pred
        q = ops.convert_to_tensor(self.quantiles, dtype=err.dtype)
        return ops.mean(ops.maximum(q * err, (q - 1.0) * err), axis=(1, 2))


def own_losses(*, is_weighted=True):
    """Two outputs with losses of the user's own, whose code only calls operations."""
    x = inputs = L.Input((6,))
    x = L.Dense(8, activation="tanh")(x)
    same = L.Dense(1, activation="sigmoid", name="same")(x)
    load = L.Reshape((4, 3), name="load")(L.Dense(12)(x))
    model = keras.Model(inputs, {"same": same, "load": load})
    losses = {"same": contrastive(0.8), "load": Pinball([0.1, 0.5, 0.9])}
    model.compile("adam", losses, loss_weights={"same": 1.0, "load": 0.5})
    draw = np.random.default_rng(0)
    return keras_impl.Reference(
        model,
        x=draw.normal(size=(16, 6)),
        y={"same": draw.integers(0, 2, 16), "load": draw.normal(size=(16, 4))},
        sample_weight=draw.uniform(0.5, 2, 16) if is_weighted else None,
        batch_size=8,
    )


own_losses_without_weights = partial(own_losses, is_weighted=False)


def cast_loss():
    """The loss names float32, and holds a loss of Keras that was made in float32."""

    def masked(y_true, y_pred):
        y_true = ops.cast(y_true, "float32")
        is_told = ops.cast(ops.not_equal(y_true, -1.0), "float32")
        squares = ops.sum(is_told * ops.square(y_true - y_pred), axis=-1)
        whole = keras.losses.MeanSquaredError(dtype="float32")
        return squares / (ops.sum(is_told, axis=-1) + 1e-6) + whole(y_true, y_pred)

    model = keras.Sequential([L.Input((6,)), L.Dense(3)])
    model.compile("sgd", masked)
    draw = np.random.default_rng(0)
    y = np.where(draw.random((16, 3)) < 0.3, -1, draw.normal(size=(16, 3)))
    return keras_impl.Reference(model, x=draw.normal(size=(16, 6)), y=y, batch_size=8)


RATES = {0: 0.1, 2: 0.02}


def stepped(epoch, lr):
    if epoch % 4 in (1, 3):  # half of them
        return lr * math.exp(-0.1)
    return RATES[epoch % 4]


def masked_loss():
    """Steps that the mask of an embedding leaves out do not count; the rate is a function's."""

    def squares(y_true, y_pred):
        return ops.mean(ops.square(y_true - y_pred), axis=-1)

    tokens = L.Input((5,), dtype="int32")
    x = L.Embedding(7, 4, mask_zero=True)(tokens)
    model = keras.Model(tokens, L.LSTM(3, return_sequences=True)(x))
    model.compile("sgd", squares)
    return keras_impl.Reference(model, callbacks=[keras.callbacks.LearningRateScheduler(stepped)])
