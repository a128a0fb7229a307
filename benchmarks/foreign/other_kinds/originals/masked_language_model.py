"""BERT-like masked language modelling; weights say which words are to be predicted."""

import keras
import numpy as np
from keras import layers, ops

MAX_LEN, VOCAB_SIZE, EMBED_DIM, NUM_HEAD, FF_DIM, NUM_LAYERS = 7, 32, 8, 2, 10, 1


def bert_module(query, key, value, i):
    # Multi headed self-attention
    attention_output = layers.MultiHeadAttention(
        num_heads=NUM_HEAD,
        key_dim=EMBED_DIM // NUM_HEAD,
        name=f"encoder_{i}_multiheadattention",
    )(query, key, value)
    attention_output = layers.Dropout(0.1, name=f"encoder_{i}_att_dropout")(attention_output)
    attention_output = layers.LayerNormalization(
        epsilon=1e-6, name=f"encoder_{i}_att_layernormalization"
    )(query + attention_output)
    # Feed-forward layer
    ffn = keras.Sequential(
        [layers.Dense(FF_DIM, activation="relu"), layers.Dense(EMBED_DIM)],
        name=f"encoder_{i}_ffn",
    )
    ffn_output = ffn(attention_output)
    ffn_output = layers.Dropout(0.1, name=f"encoder_{i}_ffn_dropout")(ffn_output)
    return layers.LayerNormalization(epsilon=1e-6, name=f"encoder_{i}_ffn_layernormalization")(
        attention_output + ffn_output
    )


def get_pos_encoding_matrix(max_len, d_emb):
    pos_enc = np.array(
        [
            [pos / np.power(10000, 2 * (j // 2) / d_emb) for j in range(d_emb)]
            if pos != 0
            else np.zeros(d_emb)
            for pos in range(max_len)
        ]
    )
    pos_enc[1:, 0::2] = np.sin(pos_enc[1:, 0::2])
    pos_enc[1:, 1::2] = np.cos(pos_enc[1:, 1::2])
    return pos_enc


def create_masked_language_bert_model():
    inputs = layers.Input((MAX_LEN,), dtype="int64")
    word_embeddings = layers.Embedding(VOCAB_SIZE, EMBED_DIM, name="word_embedding")(inputs)
    position_embeddings = layers.Embedding(
        input_dim=MAX_LEN,
        output_dim=EMBED_DIM,
        embeddings_initializer=keras.initializers.Constant(
            get_pos_encoding_matrix(MAX_LEN, EMBED_DIM)
        ),
        name="position_embedding",
    )(ops.arange(0, MAX_LEN, 1))
    embeddings = word_embeddings + position_embeddings
    encoder_output = embeddings
    for i in range(NUM_LAYERS):
        encoder_output = bert_module(encoder_output, encoder_output, encoder_output, i)
    mlm_output = layers.Dense(VOCAB_SIZE, name="mlm_cls", activation="softmax")(encoder_output)
    mlm_model = keras.Model(inputs, mlm_output, name="masked_bert_model")
    mlm_model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=0.001),
        loss=keras.losses.SparseCategoricalCrossentropy(),
    )
    return mlm_model


def build():
    from keras_impl import Reference

    draw = np.random.default_rng(0)
    words = draw.integers(1, VOCAB_SIZE, (32, MAX_LEN))
    chosen = draw.random((32, MAX_LEN)) < 0.3
    masked = np.where(chosen, VOCAB_SIZE - 1, words)
    return Reference(
        create_masked_language_bert_model(),
        x=masked,
        y=words,
        sample_weight=chosen.astype("float32"),
    )
