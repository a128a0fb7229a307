"""Other Keras models of the four families."""

import keras
import numpy as np
from keras import layers, ops

from keras_impl import Reference


def compiled(inputs, outputs, loss="mse", **settings):
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.05), loss, **settings)
    return model


def words(steps, width=5, mask=True):
    tokens = keras.Input((steps,), dtype="int32", name="tokens")
    return tokens, layers.Embedding(18, width, mask_zero=mask, name="words")(tokens)


def gated_text():
    """A mask through a Dense layer, a dropout and two directions, one step for each."""
    tokens, x = words(7)
    x = layers.Dense(6, activation="tanh", name="mixed")(x)
    x = layers.Bidirectional(
        layers.SimpleRNN(4, return_sequences=True), merge_mode="ave", name="both"
    )(x)
    x = layers.LSTM(3, name="memory")(x)
    return compiled(
        tokens, layers.Dense(1, activation="sigmoid", name="head")(x), "binary_crossentropy"
    )


def labelled_steps():
    """A class for each step and a masked loss; the metric has the mask, too."""
    tokens, x = words(8)
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both")(x)
    x = layers.Dense(3, name="tags")(x)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return compiled(tokens, x, loss, weighted_metrics=["accuracy"])


def decoder():
    """Causal attention to itself, then to a memory, as in a decoder of translation."""
    x = inputs = keras.Input((5, 6), name="x")
    memory = keras.Input((7, 6), name="memory")
    y = layers.MultiHeadAttention(3, key_dim=2, name="own")(x, x, use_causal_mask=True)
    x = layers.LayerNormalization(name="norm1")(x + y)
    y = layers.MultiHeadAttention(2, key_dim=4, name="other")(x, memory)
    x = layers.LayerNormalization(name="norm2")(x + y)
    return compiled([inputs, memory], layers.Dense(4, name="head")(x))


def pooled():
    """Attention pooling: one learned query for all steps."""
    x = inputs = keras.Input((8, 5), name="x")
    scores = layers.Dense(1, use_bias=False, name="score")(
        layers.Dense(6, activation="tanh", name="hidden")(x)
    )
    share = layers.Softmax(axis=1, name="share")(scores)
    x = ops.sum(share * x, axis=1)
    return compiled(inputs, layers.Dense(3, name="head")(x))


def forecaster():
    """The last state of a GRU is repeated for each step of a decoder."""
    x = inputs = keras.Input((6, 3), name="past")
    x = layers.GRU(5, name="encoder")(x)
    x = layers.RepeatVector(4, name="again")(x)
    x = layers.LSTM(4, return_sequences=True, name="decoder")(x)
    return compiled(inputs, layers.TimeDistributed(layers.Dense(2), name="steps")(x))


def both_states():
    """The states of both directions of an LSTM begin another one."""
    first, second = keras.Input((6, 3), name="first"), keras.Input((5, 3), name="second")
    states = layers.Bidirectional(layers.LSTM(3, return_state=True), name="encoder")(first)
    h = layers.Concatenate(name="h")([states[1], states[3]])
    c = layers.Concatenate(name="c")([states[2], states[4]])
    x = layers.LSTM(6, name="decoder")(second, initial_state=[h, c])
    return compiled([first, second], layers.Dense(2, name="head")(x))


def three_heads():
    inputs = keras.Input((5,), name="x")
    x = layers.Dense(7, activation="relu", name="body")(inputs)
    outputs = {
        "kind": layers.Dense(4, name="kind")(x),
        "flags": layers.Dense(3, activation="sigmoid", name="flags")(x),
        "size": layers.Dense(1, activation="softplus", name="size")(x),
    }
    losses = {
        "kind": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "flags": "binary_crossentropy",
        "size": keras.losses.LogCosh(),
    }
    return compiled(inputs, outputs, losses, loss_weights={"kind": 1.0, "flags": 2.0, "size": 0.5})


def centred():
    """An added loss that keeps the mean of a code near zero, with weights of samples."""
    inputs = keras.Input((6,), name="x")
    code = layers.Dense(4, name="code")(inputs)
    code = Centre(name="centre")(code)
    model = compiled(inputs, layers.Dense(2, name="head")(code), "mae")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 6)), rng.normal(size=(40, 2))
    return Reference(model, x=x, y=y, sample_weight=rng.uniform(0.2, 3, 40))


class Centre(layers.Layer):
    def call(self, x):
        self.add_loss(0.3 * ops.sum(ops.square(ops.mean(x, axis=0))))
        return x
