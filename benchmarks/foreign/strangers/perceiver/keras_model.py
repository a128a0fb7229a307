"""Perceiver-like: learned latents look at a sequence with gaps, and one transformer is applied twice."""

import keras
from keras import layers, ops

LENGTH, FEATURES, LATENTS, DIM, HEADS, CLASSES = 7, 5, 4, 12, 2, 3


class LatentArray(layers.Layer):
    def __init__(self, latents, dim, **kwargs):
        super().__init__(**kwargs)
        self.count, self.dim = latents, dim

    def build(self, input_shape):
        self.latents = self.add_weight(
            name="latents",
            shape=(self.count, self.dim),
            initializer=keras.initializers.RandomNormal(stddev=0.5),
        )

    def call(self, inputs):
        return ops.tile(self.latents[None], [ops.shape(inputs)[0], 1, 1])


def feed_forward(dim, name):
    inputs = keras.Input((None, dim))
    x = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm")(inputs)
    x = layers.Dense(2 * dim, activation="silu", name=f"{name}_up")(x)
    x = layers.Dense(dim, name=f"{name}_down")(x)
    return keras.Model(inputs, layers.Add()([x, inputs]), name=name)


def latent_transformer():
    inputs = keras.Input((LATENTS, DIM))
    x = layers.LayerNormalization(epsilon=1e-5, name="self_norm")(inputs)
    x = layers.MultiHeadAttention(HEADS, DIM // HEADS, name="self_attention")(x, x)
    x = layers.Add()([x, inputs])
    return keras.Model(inputs, feed_forward(DIM, "self_ffn")(x), name="latent_transformer")


def build():
    sequence = keras.Input((LENGTH, FEATURES), name="sequence")
    present = keras.Input((LENGTH,), dtype="bool", name="present")
    latents = LatentArray(LATENTS, DIM, name="latent_array")(sequence)
    keys = layers.LayerNormalization(epsilon=1e-5, name="input_norm")(sequence)
    queries = layers.LayerNormalization(epsilon=1e-5, name="latent_norm")(latents)
    x = layers.MultiHeadAttention(HEADS, key_dim=8, name="cross_attention")(
        queries, keys, attention_mask=present[:, None, :]
    )
    x = layers.Add()([x, latents])
    x = feed_forward(DIM, "cross_ffn")(x)
    transformer = latent_transformer()
    for _ in range(2):
        x = transformer(x)
    x = layers.LayerNormalization(epsilon=1e-5, name="final_norm")(x)
    x = layers.GlobalAveragePooling1D()(x)
    outputs = layers.Dense(CLASSES, activation="softmax", name="classes")(x)
    model = keras.Model([sequence, present], outputs)
    model.compile(
        optimizer=keras.optimizers.AdamW(2e-3, weight_decay=1e-3, clipnorm=0.2),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
    )
    return model
