"""Keras models around one optimizer each."""

from __future__ import annotations

from keras import optimizers

from benchmarks.pairs.factories import factories
from benchmarks.pairs.keras_net import mlp

globals().update(
    factories(
        sgd=("Plain.", lambda: mlp(optimizers.SGD(0.03))),
        momentum=("With momentum.", lambda: mlp(optimizers.SGD(0.03, momentum=0.9))),
        nesterov=(
            "With Nesterov's momentum.",
            lambda: mlp(optimizers.SGD(0.03, momentum=0.8, nesterov=True)),
        ),
        adam=("As it comes.", lambda: mlp("adam")),
        amsgrad=(
            "Another variant and other constants.",
            lambda: mlp(
                optimizers.Adam(0.004, beta_1=0.8, beta_2=0.99, epsilon=1e-5, amsgrad=True)
            ),
        ),
        adamw=("As it comes.", lambda: mlp(optimizers.AdamW(0.002))),
        adam_decay=(
            "Adam with a decay, which is decoupled too.",
            lambda: mlp(optimizers.Adam(0.002, weight_decay=0.03)),
        ),
        sgd_decay=(
            "SGD with a decay, which is decoupled too.",
            lambda: mlp(optimizers.SGD(0.03, momentum=0.9, weight_decay=0.05)),
        ),
        rmsprop=("As it comes.", lambda: mlp("rmsprop")),
        rmsprop_centered=(
            "Centred, with momentum.",
            lambda: mlp(optimizers.RMSprop(0.002, rho=0.8, momentum=0.5, centered=True)),
        ),
        adagrad=("As it comes.", lambda: mlp(optimizers.Adagrad(0.01))),
        adadelta=("At a rate that moves something.", lambda: mlp(optimizers.Adadelta(0.5))),
        adamax=("As it comes.", lambda: mlp("adamax")),
        nadam=("As it comes.", lambda: mlp("nadam")),
        lion=("As it comes.", lambda: mlp(optimizers.Lion(0.001))),
        clipnorm=("A norm for each variable.", lambda: mlp(optimizers.SGD(0.05, clipnorm=0.3))),
        global_clipnorm=(
            "A norm for all variables.",
            lambda: mlp(optimizers.SGD(0.05, global_clipnorm=0.3)),
        ),
        clipvalue=("A bound for each entry.", lambda: mlp(optimizers.Adam(0.002, clipvalue=0.1))),
        frozen=(
            "The first layer is not trained.",
            lambda: mlp(optimizers.Adam(0.002), trainable=False),
        ),
    )
)
