"""Keras programs whose code does what a layer often does: it sets weights, ends in a sigmoid."""

import keras
import tensorflow as tf
from keras import layers as L
from keras import ops

from keras_impl import Input, Reference


def _compiled(model, loss="mean_squared_error"):
    model.compile(keras.optimizers.Adam(0.01), loss)
    return model


class MaskedDense(L.Layer):
    """Its kernel is set to zero in the first row, before it is used."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.inner = L.Dense(4)

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        mask = tf.constant([0.0, 1.0, 1.0, 1.0, 1.0], x.dtype)[:, None]
        self.inner.kernel.assign(self.inner.kernel * mask)
        return self.inner(x)


def set_in_call():
    given = keras.Input((5,))
    return _compiled(keras.Model(given, L.Dense(2)(MaskedDense()(given))))


class Rated(keras.Model):
    """Ends in an operation, and not in a layer."""

    def __init__(self):
        super().__init__()
        self.hidden, self.score = L.Dense(4, activation="tanh"), L.Dense(1)

    def call(self, x):
        return ops.sigmoid(self.score(self.hidden(x)))


def ends_in_code():
    return Reference(_compiled(Rated(), "binary_crossentropy"), inputs=Input((5,)))


def graph_of_operations():
    given = keras.Input((5,))
    return _compiled(
        keras.Model(given, ops.softmax(L.Dense(3)(given))), "sparse_categorical_crossentropy"
    )


class Places(L.Layer):
    """A table of nine places, and no more."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.words, self.places = L.Embedding(11, 4), L.Embedding(9, 4)

    def call(self, tokens):
        return self.words(tokens) + self.places(ops.arange(ops.shape(tokens)[1]))


def nine_places():
    given = keras.Input((None,), dtype="int32")
    return _compiled(keras.Model(given, L.Dense(3)(Places()(given))))


class Chosen(L.Layer):
    """The rows of a batch in another order: the gradient of its input is sparse."""

    def call(self, x):
        return tf.gather(x, tf.range(tf.shape(x)[0])[::-1])


def gathered():
    given = keras.Input((5,))
    return _compiled(keras.Model(given, Chosen()(L.Dense(3)(given))))
