"""The network that a check compares, compiled.

PARITY_NETWORK is the name of its constructor, PARITY_CONFIG the file of its config.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import keras

from benchmarks.applications import networks


def build() -> keras.Model:
    """Returns the network as its constructor makes it, with a softmax."""
    config = json.loads(Path(os.environ["PARITY_CONFIG"]).read_text("utf-8"))["config"]
    _, *shape = config["layers"][0]["config"]["batch_shape"]
    model = networks.build(os.environ["PARITY_NETWORK"], [tuple(shape)])
    model.compile(
        keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model
