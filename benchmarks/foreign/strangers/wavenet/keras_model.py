"""WaveNet for a series: causal dilated convolutions with gates, and quantiles of the next value."""

import keras
from keras import layers, ops

from keras_impl import Reference

from .data import samples

QUANTILES = (0.1, 0.5, 0.9)


def wavenet_block(x, filters, dilation):
    tanh_out = layers.Conv1D(
        filters, 2, dilation_rate=dilation, padding="causal", activation="tanh"
    )(x)
    sigm_out = layers.Conv1D(
        filters, 2, dilation_rate=dilation, padding="causal", activation="sigmoid"
    )(x)
    z = layers.Multiply()([tanh_out, sigm_out])
    skip = layers.Conv1D(8, 1)(z)
    residual = layers.Conv1D(filters, 1)(z)
    return layers.Add()([residual, x]), skip


def pinball(y_true, y_pred):
    error = y_true - y_pred
    quantiles = ops.cast(QUANTILES, y_pred.dtype)
    return ops.mean(ops.maximum(quantiles * error, (quantiles - 1) * error), axis=-1)


def build():
    inputs = keras.Input((16, 2))
    x = layers.Conv1D(6, 3, padding="causal")(inputs)
    skips = []
    for dilation in (1, 2, 4, 8):
        x, skip = wavenet_block(x, 6, dilation)
        skips.append(skip)
    x = layers.ReLU()(layers.Add()(skips))
    x = layers.Conv1D(8, 1, activation="relu")(x)
    x = layers.Dropout(0.1)(x)
    outputs = layers.Conv1D(len(QUANTILES), 1)(x)
    model = keras.Model(inputs, outputs)
    rate = keras.optimizers.schedules.ExponentialDecay(3e-3, decay_steps=4, decay_rate=0.5)
    model.compile(optimizer=keras.optimizers.Adam(rate, beta_2=0.99), loss=pinball)
    x, y = samples()
    return Reference(model, x=x, y=y)
