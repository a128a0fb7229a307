"""A small vision transformer with a class token, pre-norm blocks and a trained position embedding."""

import keras
from keras import layers, ops


class ClassTokenAndPosition(layers.Layer):
    def build(self, shape):
        _, n, dim = shape
        self.cls_token = self.add_weight(name="cls_token", shape=(1, 1, dim), initializer="zeros")
        self.pos_embed = self.add_weight(
            name="pos_embed",
            shape=(1, n + 1, dim),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )

    def call(self, x):
        cls = ops.broadcast_to(self.cls_token, (ops.shape(x)[0], 1, ops.shape(x)[-1]))
        return ops.concatenate([cls, x], axis=1) + self.pos_embed


def mlp(x, hidden, dim, rate, name):
    x = layers.Dense(hidden, activation="gelu", name=f"{name}_fc1")(x)
    x = layers.Dropout(rate, name=f"{name}_drop1")(x)
    x = layers.Dense(dim, name=f"{name}_fc2")(x)
    return layers.Dropout(rate, name=f"{name}_drop2")(x)


def build(dim=8, heads=2, depth=2, classes=3, rate=0.1):
    image = keras.Input((12, 12, 3), name="image")
    x = layers.Conv2D(dim, 4, strides=4, padding="valid", name="patch_embed")(image)
    x = layers.Reshape((-1, dim), name="tokens")(x)
    x = ClassTokenAndPosition(name="cls_pos")(x)
    for i in range(depth):
        y = layers.LayerNormalization(epsilon=1e-6, name=f"block{i}_norm1")(x)
        y = layers.MultiHeadAttention(heads, dim // heads, dropout=rate, name=f"block{i}_attn")(
            y, y
        )
        x = layers.Add(name=f"block{i}_add1")([x, y])
        y = layers.LayerNormalization(epsilon=1e-6, name=f"block{i}_norm2")(x)
        x = layers.Add(name=f"block{i}_add2")([x, mlp(y, 2 * dim, dim, rate, f"block{i}_mlp")])
    x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    x = layers.Lambda(lambda t: t[:, 0], name="take_cls")(x)
    logits = layers.Dense(classes, kernel_initializer="zeros", name="head")(x)
    model = keras.Model(image, logits, name="vit_small")
    model.compile(
        optimizer=keras.optimizers.AdamW(1e-3, weight_decay=0.1, beta_2=0.95, global_clipnorm=0.5),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(2, name="top2")],
    )
    return model
