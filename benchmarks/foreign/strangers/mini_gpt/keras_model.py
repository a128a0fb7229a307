"""Text generation with a miniature GPT, after the example of keras.io; the embedding is tied to the output."""

import keras
from keras import layers, ops

from keras_impl import Input, Reference

VOCAB, MAXLEN, DIM, HEADS, FEED_FORWARD = 23, 8, 12, 3, 20


class TransformerBlock(layers.Layer):
    def __init__(self, embed_dim, num_heads, ff_dim, rate=0.1, **kwargs):
        super().__init__(**kwargs)
        self.att = layers.MultiHeadAttention(num_heads, embed_dim // num_heads, dropout=rate)
        self.ffn1 = layers.Dense(ff_dim, activation="relu")
        self.ffn2 = layers.Dense(embed_dim)
        self.layernorm1 = layers.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = layers.LayerNormalization(epsilon=1e-6)
        self.dropout1 = layers.Dropout(rate)
        self.dropout2 = layers.Dropout(rate)

    def call(self, inputs, training=None):
        attention = self.att(inputs, inputs, use_causal_mask=True, training=training)
        attention = self.dropout1(attention, training=training)
        out1 = self.layernorm1(inputs + attention)
        ffn = self.ffn2(self.ffn1(out1))
        ffn = self.dropout2(ffn, training=training)
        return self.layernorm2(out1 + ffn)


class TokenAndPositionEmbedding(layers.Layer):
    def __init__(self, maxlen, vocab_size, embed_dim, **kwargs):
        super().__init__(**kwargs)
        self.token_emb = layers.Embedding(
            vocab_size,
            embed_dim,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.05),
        )
        self.pos_emb = layers.Embedding(maxlen, embed_dim)

    def call(self, x):
        positions = ops.arange(0, ops.shape(x)[-1], 1)
        return self.token_emb(x) + self.pos_emb(positions)

    def logits(self, x):
        return ops.matmul(x, ops.transpose(self.token_emb.embeddings))


class MiniGPT(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.embedding = TokenAndPositionEmbedding(MAXLEN, VOCAB, DIM)
        self.block1 = TransformerBlock(DIM, HEADS, FEED_FORWARD)
        self.block2 = TransformerBlock(DIM, HEADS, FEED_FORWARD)

    def call(self, tokens, training=None):
        x = self.embedding(tokens)
        x = self.block1(x, training=training)
        x = self.block2(x, training=training)
        return self.embedding.logits(x)


def build():
    model = MiniGPT()
    model(ops.zeros((1, MAXLEN), dtype="int32"))
    model.compile(
        optimizer=keras.optimizers.Adam(2e-3, global_clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return Reference(model, inputs=Input((MAXLEN,), dtype="int32", kind="tokens", count=VOCAB))
