"""Keras models with attention, and with the normalisations that come with it."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops
from keras.src.applications import convnext

STEPS, FEATURES, HEADS, SIZE = 5, 8, 2, 4


def _compiled(inputs: Any, y: Any) -> keras.Model:
    outputs = layers.Dense(3, name="head")(layers.GlobalAveragePooling1D()(y))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(1e-3), loss="mse")
    return model


def encoder() -> keras.Model:
    """A block of a transformer with its normalisations behind the sums, and dropout inside."""
    x = keras.Input((STEPS, FEATURES))
    y = layers.MultiHeadAttention(HEADS, SIZE, dropout=0.3, name="attn")(x, x)
    y = layers.LayerNormalization(epsilon=1e-5, name="norm1")(x + y)
    z = layers.Dense(12, activation="relu", name="linear1")(y)
    z = layers.Dense(FEATURES, name="linear2")(z)
    return _compiled(x, layers.LayerNormalization(epsilon=1e-5, name="norm2")(y + z))


def decoder() -> keras.Model:
    """Causal attention with its normalisation in front, by the root of the mean square."""
    x = keras.Input((STEPS, FEATURES))
    y = layers.RMSNormalization(name="norm")(x)
    y = layers.MultiHeadAttention(HEADS, SIZE, name="attn")(y, y, use_causal_mask=True)
    return _compiled(x, x + y)


def cross() -> keras.Model:
    """Query, value and key of different features; heads of 3, for a key of other steps."""
    q, v, k = keras.Input((STEPS, 6)), keras.Input((4, 5)), keras.Input((4, 5))
    y = layers.MultiHeadAttention(HEADS, 3, name="attn")(q, v, key=k)
    return _compiled([q, v, k], q + y)


def masked() -> keras.Model:
    """Of each sample, the step with the least number is hidden."""
    x, m = keras.Input((STEPS, FEATURES)), keras.Input((STEPS,))
    shown = ops.expand_dims(ops.greater(m, ops.min(m, axis=-1, keepdims=True)), 1)
    y = layers.MultiHeadAttention(HEADS, SIZE, name="attn")(x, x, attention_mask=shown)
    return _compiled([x, m], x + y)


def grouped() -> keras.Model:
    """Four heads of the query share two of key and value."""
    x = keras.Input((STEPS, FEATURES))
    y = layers.GroupQueryAttention(3, 4, 2, name="attn")(x, x)
    return _compiled(x, x + y)


def scaled() -> keras.Model:
    """A residual block of ConvNeXt without its convolution: normalisation, two layers, a scale."""
    x = keras.Input((STEPS, FEATURES))
    y = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    y = layers.Dense(16, activation="gelu", name="fc1")(y)
    y = layers.Dense(FEATURES, name="fc2")(y)
    y = convnext.LayerScale(0.1, FEATURES, name="ls")(y)
    return _compiled(x, x + y)


def dropped() -> keras.Model:
    """The same with stochastic depth, which drops whole samples."""
    x = keras.Input((STEPS, FEATURES))
    y = layers.Dense(FEATURES, activation="gelu", name="fc1")(x)
    y = convnext.StochasticDepth(0.4)(convnext.LayerScale(0.1, FEATURES, name="ls")(y))
    return _compiled(x, x + y)


def norms() -> keras.Model:
    """Groups of channels, each channel by itself, and the root of the mean square."""
    x = keras.Input((6, 5, 4))
    y = layers.GroupNormalization(2, name="groups")(x)
    y = layers.Conv2D(4, 2, name="conv")(y)
    y = layers.Activation("relu")(layers.GroupNormalization(-1, name="instance")(y))
    y = layers.RMSNormalization(name="rms")(layers.GlobalAveragePooling2D()(y))
    return _compiled(x, layers.Reshape((1, 4))(y))
