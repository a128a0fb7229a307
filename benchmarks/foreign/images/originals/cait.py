"""Class attention image transformers with LayerScale (CaiT), as a subclassed model."""

import keras
from keras import layers, ops

from keras_impl import Input, Reference


class LayerScale(layers.Layer):
    def __init__(self, init_values, projection_dim, **kwargs):
        super().__init__(**kwargs)
        self.gamma = self.add_weight(
            shape=(projection_dim,),
            initializer=keras.initializers.Constant(init_values),
            name="gamma",
        )

    def call(self, x, training=False):
        return x * self.gamma


class ClassAttention(layers.Layer):
    def __init__(self, projection_dim, num_heads, dropout_rate, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        head_dim = projection_dim // num_heads
        self.scale = head_dim**-0.5
        self.q = layers.Dense(projection_dim)
        self.k = layers.Dense(projection_dim)
        self.v = layers.Dense(projection_dim)
        self.attn_drop = layers.Dropout(dropout_rate)
        self.proj = layers.Dense(projection_dim)
        self.proj_drop = layers.Dropout(dropout_rate)

    def call(self, x, training=False):
        batch_size, num_patches, num_channels = (
            ops.shape(x)[0],
            ops.shape(x)[1],
            ops.shape(x)[2],
        )
        q = ops.expand_dims(self.q(x[:, 0]), axis=1)
        q = ops.reshape(q, (batch_size, 1, self.num_heads, num_channels // self.num_heads))
        q = ops.transpose(q, axes=[0, 2, 1, 3])
        scale = ops.cast(self.scale, dtype=q.dtype)
        q = q * scale
        k = self.k(x)
        k = ops.reshape(
            k, (batch_size, num_patches, self.num_heads, num_channels // self.num_heads)
        )
        k = ops.transpose(k, axes=[0, 2, 3, 1])
        v = self.v(x)
        v = ops.reshape(
            v, (batch_size, num_patches, self.num_heads, num_channels // self.num_heads)
        )
        v = ops.transpose(v, axes=[0, 2, 1, 3])
        attn = ops.matmul(q, k)
        attn = ops.nn.softmax(attn, axis=-1)
        attn = self.attn_drop(attn, training=training)
        x_cls = ops.matmul(attn, v)
        x_cls = ops.transpose(x_cls, axes=[0, 2, 1, 3])
        x_cls = ops.reshape(x_cls, (batch_size, 1, num_channels))
        x_cls = self.proj(x_cls)
        return self.proj_drop(x_cls, training=training), attn


class TalkingHeadAttention(layers.Layer):
    def __init__(self, projection_dim, num_heads, dropout_rate, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        head_dim = projection_dim // num_heads
        self.scale = head_dim**-0.5
        self.qkv = layers.Dense(projection_dim * 3)
        self.attn_drop = layers.Dropout(dropout_rate)
        self.proj = layers.Dense(projection_dim)
        self.proj_l = layers.Dense(num_heads)
        self.proj_w = layers.Dense(num_heads)
        self.proj_drop = layers.Dropout(dropout_rate)

    def call(self, x, training=False):
        B, N, C = ops.shape(x)[0], ops.shape(x)[1], ops.shape(x)[2]
        qkv = self.qkv(x)
        qkv = ops.reshape(qkv, (B, N, 3, self.num_heads, C // self.num_heads))
        qkv = ops.transpose(qkv, axes=[2, 0, 3, 1, 4])
        scale = ops.cast(self.scale, dtype=qkv.dtype)
        q, k, v = qkv[0] * scale, qkv[1], qkv[2]
        attn = ops.matmul(q, ops.transpose(k, axes=[0, 1, 3, 2]))
        attn = self.proj_l(ops.transpose(attn, axes=[0, 2, 3, 1]))
        attn = ops.transpose(attn, axes=[0, 3, 1, 2])
        attn = ops.nn.softmax(attn, axis=-1)
        attn = self.proj_w(ops.transpose(attn, axes=[0, 2, 3, 1]))
        attn = ops.transpose(attn, axes=[0, 3, 1, 2])
        attn = self.attn_drop(attn, training=training)
        x = ops.matmul(attn, v)
        x = ops.transpose(x, axes=[0, 2, 1, 3])
        x = ops.reshape(x, (B, N, C))
        x = self.proj(x)
        return self.proj_drop(x, training=training), attn


def mlp(dim, hidden, dropout_rate):
    return keras.Sequential(
        [
            layers.Dense(hidden, activation=keras.activations.gelu),
            layers.Dropout(dropout_rate),
            layers.Dense(dim),
            layers.Dropout(dropout_rate),
        ]
    )


class CaiT(keras.Model):
    def __init__(self, dim=8, heads=2, depth=2, classes=5, rate=0.1, init_values=1e-1, **kwargs):
        super().__init__(**kwargs)
        self.projection = keras.Sequential(
            [
                layers.Conv2D(dim, (4, 4), (4, 4), padding="VALID"),
                layers.Reshape((-1, dim)),
            ]
        )
        self.cls_token = self.add_weight(
            shape=(1, 1, dim), initializer="random_normal", name="cls_token"
        )
        self.pos_embed = self.add_weight(
            shape=(1, 12, dim), initializer="random_normal", name="pos_embed"
        )
        self.pos_drop = layers.Dropout(rate)
        self.blocks = []
        for _ in range(depth):
            self.blocks.append(
                {
                    "norm1": layers.LayerNormalization(epsilon=1e-6),
                    "attention": TalkingHeadAttention(dim, heads, rate),
                    "scale1": LayerScale(init_values, dim),
                    "norm2": layers.LayerNormalization(epsilon=1e-6),
                    "mlp": mlp(dim, 2 * dim, rate),
                    "scale2": LayerScale(init_values, dim),
                }
            )
        self.cls_norm1 = layers.LayerNormalization(epsilon=1e-6)
        self.cls_attention = ClassAttention(dim, heads, rate)
        self.cls_scale1 = LayerScale(init_values, dim)
        self.cls_norm2 = layers.LayerNormalization(epsilon=1e-6)
        self.cls_mlp = mlp(dim, 2 * dim, rate)
        self.cls_scale2 = LayerScale(init_values, dim)
        self.norm = layers.LayerNormalization(epsilon=1e-6)
        self.head = layers.Dense(classes)

    def call(self, x, training=False):
        x = self.projection(x) + self.pos_embed
        x = self.pos_drop(x, training=training)
        for block in self.blocks:
            y, _ = block["attention"](block["norm1"](x), training=training)
            x = x + block["scale1"](y)
            x = x + block["scale2"](block["mlp"](block["norm2"](x), training=training))
        cls = ops.tile(self.cls_token, (ops.shape(x)[0], 1, 1))
        both = ops.concatenate([cls, x], axis=1)
        y, _ = self.cls_attention(self.cls_norm1(both), training=training)
        cls = cls + self.cls_scale1(y)
        cls = cls + self.cls_scale2(self.cls_mlp(self.cls_norm2(cls), training=training))
        return self.head(self.norm(cls)[:, 0])


def build():
    model = CaiT()
    model.compile(
        optimizer=keras.optimizers.AdamW(learning_rate=1e-3, weight_decay=1e-2),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return Reference(model, inputs=Input((12, 16, 3)))
