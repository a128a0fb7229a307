"""Keras models around one optimizer each."""

from __future__ import annotations

import keras
from keras import optimizers

from benchmarks.pairs.keras_net import mlp


def sgd() -> keras.Model:
    """Plain."""
    return mlp(optimizers.SGD(0.03))


def momentum() -> keras.Model:
    """With momentum."""
    return mlp(optimizers.SGD(0.03, momentum=0.9))


def nesterov() -> keras.Model:
    """With Nesterov's momentum."""
    return mlp(optimizers.SGD(0.03, momentum=0.8, nesterov=True))


def adam() -> keras.Model:
    """As it comes."""
    return mlp("adam")


def amsgrad() -> keras.Model:
    """Another variant and other constants."""
    return mlp(optimizers.Adam(0.004, beta_1=0.8, beta_2=0.99, epsilon=1e-5, amsgrad=True))


def adamw() -> keras.Model:
    """As it comes."""
    return mlp(optimizers.AdamW(0.002))


def adam_decay() -> keras.Model:
    """Adam with a decay, which is decoupled too."""
    return mlp(optimizers.Adam(0.002, weight_decay=0.03))


def sgd_decay() -> keras.Model:
    """SGD with a decay, which is decoupled too."""
    return mlp(optimizers.SGD(0.03, momentum=0.9, weight_decay=0.05))


def rmsprop() -> keras.Model:
    """As it comes."""
    return mlp("rmsprop")


def rmsprop_centered() -> keras.Model:
    """Centred, with momentum."""
    return mlp(optimizers.RMSprop(0.002, rho=0.8, momentum=0.5, centered=True))


def adagrad() -> keras.Model:
    """As it comes."""
    return mlp(optimizers.Adagrad(0.01))


def adadelta() -> keras.Model:
    """At a rate that moves something."""
    return mlp(optimizers.Adadelta(0.5))


def adamax() -> keras.Model:
    """As it comes."""
    return mlp("adamax")


def nadam() -> keras.Model:
    """As it comes."""
    return mlp("nadam")


def lion() -> keras.Model:
    """As it comes."""
    return mlp(optimizers.Lion(0.001))


def clipnorm() -> keras.Model:
    """A norm for each variable."""
    return mlp(optimizers.SGD(0.05, clipnorm=0.3))


def global_clipnorm() -> keras.Model:
    """A norm for all variables."""
    return mlp(optimizers.SGD(0.05, global_clipnorm=0.3))


def clipvalue() -> keras.Model:
    """A bound for each entry."""
    return mlp(optimizers.Adam(0.002, clipvalue=0.1))


def frozen() -> keras.Model:
    """The first layer is not trained."""
    return mlp(optimizers.Adam(0.002), trainable=False)
