"""Masked image modeling with autoencoders: a fixed mask, encoder, decoder."""

import keras
import numpy as np
from keras import layers, ops

IMAGE, PATCH, NUM_PATCHES = 16, 4, 16
ENC_DIM, DEC_DIM = 10, 6
ORDER = np.random.RandomState(7).permutation(NUM_PATCHES)
NUM_MASK = 10


class Patches(layers.Layer):
    def __init__(self, patch_size=PATCH, **kwargs):
        super().__init__(**kwargs)
        self.patch_size = patch_size
        self.resize = layers.Reshape((-1, patch_size * patch_size * 3))

    def call(self, images):
        return self.resize(ops.image.extract_patches(images, self.patch_size))


class PatchEncoder(layers.Layer):
    def __init__(self, projection_dim=ENC_DIM, **kwargs):
        super().__init__(**kwargs)
        self.projection_dim = projection_dim
        self.mask_token = self.add_weight(
            name="mask_token",
            shape=(1, PATCH * PATCH * 3),
            initializer=keras.initializers.RandomNormal(),
            trainable=True,
        )

    def build(self, input_shape):
        (_, self.num_patches, self.patch_area) = input_shape
        self.projection = layers.Dense(units=self.projection_dim)
        self.position_embedding = layers.Embedding(
            input_dim=self.num_patches, output_dim=self.projection_dim
        )

    def call(self, patches):
        batch_size = ops.shape(patches)[0]
        positions = ops.arange(start=0, stop=self.num_patches, step=1)
        pos_embeddings = self.position_embedding(positions[None, ...])
        pos_embeddings = ops.tile(pos_embeddings, [batch_size, 1, 1])
        patch_embeddings = self.projection(patches) + pos_embeddings
        mask_indices, unmask_indices = ORDER[:NUM_MASK], ORDER[NUM_MASK:]
        unmasked_embeddings = ops.take(patch_embeddings, unmask_indices, axis=1)
        unmasked_positions = ops.take(pos_embeddings, unmask_indices, axis=1)
        masked_positions = ops.take(pos_embeddings, mask_indices, axis=1)
        mask_tokens = ops.repeat(self.mask_token, repeats=NUM_MASK, axis=0)
        mask_tokens = ops.repeat(mask_tokens[None, ...], repeats=batch_size, axis=0)
        masked_embeddings = self.projection(mask_tokens) + masked_positions
        return unmasked_embeddings, masked_embeddings, unmasked_positions


def mlp(x, dropout_rate, hidden_units):
    for units in hidden_units:
        x = layers.Dense(units, activation="gelu")(x)
        x = layers.Dropout(dropout_rate)(x)
    return x


def transformer(x, dim, heads):
    x1 = layers.LayerNormalization(epsilon=1e-6)(x)
    attention_output = layers.MultiHeadAttention(num_heads=heads, key_dim=dim, dropout=0.1)(x1, x1)
    x2 = layers.Add()([attention_output, x])
    x3 = layers.LayerNormalization(epsilon=1e-6)(x2)
    x3 = mlp(x3, hidden_units=[dim * 2, dim], dropout_rate=0.1)
    return layers.Add()([x3, x2])


def build():
    images = keras.Input((IMAGE, IMAGE, 3))
    patches = Patches()(images)
    unmasked, masked, positions = PatchEncoder()(patches)
    x = transformer(unmasked, ENC_DIM, 2)
    encoded = layers.LayerNormalization(epsilon=1e-6)(x)
    encoded = encoded + positions
    decoder_inputs = layers.Concatenate(axis=1)([encoded, masked])
    x = layers.Dense(DEC_DIM)(decoder_inputs)
    x = transformer(x, DEC_DIM, 2)
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    x = layers.Flatten()(x)
    pre_final = layers.Dense(units=IMAGE * IMAGE * 3, activation="sigmoid")(x)
    outputs = layers.Reshape((IMAGE, IMAGE, 3))(pre_final)
    model = keras.Model(images, outputs, name="mae")
    model.compile(
        optimizer=keras.optimizers.AdamW(
            learning_rate=keras.optimizers.schedules.CosineDecay(
                0.0, 20, warmup_target=5e-3, warmup_steps=4
            ),
            weight_decay=1e-4,
        ),
        loss=keras.losses.MeanSquaredError(),
        metrics=["mae"],
    )
    return model
