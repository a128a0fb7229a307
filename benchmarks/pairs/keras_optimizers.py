"""Keras models with one optimizer each."""

from __future__ import annotations

from keras import constraints, optimizers

from benchmarks.pairs.keras_net import mlp

globals().update(
    sgd=lambda: mlp(optimizers.SGD(0.03)),
    momentum=lambda: mlp(optimizers.SGD(0.03, momentum=0.9)),  # With momentum.
    # With Nesterov's momentum.
    nesterov=lambda: mlp(optimizers.SGD(0.03, momentum=0.8, nesterov=True)),
    adam=lambda: mlp("adam"),
    # Another variant and other constants.
    amsgrad=lambda: mlp(
        optimizers.Adam(0.004, beta_1=0.8, beta_2=0.99, epsilon=1e-5, amsgrad=True)
    ),
    adamw=lambda: mlp(optimizers.AdamW(0.002)),
    # Adam with weight decay, which is decoupled too.
    adam_decay=lambda: mlp(optimizers.Adam(0.002, weight_decay=0.03)),
    # SGD with weight decay, which is decoupled too.
    sgd_decay=lambda: mlp(optimizers.SGD(0.03, momentum=0.9, weight_decay=0.05)),
    rmsprop=lambda: mlp("rmsprop"),
    # Centred, with momentum.
    rmsprop_centered=lambda: mlp(optimizers.RMSprop(0.002, rho=0.8, momentum=0.5, centered=True)),
    adagrad=lambda: mlp(optimizers.Adagrad(0.01)),
    adadelta=lambda: mlp(optimizers.Adadelta(0.5)),  # At a rate that is high enough.
    adamax=lambda: mlp("adamax"),
    nadam=lambda: mlp("nadam"),
    lion=lambda: mlp(optimizers.Lion(0.001)),
    clipnorm=lambda: mlp(optimizers.SGD(0.05, clipnorm=0.3)),  # A norm for each variable.
    # A norm for all variables.
    global_clipnorm=lambda: mlp(optimizers.SGD(0.05, global_clipnorm=0.3)),
    clipvalue=lambda: mlp(optimizers.Adam(0.002, clipvalue=0.1)),  # A bound for each entry.
    # The inputs of each unit have a norm of at most 0.7.
    constrained=lambda: mlp(optimizers.SGD(0.05), kernel_constraint=constraints.MaxNorm(0.7)),
    frozen=lambda: mlp(optimizers.Adam(0.002), trainable=False),  # The first layer is not trained.
)
