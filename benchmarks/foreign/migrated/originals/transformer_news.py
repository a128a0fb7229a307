"""Text classification with a transformer block (post-norm), after keras.io; warmup schedule of "Attention is all you need"."""

import keras
from keras import layers, ops

VOCAB, MAXLEN, DIM, HEADS, FF, CLASSES = 60, 8, 8, 2, 12, 4


class TokenAndPositionEmbedding(layers.Layer):
    def __init__(self, maxlen, vocab_size, embed_dim, **kwargs):
        super().__init__(**kwargs)
        self.token_emb = layers.Embedding(input_dim=vocab_size, output_dim=embed_dim)
        self.pos_emb = layers.Embedding(input_dim=maxlen, output_dim=embed_dim)

    def call(self, x):
        positions = ops.arange(0, ops.shape(x)[-1])
        return self.token_emb(x) + self.pos_emb(positions)


class TransformerBlock(layers.Layer):
    def __init__(self, embed_dim, num_heads, ff_dim, rate=0.1, **kwargs):
        super().__init__(**kwargs)
        self.att = layers.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.ffn_in = layers.Dense(ff_dim, activation="relu")
        self.ffn_out = layers.Dense(embed_dim)
        self.layernorm1 = layers.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = layers.LayerNormalization(epsilon=1e-6)
        self.dropout1 = layers.Dropout(rate)
        self.dropout2 = layers.Dropout(rate)

    def call(self, inputs, padding=None, training=None):
        mask = None if padding is None else padding[:, None, :]
        attn = self.dropout1(self.att(inputs, inputs, attention_mask=mask), training=training)
        out1 = self.layernorm1(inputs + attn)
        ffn = self.dropout2(self.ffn_out(self.ffn_in(out1)), training=training)
        return self.layernorm2(out1 + ffn)


@keras.saving.register_keras_serializable()
class NoamSchedule(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, d_model, warmup_steps=5):
        self.d_model = d_model
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        step = ops.cast(step, "float32") + 1.0
        return (
            0.01 * (self.d_model**-0.5) * ops.minimum(step**-0.5, step * (self.warmup_steps**-1.5))
        )

    def get_config(self):
        return {"d_model": self.d_model, "warmup_steps": self.warmup_steps}


def build():
    tokens = keras.Input((MAXLEN,), dtype="int32", name="tokens")
    padding = layers.Lambda(lambda t: ops.not_equal(t, 0), name="padding")(tokens)
    x = TokenAndPositionEmbedding(MAXLEN, VOCAB, DIM, name="embedding")(tokens)
    x = TransformerBlock(DIM, HEADS, FF, name="block")(x, padding=padding)
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    x = layers.Dropout(0.1, name="drop")(x)
    x = layers.Dense(10, activation="relu", name="fc")(x)
    outputs = layers.Dense(CLASSES, name="logits")(x)
    model = keras.Model(tokens, outputs)
    model.compile(
        optimizer=keras.optimizers.Adam(NoamSchedule(DIM), beta_2=0.98, epsilon=1e-9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model
