"""Keras models with attention: heads, causal and cross attention, blocks, plain scores."""

import keras
from keras import layers


def compiled(inputs, outputs, loss="mse"):
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.05), loss)
    return model


def ending(x, units=3):
    return layers.Dense(units, name="head")(layers.GlobalAveragePooling1D(name="mean")(x))


def narrow():
    """Two heads of three, in a model of eight."""
    x = inputs = keras.Input((7, 8), name="x")
    x = layers.MultiHeadAttention(2, key_dim=3, name="attention")(x, x)
    return compiled(inputs, ending(x))


def pre_norm():
    x = inputs = keras.Input((6, 8), name="x")
    y = layers.LayerNormalization(name="norm1")(x)
    x = x + layers.MultiHeadAttention(4, key_dim=2, name="attention")(y, y)
    y = layers.LayerNormalization(name="norm2")(x)
    y = layers.Dense(12, activation="gelu", name="up")(y)
    x = x + layers.Dense(8, name="down")(y)
    return compiled(inputs, ending(x))


def post_norm():
    x = inputs = keras.Input((6, 8), name="x")
    y = layers.MultiHeadAttention(2, key_dim=4, dropout=0.2, name="attention")(x, x)
    x = layers.LayerNormalization(epsilon=1e-6, name="norm1")(
        x + layers.Dropout(0.2, name="drop1")(y)
    )
    y = layers.Dense(16, activation="relu", name="up")(x)
    y = layers.Dense(8, name="down")(layers.Dropout(0.2, name="drop2")(y))
    x = layers.LayerNormalization(epsilon=1e-6, name="norm2")(
        x + layers.Dropout(0.2, name="drop3")(y)
    )
    return compiled(inputs, ending(x))


class Positions(layers.Layer):
    def build(self, shape):
        self.table = self.add_weight(shape=shape[1:], initializer="random_normal", name="table")

    def call(self, x):
        return x + self.table

    def compute_output_shape(self, shape):
        return shape


def language():
    tokens = keras.Input((7,), dtype="int32", name="tokens")
    x = layers.Embedding(12, 8, name="words")(tokens)
    x = Positions(name="positions")(x * 8**0.5)
    x = x + layers.MultiHeadAttention(2, key_dim=4, name="attention")(x, x, use_causal_mask=True)
    x = layers.Dense(12, name="head")(layers.LayerNormalization(name="norm")(x))
    return compiled(tokens, x, keras.losses.SparseCategoricalCrossentropy(from_logits=True))


def cross():
    """Keys and values of another length and width; values wider than keys."""
    queries, memory = keras.Input((5, 8), name="queries"), keras.Input((9, 6), name="memory")
    x = layers.MultiHeadAttention(2, key_dim=3, value_dim=4, name="cross")(queries, memory)
    x = layers.LayerNormalization(name="norm")(layers.Add(name="add")([queries, x]))
    return compiled([queries, memory], ending(x))


def grouped():
    x = inputs = keras.Input((6, 8), name="x")
    x = layers.GroupQueryAttention(3, 4, 2, name="attention")(x, x)
    return compiled(inputs, ending(x))


def dots():
    """Luong's attention, with its scale learned."""
    a, b = keras.Input((5, 4), name="a"), keras.Input((7, 4), name="b")
    q, k = layers.Dense(6, name="q")(a), layers.Dense(6, name="k")(b)
    v = layers.Dense(5, name="v")(b)
    x = layers.Attention(use_scale=True, name="look")([q, v, k])
    return compiled([a, b], ending(x))


def additive():
    """Bahdanau's attention."""
    a, b = keras.Input((5, 4), name="a"), keras.Input((7, 4), name="b")
    q, v = layers.Dense(6, name="q")(a), layers.Dense(6, name="v")(b)
    x = layers.AdditiveAttention(name="look")([q, v])
    return compiled([a, b], ending(x))


def concatenated():
    """The output of attention beside its query, as in a decoder of translation."""
    x = inputs = keras.Input((6, 5), name="x")
    h = layers.GRU(6, return_sequences=True, name="memory")(x)
    y = layers.Attention(name="look")([h, h])
    y = layers.Concatenate(name="both")([y, h])
    return compiled(inputs, layers.Dense(2, activation="tanh", name="head")(y))
