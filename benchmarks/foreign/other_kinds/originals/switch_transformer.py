"""Text classification with a Switch Transformer: each token goes to one expert."""

import keras
from keras import layers, ops

vocab_size, num_tokens_per_example = 40, 6
embed_dim, num_heads, ff_dim, num_experts, batch_size = 8, 2, 10, 3, 4
num_tokens_per_batch = batch_size * num_tokens_per_example


class TokenAndPositionEmbedding(layers.Layer):
    def __init__(self, maxlen, vocab_size, embed_dim, **kwargs):
        super().__init__(**kwargs)
        self.token_emb = layers.Embedding(input_dim=vocab_size, output_dim=embed_dim)
        self.pos_emb = layers.Embedding(input_dim=maxlen, output_dim=embed_dim)

    def call(self, x):
        positions = ops.arange(start=0, stop=ops.shape(x)[-1], step=1)
        return self.token_emb(x) + self.pos_emb(positions)


def create_feedforward_network(ff_dim, embed_dim, name=None):
    return keras.Sequential(
        [layers.Dense(ff_dim, activation="relu"), layers.Dense(embed_dim)], name=name
    )


class Router(layers.Layer):
    def __init__(self, num_experts, expert_capacity, **kwargs):
        super().__init__(**kwargs)
        self.num_experts = num_experts
        self.expert_capacity = expert_capacity
        self.route = layers.Dense(units=num_experts)

    def call(self, inputs):
        router_probs = keras.activations.softmax(self.route(inputs), axis=-1)
        expert_gate, expert_index = ops.top_k(router_probs, k=1)
        expert_mask = ops.one_hot(ops.squeeze(expert_index, axis=-1), self.num_experts)
        expert_mask = ops.cast(expert_mask, router_probs.dtype)
        self.add_loss(self.load_balance(router_probs, expert_mask))
        position_in_expert = ops.cumsum(expert_mask, axis=0) * expert_mask
        expert_mask = expert_mask * ops.cast(
            ops.less(position_in_expert - 1, self.expert_capacity), router_probs.dtype
        )
        combine = expert_gate * expert_mask
        return expert_mask, combine

    def load_balance(self, router_probs, expert_mask):
        density = ops.mean(expert_mask, axis=0)
        density_proxy = ops.mean(router_probs, axis=0)
        return 0.01 * ops.mean(density_proxy * density) * self.num_experts**2


class Switch(layers.Layer):
    def __init__(self, num_experts, embed_dim, ff_dim, num_tokens_per_batch, **kwargs):
        super().__init__(**kwargs)
        self.num_experts = num_experts
        self.embed_dim = embed_dim
        self.experts = [
            create_feedforward_network(ff_dim, embed_dim, name=f"expert_{i}")
            for i in range(num_experts)
        ]
        self.router = Router(num_experts, num_tokens_per_batch // num_experts)

    def call(self, inputs):
        tokens = ops.reshape(inputs, [-1, self.embed_dim])
        dispatch, combine = self.router(tokens)
        outputs = 0.0
        for i in range(self.num_experts):
            routed = tokens * dispatch[:, i : i + 1]
            outputs = outputs + combine[:, i : i + 1] * self.experts[i](routed)
        return ops.reshape(outputs, ops.shape(inputs))


class TransformerBlock(layers.Layer):
    def __init__(self, embed_dim, num_heads, ffn, dropout_rate=0.1, **kwargs):
        super().__init__(**kwargs)
        self.att = layers.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.ffn = ffn
        self.layernorm1 = layers.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = layers.LayerNormalization(epsilon=1e-6)
        self.dropout1 = layers.Dropout(dropout_rate)
        self.dropout2 = layers.Dropout(dropout_rate)

    def call(self, inputs, training=False):
        attn_output = self.dropout1(self.att(inputs, inputs), training=training)
        out1 = self.layernorm1(inputs + attn_output)
        ffn_output = self.dropout2(self.ffn(out1), training=training)
        return self.layernorm2(out1 + ffn_output)


def build():
    switch = Switch(num_experts, embed_dim, ff_dim, num_tokens_per_batch)
    block = TransformerBlock(embed_dim, num_heads, switch)
    inputs = layers.Input(shape=(num_tokens_per_example,), dtype="int32")
    x = TokenAndPositionEmbedding(num_tokens_per_example, vocab_size, embed_dim)(inputs)
    x = block(x)
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dropout(0.25)(x)
    x = layers.Dense(ff_dim, activation="relu")(x)
    x = layers.Dropout(0.25)(x)
    outputs = layers.Dense(2, activation="softmax")(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model
