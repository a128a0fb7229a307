"""A small vision transformer: patches by a convolution, a class token, learned positions."""

import keras
from keras import layers, ops

PATCH, PATCHES, DIM, HEADS = 4, 9, 16, 2


class ClassTokenAndPositions(layers.Layer):
    def __init__(self, num_patches, dim, **kwargs):
        super().__init__(**kwargs)
        self.num_patches = num_patches
        self.dim = dim

    def build(self, input_shape):
        self.cls_token = self.add_weight(
            name="cls_token",
            shape=(1, 1, self.dim),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
        )
        self.position = self.add_weight(
            name="position",
            shape=(1, self.num_patches + 1, self.dim),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )

    def call(self, patches):
        token = ops.tile(self.cls_token, [ops.shape(patches)[0], 1, 1])
        return ops.concatenate([token, patches], axis=1) + self.position


def mlp(x, hidden_units, dropout_rate):
    for units in hidden_units:
        x = layers.Dense(units, activation=keras.activations.gelu)(x)
        x = layers.Dropout(dropout_rate)(x)
    return x


def build():
    inputs = keras.Input(shape=(12, 12, 3))
    x = layers.Conv2D(DIM, PATCH, strides=PATCH, padding="valid", name="patches")(inputs)
    x = layers.Reshape((PATCHES, DIM))(x)
    x = ClassTokenAndPositions(PATCHES, DIM)(x)
    for _ in range(2):
        x1 = layers.LayerNormalization(epsilon=1e-6)(x)
        # As in the example of keras.io, each head is as wide as the model.
        attention = layers.MultiHeadAttention(num_heads=HEADS, key_dim=DIM, dropout=0.1)(x1, x1)
        x2 = layers.Add()([attention, x])
        x3 = layers.LayerNormalization(epsilon=1e-6)(x2)
        x3 = mlp(x3, [2 * DIM, DIM], dropout_rate=0.1)
        x = layers.Add()([x3, x2])
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    x = x[:, 0]
    x = layers.Dense(12, activation="tanh")(x)
    x = layers.Dropout(0.5)(x)
    logits = layers.Dense(5)(x)
    model = keras.Model(inputs, logits)
    model.compile(
        optimizer=keras.optimizers.AdamW(learning_rate=1e-3, weight_decay=1e-2),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    return model
