"""Translation with teacher forcing: an LSTM encoder hands its states to an LSTM decoder."""

import keras
from keras import layers

from keras_impl import Input, Reference

SOURCE_TOKENS, TARGET_TOKENS, WIDTH = 20, 17, 10


def build():
    encoder_inputs = keras.Input(shape=(7,), dtype="int32", name="source")
    x = layers.Embedding(SOURCE_TOKENS, 8, mask_zero=True)(encoder_inputs)
    _, state_h, state_c = layers.LSTM(WIDTH, return_state=True)(x)

    decoder_inputs = keras.Input(shape=(6,), dtype="int32", name="target")
    y = layers.Embedding(TARGET_TOKENS, 8, mask_zero=True)(decoder_inputs)
    y = layers.LSTM(WIDTH, return_sequences=True)(y, initial_state=[state_h, state_c])
    y = layers.LayerNormalization()(y)
    logits = layers.Dense(TARGET_TOKENS)(y)

    model = keras.Model([encoder_inputs, decoder_inputs], logits)
    model.compile(
        optimizer=keras.optimizers.Adam(5e-3, clipvalue=0.05),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return Reference(
        model, inputs={"source": Input(padding="post"), "target": Input(padding="post")}
    )
