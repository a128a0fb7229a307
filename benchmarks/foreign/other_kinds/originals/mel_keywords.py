"""Spoken words: a mel spectrogram, a convolution over time and a GRU."""

import keras
from keras import layers


def build():
    audio = keras.Input((256,), name="audio")
    x = layers.MelSpectrogram(
        fft_length=64, sequence_stride=32, sampling_rate=8000, num_mel_bins=10, min_freq=50.0
    )(audio)
    x = layers.Permute((2, 1))(x)
    x = layers.LayerNormalization(axis=-1)(x)
    x = layers.Conv1D(6, 3, padding="causal", activation="relu")(x)
    x = layers.GRU(5)(x)
    x = layers.Dropout(0.3)(x)
    outputs = layers.Dense(4, activation="softmax")(x)
    model = keras.Model(audio, outputs)
    model.compile(
        optimizer=keras.optimizers.Nadam(1e-3),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model
