"""The gMLP model: spatial gating units."""

import keras
from keras import layers


@keras.saving.register_keras_serializable(package="gmlp")
class Patches(layers.Layer):
    def __init__(self, patch_size, **kwargs):
        super().__init__(**kwargs)
        self.patch_size = patch_size

    def call(self, x):
        patches = keras.ops.image.extract_patches(x, self.patch_size)
        shape = keras.ops.shape(patches)
        return keras.ops.reshape(patches, (shape[0], shape[1] * shape[2], shape[3]))

    def get_config(self):
        config = super().get_config()
        config.update({"patch_size": self.patch_size})
        return config


@keras.saving.register_keras_serializable(package="gmlp")
class gMLPLayer(layers.Layer):
    def __init__(self, num_patches, embedding_dim, dropout_rate, **kwargs):
        super().__init__(**kwargs)
        self.num_patches = num_patches
        self.embedding_dim = embedding_dim
        self.dropout_rate = dropout_rate
        self.channel_projection1 = keras.Sequential(
            [
                layers.Dense(units=embedding_dim * 2, activation="gelu", name="hidden"),
                layers.Dropout(rate=dropout_rate),
            ],
            name="channel_projection1",
        )
        self.channel_projection2 = layers.Dense(units=embedding_dim, name="channel_projection2")
        self.spatial_projection = layers.Dense(
            units=num_patches, bias_initializer="Ones", name="spatial_projection"
        )
        self.normalize1 = layers.LayerNormalization(epsilon=1e-6, name="normalize1")
        self.normalize2 = layers.LayerNormalization(epsilon=1e-6, name="normalize2")

    def spatial_gating_unit(self, x):
        u, v = keras.ops.split(x, indices_or_sections=2, axis=2)
        v = self.normalize2(v)
        v_channels = keras.ops.transpose(v, axes=(0, 2, 1))
        v_projected = self.spatial_projection(v_channels)
        v_projected = keras.ops.transpose(v_projected, axes=(0, 2, 1))
        return u * v_projected

    def call(self, inputs):
        x = self.normalize1(inputs)
        x_projected = self.channel_projection1(x)
        x_spatial = self.spatial_gating_unit(x_projected)
        x_projected = self.channel_projection2(x_spatial)
        return x + x_projected

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "num_patches": self.num_patches,
                "embedding_dim": self.embedding_dim,
                "dropout_rate": self.dropout_rate,
            }
        )
        return config


def build():
    inputs = layers.Input(shape=(12, 8, 3))
    x = Patches(4, name="patches")(inputs)
    x = layers.Dense(units=8, name="embed")(x)
    for i in range(2):
        x = gMLPLayer(6, 8, 0.2, name=f"gmlp_{i}")(x)
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    x = layers.Dropout(rate=0.2, name="drop")(x)
    logits = layers.Dense(4, name="logits")(x)
    model = keras.Model(inputs=inputs, outputs=logits)
    model.compile(
        optimizer=keras.optimizers.AdamW(learning_rate=0.003, weight_decay=0.0001),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model
