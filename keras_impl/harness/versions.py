"""What Keras 2 calls otherwise than Keras 3: an old program can be the reference of a check.

`parity record --keras-python` runs in the environment that old Keras code lives in. Only what
probing a model takes is here; the programs of this half are written for Keras 3.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

IS_KERAS_2 = keras.__version__.startswith("2.")
Layer: Any = keras.layers.Layer


class _NoOperation:
    """In Keras 2 every node of a model is a layer."""

    def __call__(self) -> None: ...


Operation: Any = _NoOperation if IS_KERAS_2 else keras.Operation


def use_float64() -> None:
    """Makes float64 the dtype of all layers that are built from here on."""
    keras.backend.set_floatx("float64")
    if IS_KERAS_2:
        keras.mixed_precision.set_global_policy("float64")
    else:
        keras.config.set_dtype_policy("float64")


def clear_session() -> None:
    """Forgets what was built before, and with it the numbers in names of layers."""
    (keras.backend if IS_KERAS_2 else keras.utils).clear_session()


def is_kerass_own(layer: Any) -> bool:
    """Whether a layer is one of Keras, and not of the user."""
    return type(layer).__module__.split(".")[0] in ("keras", "tf_keras")


def path_of(variable: Any) -> str:
    """Returns "conv1/kernel"."""
    return str(variable.name.partition(":")[0] if IS_KERAS_2 else variable.path)


def tensor_of(variable: Any) -> Any:
    """Returns what a gradient tape knows a variable by."""
    return variable if IS_KERAS_2 else variable.value


def tensors_of(node: Any) -> list[Any]:
    """Returns the symbolic tensors that a layer was called with."""
    found = node.keras_inputs if IS_KERAS_2 else node.arguments.keras_tensors
    return list(tf.nest.flatten(found))


def is_weight(variable: Any) -> bool:
    """Whether a variable is a weight, and not the state of a generator."""
    return "seed_generator" not in path_of(variable) and "float" in str(variable.dtype)


def loss_of(model: Any, y: Any, output: Any, sample_weight: Any) -> Any:
    """Returns the loss that training minimises, penalties included."""
    if IS_KERAS_2:
        weight = None if sample_weight is None else tf.constant(sample_weight)
        return model.compute_loss(None, tf.constant(y), output, weight)
    return model.compute_loss(y=y, y_pred=output, sample_weight=sample_weight, training=True)


def apply(optimizer: Any, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
    """Makes one step of an optimizer."""
    if IS_KERAS_2:
        optimizer.apply_gradients(list(zip(gradients, variables, strict=True)))
    else:
        optimizer.apply(list(gradients), list(variables))


def slots(optimizer: Any, variable: Any) -> list[tuple[str, Any]]:
    """Returns (name, value) of all that an optimizer keeps for a weight: ("momentum", ...).

    In Keras 2 their names do not tell what they are.
    """
    if IS_KERAS_2:
        return []
    marker = variable.path.replace("/", "_") + "_"
    named = [(slot.path.rpartition("/")[2], slot) for slot in optimizer.variables]
    return [
        (name.removeprefix(marker), slot)
        for name, slot in named
        if name.startswith(marker) and tuple(slot.shape) == tuple(variable.shape)
    ]


def is_training(layer: Any, keywords: Mapping[str, Any]) -> bool:
    """Whether a call is in train mode: as it is told, or as the call around it is."""
    if keywords.get("training") is not None:
        return bool(keywords["training"])
    if IS_KERAS_2:
        module = importlib.import_module("keras.src.engine.base_layer_utils")
        return bool(module.call_context().training)
    # Not set where no call around it was told, as when a Sequential builds itself.
    return bool(getattr(layer._get_call_context(), "training", None))


def dropped(layer: Any, x: Any) -> tuple[np.ndarray, Any]:
    """Returns what a dropout keeps in the call that comes next, and its output if it was called.

    Keras 3 has the state of a layer's stream in a variable, which is put back: the call is still to
    come. In Keras 2 the mask of a tensor of ones is the mask of the call, and the output follows.
    """
    ones = tf.ones_like(x)
    if IS_KERAS_2:
        scaled = layer.call(ones, training=True)
        return scaled.numpy() != 0, x * scaled
    state = layer.seed_generator.state
    before = state.numpy()
    kept = layer.call(ones, training=True).numpy() != 0
    state.assign(before)
    return np.asarray(kept), None


def depthwise(layer: Any, x: Any) -> Any:
    """Returns what a separable convolution computes before its pointwise part."""
    kernel, rank = layer.depthwise_kernel, len(layer.kernel_size)
    strides, dilation = tuple(layer.strides), tuple(layer.dilation_rate)
    padding = layer.padding
    if padding == "causal":  # of sequences only
        x = tf.pad(x, [[0, 0], [dilation[0] * (layer.kernel_size[0] - 1), 0], [0, 0]])
        padding = "valid"
    if not IS_KERAS_2:
        return keras.ops.depthwise_conv(
            x, kernel, strides=strides, padding=padding, dilation_rate=dilation
        )
    if rank == 1:
        x, kernel = x[:, None], kernel[None]
        strides, dilation = strides * 2, (1, *dilation)
    y = tf.nn.depthwise_conv2d(x, kernel, (1, *strides, 1), padding.upper(), dilations=dilation)
    return y[:, 0] if rank == 1 else y


@contextmanager
def moving_statistics(layer: Any, x: Any, is_active: bool) -> Iterator[None]:
    """Makes a batch normalisation move its statistics in float64 as the real program does.

    Of images Keras 2 keeps an unbiased variance: its fused kernel does, which exists in float32
    only (tensorflow#55545). In float64 it takes another way, with a biased variance and a momentum
    that is rounded to float32. Keras 3 has one way, and nothing is done.

    Args:
        layer: of any kind.
        x: what it is called with in the block.
        is_active: whether it is a batch normalisation in train mode.
    """
    if not (IS_KERAS_2 and is_active and layer.trainable):
        yield
        return
    mean, variance = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    yield
    values = np.asarray(x).reshape(-1, mean.shape[0])
    count, keep = len(values), float(layer.momentum)
    unbiased = count / max(count - 1, 1) if len(x.shape) == 4 else 1.0
    layer.moving_mean.assign(mean * keep + values.mean(0) * (1 - keep))
    layer.moving_variance.assign(variance * keep + values.var(0) * unbiased * (1 - keep))
