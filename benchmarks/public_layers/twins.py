"""How far the twin of a setting is from Keras: outputs, gradients, weights after steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import torch

from benchmarks.public_layers.functions import CUSTOM
from benchmarks.public_layers.models import bare
from benchmarks.public_layers.setting import Given, Setting
from parity.halves.keras import float64
from torch_impl import from_keras_config
from torch_impl.keras_config import KerasModel
from torch_impl.weights import read

# Relative to the largest value, or to SMALLEST if that is less: behind a saturated softmax a
# gradient is the difference of numbers near 1, and rounding in it is 1e-15 (measured).
BAR, SMALLEST = 1e-12, 1e-2
# Of what TensorFlow computes in float32, whatever the dtype of its input.
FLOAT32_BAR = 2e-6
_RATE = 0.002  # small: with larger steps, some of these models diverge


def differences(setting: Setting) -> dict[str, float]:
    """Returns the greatest difference of each array, relative to its largest value.

    Keras's model and its twin make four steps, in eval and train mode, with batches of 1 and 3.

    Raises:
        NoTwinError: the model has no twin.
    """
    float64.install_pools()
    float64.install()
    keras.utils.clear_session()
    keras.config.set_floatx(setting.dtype)
    keras.config.set_dtype_policy(setting.dtype)
    try:
        model = bare(setting)
        _fill(model)
        twin = from_keras_config(model.to_json(), CUSTOM)
        twin.load_keras_weights(_named(model))
        found: dict[str, float] = {}
        modes = [(1, False), (3, setting.is_drawn_alike), (1, setting.is_drawn_alike), (3, False)]
        for number, (batch, training) in enumerate(modes):
            arrays = [
                values(given, batch, number + 10 * n, setting.dtype)
                for n, given in enumerate(setting.given)
            ]
            for name, value in _step(model, twin, arrays, training):
                found[name] = max(value, found.get(name, 0.0))
        own = twin.keras_weights().values()
        for mine, (path, theirs) in zip(own, _named(model).items(), strict=True):
            found[f"{path} after the steps"] = _difference(mine, theirs)
        return found
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


def values(given: Given, batch: int, seed: int, dtype: str) -> np.ndarray:
    """Returns drawn values of an input; some steps of a masked one are zero.

    Args:
        given: the input.
        batch: number of samples.
        seed: of the numbers.
        dtype: of real numbers.
    """
    draw = np.random.default_rng(seed)
    if given.high is not None:
        return draw.integers(0, given.high, (batch, *given.shape))
    made = draw.normal(size=(batch, *given.shape)).astype(dtype)
    if given.is_masked:
        hidden = draw.random(made.shape[:2]) < 0.4
        hidden[:, 1] = False  # every sequence has a step
        made[hidden] = 0
    return made


def _named(model: keras.Model) -> dict[str, np.ndarray]:
    return {
        weight.path: weight.numpy()
        for weight in model.weights
        if not weight.path.endswith("seed_generator_state")
    }


def _fill(model: keras.Model) -> None:
    """Gives the model drawn weights; variances and similar ones are positive."""
    for number, weight in enumerate(model.weights):
        if weight.path.endswith(("seed_generator_state", "count")):
            continue
        # With larger ones, attention saturates and recurrent states grow: rounding grows with them.
        array = np.random.default_rng(50 + number).normal(size=weight.shape) * 0.4
        is_positive = weight.name in ("moving_variance", "variance")
        weight.assign(np.abs(array) * 1e-2 + 1e-3 if is_positive else array)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # Keras computes with a copy of the weights


def _step(
    model: keras.Model, twin: KerasModel, arrays: list[np.ndarray], training: bool
) -> Iterator[tuple[str, float]]:
    """Makes one plain step of both; yields what differs by how much."""
    constants = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(constants)
        theirs = _flat(model(constants if len(constants) > 1 else constants[0], training=training))
        upstream = [
            np.random.default_rng(80 + n).normal(size=y.shape) for n, y in enumerate(theirs)
        ]
        total = sum(
            tf.reduce_sum(tf.cast(y, tf.float64) * u) for y, u in zip(theirs, upstream, strict=True)
        )
        if model.losses:
            total += tf.cast(
                tf.add_n([tf.cast(loss, tf.float64) for loss in model.losses]), "float64"
            )
    weights = model.trainable_weights
    gradients = tape.gradient(total, [constants, [w.value for w in weights]])
    tensors = [torch.tensor(array) for array in arrays]
    for tensor in tensors:
        tensor.requires_grad_(tensor.is_floating_point())
    twin.train(training).zero_grad()
    ours = _flat(twin(tensors))
    loss: Any = sum(
        (y.double() * torch.tensor(u)).sum() for y, u in zip(ours, upstream, strict=True)
    )
    loss = loss + sum(term.double() for term in twin.penalty.terms())
    if loss.requires_grad:
        loss.backward()
    for n, (mine, his) in enumerate(zip(ours, theirs, strict=True)):
        yield f"output {n}", _difference(mine.detach().numpy(), his.numpy())
    for n, (tensor, gradient) in enumerate(zip(tensors, gradients[0], strict=True)):
        if gradient is not None:
            mine = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
            yield f"gradient of input {n}", _difference(mine.numpy(), _dense(gradient))
    for parameter in twin.parameters():
        if parameter.requires_grad and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    own = list(read(twin, gradient=True).values())
    largest = max((float(np.max(np.abs(array))) for array in own), default=0.0)
    for weight, mine, gradient in zip(weights, own, gradients[1], strict=True):
        dense = np.zeros(weight.shape) if gradient is None else _dense(gradient)
        # That of a key's bias is rounding alone: it adds the same to all scores of a query.
        least = largest if weight.path.endswith("key/bias") else SMALLEST
        yield f"gradient of {weight.path}", _difference(mine, dense, least)
        weight.assign(weight.numpy() - _RATE * dense)
    with torch.no_grad():
        for parameter in twin.parameters():
            if parameter.requires_grad and parameter.grad is not None:
                parameter.sub_(_RATE * parameter.grad)
    twin.constrain()
    for weight in weights:
        if weight.constraint is not None:
            weight.assign(weight.constraint(weight))


def _dense(gradient: Any) -> np.ndarray:
    array: np.ndarray = tf.convert_to_tensor(gradient).numpy()
    return array


def _difference(ours: np.ndarray, theirs: np.ndarray, least: float = SMALLEST) -> float:
    if ours.shape != theirs.shape:
        raise ValueError(f"the twin's shape is {ours.shape}: expected Keras's, {theirs.shape}")
    if not theirs.size:
        return 0.0
    largest = max(float(np.max(np.abs(theirs))), least)
    found = float(np.max(np.abs(ours.astype(np.float64) - theirs.astype(np.float64)))) / largest
    return found if np.isfinite(found) else np.inf


def _flat(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]
