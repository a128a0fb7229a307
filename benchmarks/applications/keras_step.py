"""What one network of keras.applications computes in float64: outputs, and one training step.

A step is of plain SGD, which moves a weight by its gradient; Adam would move one whose gradient is
nothing but rounding as far as any other. All is written to a folder (`arrays`), and each array
leaves the memory then.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from benchmarks.applications.arrays import Arrays
from benchmarks.applications.networks import batch, build, comparable_config, network, randomise
from parity.halves.keras.kernels import quick_grouped_convolutions

RATE = 0.01


def in_float64() -> None:
    """Lets Keras compute in float64 from now on, in one thread."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def write_step(model: keras.Model, folder: Path) -> None:
    """Writes what a network with random weights computes.

    `weights`, `output`, `gradient` and `stepped`, the weights after the step, are Keras's own.
    `moved.…` are what it computes if every pixel moves by its last bit: `moved.stepped` has the
    weights that no gradient moves, the statistics of normalisations.

    Args:
        model: a network of `networks.network`.
        folder: of the arrays.
    """
    x, y = batch(model)
    randomise(model, x)
    arrays = Arrays(folder)
    arrays.put("batch", "x", x)
    arrays.put("batch", "y", y)
    arrays.put("batch", "paths", np.array([weight.path for weight in model.weights]))
    for weight in model.weights:
        arrays.put("weights", weight.path, weight.numpy())
    arrays.put("output", "eval", model(x, training=False).numpy())
    trained = {id(v) for v in model.trainable_variables}
    kept = [(v, v.numpy()) for v in model.variables if id(v) not in trained]
    output, gradients = _gradients(model, np.nextafter(x, np.inf), y)
    arrays.put("moved.output", "train", output)
    _put_all(arrays, "moved.gradient", model, gradients)
    del gradients
    for weight in model.weights:
        if id(weight) not in trained:
            arrays.put("moved.stepped", weight.path, weight.numpy())
    for variable, value in kept:
        variable.assign(value)
    output, gradients = _gradients(model, x, y)
    arrays.put("output", "train", output)
    _put_all(arrays, "gradient", model, gradients)
    keras.optimizers.SGD(RATE).apply(gradients, model.trainable_variables)
    for weight in model.weights:
        arrays.put("stepped", weight.path, weight.numpy())


def _gradients(
    model: keras.Model, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, list[tf.Tensor]]:
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with tf.GradientTape() as tape:
        output = model(x, training=True)
        loss = loss_of(y, output)
    gradients = tape.gradient(loss, [w.value for w in model.trainable_variables])
    return output.numpy(), list(gradients)


def _put_all(arrays: Arrays, kind: str, model: keras.Model, tensors: list[tf.Tensor]) -> None:
    for weight, tensor in zip(model.trainable_variables, tensors, strict=True):
        arrays.put(kind, weight.path, tensor.numpy())


def write_config(model: keras.Model, folder: Path) -> dict[str, Any]:
    """Writes the config of a network and its size, and returns the config that is compared."""
    (folder / "config.json").write_text(model.to_json(), encoding="utf-8")
    size = {"parameters": model.count_params(), "shape": model.input_shape[1:3]}
    (folder / "size.json").write_text(json.dumps(size), encoding="utf-8")
    config = comparable_config(model)
    (folder / "comparable.json").write_text(json.dumps({"config": config}), encoding="utf-8")
    return config


def main(name: str, folder: Path, *, with_step: bool) -> None:
    """Writes the configs of a network, and what it computes."""
    in_float64()
    config = write_config(build(name), folder)
    keras.backend.clear_session()
    if with_step:
        with quick_grouped_convolutions():
            write_step(network(config), folder / "step")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), with_step=sys.argv[3:] == ["step"])
