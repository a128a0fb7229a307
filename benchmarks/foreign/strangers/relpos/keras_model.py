"""Attention with learned relative positions (T5): no scale, RMS normalisation, gated feed-forward."""

import keras
from keras import layers, ops

LENGTH, FEATURES, DIM, HEADS = 9, 4, 12, 3


class RelativeAttention(layers.Layer):
    def __init__(self, dim, heads, max_distance, **kwargs):
        super().__init__(**kwargs)
        self.dim, self.heads, self.max_distance = dim, heads, max_distance
        self.q = layers.Dense(dim, use_bias=False, kernel_initializer="he_normal")
        self.k = layers.Dense(dim, use_bias=False, kernel_initializer="he_normal")
        self.v = layers.Dense(dim, use_bias=False, kernel_initializer="he_normal")
        self.o = layers.Dense(dim, use_bias=False, kernel_initializer="he_normal")

    def build(self, input_shape):
        self.relative_bias = self.add_weight(
            name="relative_bias",
            shape=(2 * self.max_distance + 1, self.heads),
            initializer=keras.initializers.RandomNormal(stddev=0.3),
        )
        for layer in (self.q, self.k, self.v, self.o):
            layer.build((None, None, self.dim))

    def call(self, x):
        length = ops.shape(x)[1]
        heads = (-1, length, self.heads, self.dim // self.heads)
        q, k, v = (ops.reshape(layer(x), heads) for layer in (self.q, self.k, self.v))
        steps = ops.arange(length)
        distance = ops.clip(steps[None, :] - steps[:, None], -self.max_distance, self.max_distance)
        bias = ops.take(self.relative_bias, distance + self.max_distance, axis=0)
        scores = ops.einsum("bqhd,bkhd->bhqk", q, k) + ops.transpose(bias, (2, 0, 1))[None]
        out = ops.einsum("bhqk,bkhd->bqhd", ops.softmax(scores, axis=-1), v)
        return self.o(ops.reshape(out, (-1, length, self.dim)))


class GatedFeedForward(layers.Layer):
    def __init__(self, dim, hidden, **kwargs):
        super().__init__(**kwargs)
        self.gate = layers.Dense(hidden, use_bias=False)
        self.up = layers.Dense(hidden, use_bias=False)
        self.down = layers.Dense(dim, use_bias=False)

    def call(self, x):
        return self.down(ops.gelu(self.gate(x)) * self.up(x))


def build():
    inputs = keras.Input((LENGTH, FEATURES))
    x = layers.Dense(DIM)(inputs)
    for _ in range(2):
        x = x + RelativeAttention(DIM, HEADS, max_distance=4)(layers.RMSNormalization()(x))
        x = x + layers.Dropout(0.1)(GatedFeedForward(DIM, 18)(layers.RMSNormalization()(x)))
    x = layers.RMSNormalization()(x)
    x = layers.GlobalMaxPooling1D()(x)
    outputs = layers.Dense(2)(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.SGD(0.02, momentum=0.9), loss=keras.losses.Huber(delta=0.5)
    )
    return model
