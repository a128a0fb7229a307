"""Learning to tokenize in vision transformers (TokenLearner)."""

import keras
from keras import layers, ops

NUM_TOKENS = 3


@keras.saving.register_keras_serializable(package="tokens")
class PatchEncoder(layers.Layer):
    def __init__(self, num_patches, projection_dim, **kwargs):
        super().__init__(**kwargs)
        self.num_patches = num_patches
        self.projection_dim = projection_dim
        self.position_embedding = layers.Embedding(
            input_dim=num_patches, output_dim=projection_dim, name="position_embedding"
        )

    def call(self, projected_patches):
        positions = ops.arange(0, self.num_patches)
        return projected_patches + self.position_embedding(positions)

    def get_config(self):
        return {
            **super().get_config(),
            "num_patches": self.num_patches,
            "projection_dim": self.projection_dim,
        }


def mlp(x, dropout_rate, hidden_units):
    for units in hidden_units:
        x = layers.Dense(units, activation="gelu")(x)
        x = layers.Dropout(dropout_rate)(x)
    return x


def token_learner(inputs, number_of_tokens=NUM_TOKENS):
    x = layers.LayerNormalization(epsilon=1e-6)(inputs)
    attention_maps = keras.Sequential(
        [
            layers.Conv2D(
                filters=number_of_tokens,
                kernel_size=(3, 3),
                activation="gelu",
                padding="same",
                use_bias=False,
            ),
            layers.Conv2D(
                filters=number_of_tokens,
                kernel_size=(3, 3),
                activation="gelu",
                padding="same",
                use_bias=False,
            ),
            layers.Conv2D(
                filters=number_of_tokens,
                kernel_size=(3, 3),
                activation="sigmoid",
                padding="same",
                use_bias=False,
            ),
            layers.Reshape((-1, number_of_tokens)),
            layers.Permute((2, 1)),
        ]
    )(x)
    num_filters = inputs.shape[-1]
    inputs = layers.Reshape((1, -1, num_filters))(inputs)
    attended_inputs = ops.expand_dims(attention_maps, axis=-1) * inputs
    return ops.mean(attended_inputs, axis=2)


def transformer(encoded_patches, dim, heads):
    x1 = layers.LayerNormalization(epsilon=1e-6)(encoded_patches)
    attention_output = layers.MultiHeadAttention(num_heads=heads, key_dim=dim, dropout=0.1)(x1, x1)
    x2 = layers.Add()([attention_output, encoded_patches])
    x4 = layers.LayerNormalization(epsilon=1e-6)(x2)
    x4 = mlp(x4, dropout_rate=0.1, hidden_units=[dim * 2, dim])
    return layers.Add()([x2, x4])


def build():
    inputs = layers.Input(shape=(12, 16, 3))
    projected_patches = layers.Conv2D(
        filters=8, kernel_size=(4, 4), strides=(4, 4), padding="VALID"
    )(inputs)
    _, h, w, c = projected_patches.shape
    projected_patches = layers.Reshape((h * w, c))(projected_patches)
    encoded_patches = PatchEncoder(h * w, c, name="patch_encoder")(projected_patches)
    encoded_patches = layers.Dropout(0.1)(encoded_patches)
    encoded_patches = transformer(encoded_patches, 8, 2)
    encoded_patches = layers.Reshape((h, w, c))(encoded_patches)
    encoded_patches = token_learner(encoded_patches)
    encoded_patches = transformer(encoded_patches, 8, 2)
    representation = layers.LayerNormalization(epsilon=1e-6)(encoded_patches)
    representation = layers.GlobalAvgPool1D()(representation)
    outputs = layers.Dense(5, activation="softmax")(representation)
    model = keras.Model(inputs=inputs, outputs=outputs)
    model.compile(
        optimizer=keras.optimizers.AdamW(learning_rate=0.001, weight_decay=0.0001),
        loss="sparse_categorical_crossentropy",
        metrics=[
            keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
            keras.metrics.SparseTopKCategoricalAccuracy(2, name="top-2-accuracy"),
        ],
    )
    return model
