"""MLP-Mixer with a layer of its own, as in the keras.io example."""

import keras
from keras import layers


class MLPMixerLayer(layers.Layer):
    def __init__(self, num_patches, hidden_units, dropout_rate, **kwargs):
        super().__init__(**kwargs)
        self.mlp1 = keras.Sequential(
            [
                layers.Dense(num_patches, activation="silu"),
                layers.Dense(num_patches),
                layers.Dropout(dropout_rate),
            ]
        )
        self.mlp2 = keras.Sequential(
            [
                layers.Dense(hidden_units, activation="silu"),
                layers.Dense(hidden_units),
                layers.Dropout(dropout_rate),
            ]
        )
        self.normalize = layers.LayerNormalization(epsilon=1e-6)

    def build(self, input_shape):
        n, patches, channels = input_shape
        self.mlp1.build((n, channels, patches))
        self.mlp2.build((n, patches, channels))
        self.normalize.build(input_shape)

    def call(self, inputs, training=None):
        x = self.normalize(inputs)  # one normalisation for both halves, as in the example
        x_channels = keras.ops.transpose(x, axes=(0, 2, 1))
        mlp1_outputs = self.mlp1(x_channels, training=training)
        mlp1_outputs = keras.ops.transpose(mlp1_outputs, axes=(0, 2, 1))
        x = mlp1_outputs + inputs
        x_patches = self.normalize(x)
        mlp2_outputs = self.mlp2(x_patches, training=training)
        return x + mlp2_outputs


class Patches(layers.Layer):
    def __init__(self, patch_size, **kwargs):
        super().__init__(**kwargs)
        self.patch_size = patch_size

    def call(self, x):
        p = self.patch_size
        _, h, w, c = x.shape
        x = keras.ops.reshape(x, (-1, h // p, p, w // p, p, c))
        x = keras.ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return keras.ops.reshape(x, (-1, (h // p) * (w // p), p * p * c))


def build(dim=8, blocks=2):
    inputs = keras.Input((12, 12, 2))
    x = Patches(4, name="patches")(inputs)
    x = layers.Dense(dim, name="patch_embedding")(x)
    for i in range(blocks):
        x = MLPMixerLayer(9, dim, 0.2, name=f"mixer_{i}")(x)
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    x = layers.Dropout(0.3, name="drop")(x)
    outputs = layers.Dense(4, activation="softmax", name="classes")(x)
    model = keras.Model(inputs, outputs, name="mixer")
    model.compile(
        optimizer=keras.optimizers.Adamax(learning_rate=2e-3, weight_decay=1e-2),
        loss=keras.losses.KLDivergence(),
    )
    return model
