"""Keras models with one schedule or callback each."""

from __future__ import annotations

import keras
from keras import optimizers
from keras.optimizers import schedules as S

from benchmarks.pairs.keras_net import mlp
from keras_impl import Reference


def plateau() -> Reference:
    """ReduceLROnPlateau in its most common form."""
    callback = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=3, min_lr=1e-5)
    return Reference(mlp(optimizers.Adam(0.002)), callbacks=[callback])


def plateau_cooldown() -> Reference:
    """ReduceLROnPlateau with a cooldown."""
    callback = keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=2, cooldown=3)
    return Reference(mlp(optimizers.Adam(0.002)), callbacks=[callback])


def plateau_accuracy() -> Reference:
    """ReduceLROnPlateau that watches an accuracy."""
    callback = keras.callbacks.ReduceLROnPlateau("val_accuracy", factor=0.5, patience=2, mode="max")
    return Reference(mlp(optimizers.Adam(0.002)), callbacks=[callback])


def plateau_momentum() -> Reference:
    """ReduceLROnPlateau and SGD with momentum."""
    callback = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=3, min_lr=1e-5)
    return Reference(mlp(optimizers.SGD(0.03, momentum=0.9)), callbacks=[callback])


def stopping() -> Reference:
    """EarlyStopping."""
    callback = keras.callbacks.EarlyStopping(patience=4, min_delta=0.001)
    return Reference(mlp(optimizers.Adam(0.002)), callbacks=[callback])


def stopping_and_plateau() -> Reference:
    """EarlyStopping and ReduceLROnPlateau together."""
    callbacks = [
        keras.callbacks.ReduceLROnPlateau(factor=0.2, patience=2, min_lr=1e-4),
        keras.callbacks.EarlyStopping(patience=7),
    ]
    return Reference(mlp(optimizers.Adam(0.01)), callbacks=callbacks)


def scheduler() -> Reference:
    """LearningRateScheduler."""
    callback = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.02 * 0.7**epoch)
    return Reference(mlp(optimizers.SGD(0.02)), callbacks=[callback])


def scheduler_steps() -> Reference:
    """LearningRateScheduler that changes the rate that it is given."""
    callback = keras.callbacks.LearningRateScheduler(
        lambda epoch, rate: rate * 0.1 if epoch in (3, 9) else rate
    )
    return Reference(mlp(optimizers.SGD(0.02)), callbacks=[callback])


globals().update(
    # By the step.
    exponential=lambda: mlp(optimizers.SGD(S.ExponentialDecay(0.1, 20, 0.8), momentum=0.9)),
    # By the step, as a staircase.
    staircase=lambda: mlp(optimizers.Adam(S.ExponentialDecay(0.01, 7, 0.5, staircase=True))),
    # With warm-up.
    cosine=lambda: mlp(
        optimizers.Adam(S.CosineDecay(1e-4, 400, 0.1, warmup_target=0.01, warmup_steps=9))
    ),
    # With restarts.
    cosine_restarts=lambda: mlp(
        optimizers.SGD(S.CosineDecayRestarts(0.1, 10, t_mul=2.0, m_mul=0.9, alpha=0.01))
    ),
    # A polynomial.
    polynomial=lambda: mlp(optimizers.SGD(S.PolynomialDecay(0.1, 200, 0.001, power=2.0))),
    # Inverse time.
    inverse_time=lambda: mlp(optimizers.RMSprop(S.InverseTimeDecay(0.01, 10, 0.5))),
    # Piecewise constant.
    piecewise=lambda: mlp(optimizers.SGD(S.PiecewiseConstantDecay([10, 100], [0.1, 0.03, 0.01]))),
)
