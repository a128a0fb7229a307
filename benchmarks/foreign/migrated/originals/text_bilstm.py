"""Sentiment classifier: masked embedding, two bidirectional LSTMs."""

import keras
from keras import layers

VOCAB, MAXLEN = 40, 10


def build():
    model = keras.Sequential(
        [
            keras.Input((MAXLEN,), dtype="int32"),
            layers.Embedding(VOCAB, 6, mask_zero=True, name="embedding"),
            layers.SpatialDropout1D(0.2, name="embed_drop"),
            layers.Bidirectional(layers.LSTM(5, return_sequences=True), name="bilstm_1"),
            layers.Bidirectional(layers.LSTM(4), name="bilstm_2"),
            layers.Dense(8, activation="relu", name="fc"),
            layers.Dropout(0.4, name="fc_drop"),
            layers.Dense(1, activation="sigmoid", name="out"),
        ],
        name="sentiment",
    )
    model.compile(
        optimizer=keras.optimizers.RMSprop(learning_rate=2e-3),
        loss="binary_crossentropy",
        metrics=["accuracy"],
    )
    return model
