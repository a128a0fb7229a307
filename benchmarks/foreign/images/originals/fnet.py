"""FNet: mixing tokens with Fourier transforms."""

import keras
import tensorflow as tf
from keras import layers


@keras.saving.register_keras_serializable(package="fnet")
class Patches(layers.Layer):
    def __init__(self, patch_size, **kwargs):
        super().__init__(**kwargs)
        self.patch_size = patch_size

    def call(self, images):
        batch_size = tf.shape(images)[0]
        patches = tf.image.extract_patches(
            images=images,
            sizes=[1, self.patch_size, self.patch_size, 1],
            strides=[1, self.patch_size, self.patch_size, 1],
            rates=[1, 1, 1, 1],
            padding="VALID",
        )
        return tf.reshape(
            patches, [batch_size, patches.shape[1] * patches.shape[2], patches.shape[-1]]
        )

    def get_config(self):
        return {**super().get_config(), "patch_size": self.patch_size}


@keras.saving.register_keras_serializable(package="fnet")
class FNetLayer(layers.Layer):
    def __init__(self, embedding_dim, dropout_rate, **kwargs):
        super().__init__(**kwargs)
        self.embedding_dim = embedding_dim
        self.dropout_rate = dropout_rate
        self.ffn1 = layers.Dense(units=embedding_dim, activation="gelu", name="ffn1")
        self.drop = layers.Dropout(rate=dropout_rate)
        self.ffn2 = layers.Dense(units=embedding_dim, name="ffn2")
        self.normalize1 = layers.LayerNormalization(epsilon=1e-6, name="normalize1")
        self.normalize2 = layers.LayerNormalization(epsilon=1e-6, name="normalize2")

    def call(self, inputs):
        real_part = inputs
        im_part = keras.ops.zeros_like(inputs)
        x = keras.ops.fft2((real_part, im_part))[0]
        x = x + inputs
        x = self.normalize1(x)
        x_ffn = self.ffn2(self.drop(self.ffn1(x)))
        x = x + x_ffn
        return self.normalize2(x)

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "dropout_rate": self.dropout_rate,
        }


def build():
    inputs = layers.Input(shape=(8, 12, 3))
    x = Patches(4, name="patches")(inputs)
    x = layers.Dense(units=7, name="embed")(x)
    for i in range(2):
        x = FNetLayer(7, 0.2, name=f"fnet_{i}")(x)
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    x = layers.Dropout(rate=0.2, name="drop")(x)
    model = keras.Model(inputs=inputs, outputs=layers.Dense(4, name="logits")(x))
    model.compile(
        optimizer=keras.optimizers.AdamW(learning_rate=0.001, weight_decay=0.0001),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseTopKCategoricalAccuracy(2, name="top2")],
    )
    return model
