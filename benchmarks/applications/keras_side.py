"""The network that a check compares, compiled; PARITY_NETWORK is the name of its constructor."""

from __future__ import annotations

import os

import keras

from benchmarks.applications import networks


def build() -> keras.Model:
    """Returns the network as its constructor makes it, with a softmax."""
    model = networks.build(os.environ["PARITY_NETWORK"])
    model.compile(
        keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model
