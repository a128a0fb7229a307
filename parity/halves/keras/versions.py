"""One interface to Keras 2 and Keras 3, so that an old program can be the reference of a check.

`parity record --keras-python` runs in the environment of the old Keras program. Here is only what
is needed to probe a model; the programs of this half are written for Keras 3.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

IS_KERAS_2 = keras.__version__.startswith("2.")
Layer: Any = keras.layers.Layer


class _NoOperation:
    """Stands in for Keras 3's Operation: in Keras 2 every node of a model is a layer."""

    def __call__(self) -> None: ...


Operation: Any = _NoOperation if IS_KERAS_2 else keras.Operation


def use_dtype(dtype: str) -> None:
    """Makes a dtype that of all layers that are built from now on."""
    keras.backend.set_floatx(dtype)
    if IS_KERAS_2:
        keras.mixed_precision.set_global_policy(dtype)
    else:
        keras.config.set_dtype_policy(dtype)


def global_policy() -> str:
    """Returns the name of the dtype policy of layers that ask for none."""
    policy = keras.mixed_precision.global_policy() if IS_KERAS_2 else keras.config.dtype_policy()
    return str(policy.name)


def autocast(dtype: str) -> Any:
    """Returns a context in which weights are read in another dtype. Keras 3 only."""
    return importlib.import_module("keras.src.backend").AutocastScope(dtype)


_ADAPTERS = "keras.src.trainers.data_adapters.array_data_adapter"


def are_arrays(given: Any) -> bool:
    """Whether `fit` takes a nest as arrays, whose samples it puts in an order. Keras 3 only."""
    return bool(importlib.import_module(_ADAPTERS).can_convert_arrays(given))


def image_module() -> Any:
    """Returns the module of ImageDataGenerator; None if this Keras has it elsewhere."""
    try:
        return importlib.import_module("keras.src.legacy.preprocessing.image")
    except ImportError:
        return None


def array_adapter(*arguments: Any, **keywords: Any) -> Any:
    """Returns what feeds arrays in `fit`. Keras 3 only."""
    return importlib.import_module(_ADAPTERS).ArrayDataAdapter(*arguments, **keywords)


def clear_session() -> None:
    """Forgets all models, and restarts the numbers in layer names."""
    (keras.backend if IS_KERAS_2 else keras.utils).clear_session()


def reseed(seed: int) -> None:
    """Restarts the generators that belong to no layer."""
    keras.utils.set_random_seed(seed)
    if not IS_KERAS_2:
        module = importlib.import_module("keras.src.random.seed_generator")
        module.global_seed_generator().state.assign([seed, 0])


def advance(model: Any, number: int) -> None:
    """Moves the generators of layers on, so that a layer with a seed of its own draws other masks.

    Args:
        model: was built and has drawn nothing yet.
        number: of draws that are left out; Keras 2 leaves out none.
    """
    for variable in () if IS_KERAS_2 or not number else model.variables:
        if "seed_generator" in path_of(variable) and tuple(variable.shape) == (2,):
            variable.assign(variable.numpy() + np.array([0, number], variable.dtype))


def is_from_keras(thing: Any) -> bool:
    """Whether a layer or an initialiser belongs to Keras and not to the user."""
    return type(thing).__module__.split(".")[0] in ("keras", "tf_keras")


def may_drop_samples(layer: Any) -> bool:
    """Whether a layer that draws may be stochastic depth: one of the user's or of applications."""
    return not is_from_keras(layer) or ".applications." in type(layer).__module__


def python_number(value: Any) -> Any:
    """Returns the number that a scalar of NumPy is; any other value as it is."""
    return value.item() if isinstance(value, np.generic) else value


def path_of(variable: Any) -> str:
    """Returns "conv1/kernel"."""
    return str(variable.name.partition(":")[0] if IS_KERAS_2 else variable.path)


def direct_weights(layer: Any) -> list[Any]:
    """Returns the weights that a layer or model holds itself, without those of inner layers."""
    ending = "weights" if IS_KERAS_2 else "variables"
    kinds = (f"_trainable_{ending}", f"_non_trainable_{ending}")
    return [variable for kind in kinds for variable in getattr(layer, kind)]


def tensor_of(variable: Any) -> Any:
    """Returns the object that a gradient tape watches for a variable."""
    return variable if IS_KERAS_2 else variable.value


def tensors_of(node: Any) -> list[Any]:
    """Returns the symbolic tensors that a layer was called with."""
    found = node.keras_inputs if IS_KERAS_2 else node.arguments.keras_tensors
    return list(tf.nest.flatten(found))


def is_weight(variable: Any) -> bool:
    """Whether a variable is a weight, and not the state of a generator or of a recurrent layer."""
    is_state = any(name in path_of(variable) for name in ("seed_generator", "rnn_state"))
    return not is_state and "float" in str(variable.dtype)


def _constant(array: Any) -> Any:
    return None if array is None else tf.constant(array)


def loss_of(model: Any, y: Any, output: Any, sample_weight: Any) -> Any:
    """Returns the loss that training minimises, with penalties."""
    if IS_KERAS_2:
        y, weight = (tf.nest.map_structure(_constant, nest) for nest in (y, sample_weight))
        return model.compute_loss(None, y, output, weight)
    return model.compute_loss(y=y, y_pred=output, sample_weight=sample_weight, training=True)


def loss_of_output(loss: Any, y: Any, output: Any) -> Callable[[Any], Any]:
    """Returns what computes the loss of one output from the weights of its samples, or None.

    Args:
        loss: as `compile` takes it.
        y: targets of the output.
        output: of the model.
    """
    if IS_KERAS_2:
        made: Any = importlib.import_module("keras.src.engine.compile_utils").LossesContainer(loss)
        return lambda weight: made(tf.constant(y), output, weight)
    module = importlib.import_module("keras.src.trainers.compile_utils")
    found = module.get_loss(loss, y, output)
    return lambda weight: found(y, output, weight)


def apply(optimizer: Any, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
    """Makes one step of an optimizer.

    Args:
        optimizer: that steps; it divides by its `loss_scale_factor`.
        gradients: of the loss as it is, so without that factor.
        variables: one for each gradient.
    """
    if IS_KERAS_2:
        optimizer.apply_gradients(list(zip(gradients, variables, strict=True)))
        return
    if factor := getattr(optimizer, "loss_scale_factor", None):
        gradients = [gradient * factor for gradient in gradients]
    optimizer.apply(list(gradients), list(variables))


def build_optimizer(optimizer: Any, variables: Sequence[Any]) -> None:
    """Creates the slots of an optimizer, which its first step would create."""
    build = getattr(optimizer, "build", None) or optimizer._create_all_weights  # legacy in Keras 2
    build(list(variables))


def state_of(optimizer: Any) -> list[Any]:
    """Returns all that an optimizer keeps: counter, rate, and the slots of all weights."""
    found = optimizer.variables
    return list(found() if callable(found) else found)


def slots(optimizer: Any, variable: Any) -> list[tuple[str, Any]]:
    """Returns (name, value) of everything an optimizer keeps for a weight: ("momentum", ...).

    The names in Keras 2 do not say what a slot is.
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
    """Whether a call is in train mode, by its own argument or by that of the outer call."""
    if keywords.get("training") is not None:
        return bool(keywords["training"])
    if IS_KERAS_2:
        module = importlib.import_module("keras.src.engine.base_layer_utils")
        return bool(module.call_context().training)
    # Not set if no outer call had the argument, for example when a Sequential builds itself.
    return bool(getattr(layer._get_call_context(), "training", None))


def used_masks(layer: Any, arguments: Any, keywords: Mapping[str, Any]) -> list[Any]:
    """Returns the masks of sequences that a call takes into account, or may take."""
    if IS_KERAS_2:
        takes = bool(getattr(layer, "_expects_mask_arg", False))
    else:
        takes = any(name.endswith("mask") for name in layer.call_signature_parameters)
    if not takes:
        return []
    given = [keywords[name] for name in keywords if name.endswith("mask")]
    found = [value for value in tf.nest.flatten(given) if tf.is_tensor(value)]
    return found or [
        mask for v in tf.nest.flatten((arguments, keywords)) if (mask := mask_of(v)) is not None
    ]


def mask_of(value: Any) -> Any:
    """Returns the mask of a sequence that a tensor carries; None if it carries none."""
    return getattr(value, "_keras_mask", None)


def with_masks_of(made: Any, output: Any) -> Any:
    """Returns tensors that carry the masks of others in their place."""
    for tensor, other in zip(tf.nest.flatten(made), tf.nest.flatten(output), strict=True):
        if (mask := mask_of(other)) is not None and tensor is not other:
            tensor._keras_mask = mask
    return made


@contextmanager
def watched_operations(note: Callable[[str, Any, Any, Any], None]) -> Iterator[None]:
    """Tells kind, inputs, settings and outputs of every operation in the block, but in a graph.

    The settings are names and values by turns.
    """

    def watch(kind: Any, inputs: Any, settings: Any, outputs: Any, *_: Any, **__: Any) -> None:
        note(kind.decode() if isinstance(kind, bytes) else kind, inputs, settings, outputs)

    callbacks = importlib.import_module("tensorflow.python.framework.op_callbacks")
    callbacks.add_op_callback(watch)
    try:
        yield
    finally:
        callbacks.remove_op_callback(watch)


@contextmanager
def epsilon_times(factor: float) -> Iterator[None]:
    """Multiplies what Keras adds to denominators, 1e-7. Keras 3 only, but for a factor of 1."""
    if factor == 1:
        yield
        return
    before = keras.config.epsilon()
    keras.config.set_epsilon(before * factor)
    try:
        yield
    finally:
        keras.config.set_epsilon(before)


@contextmanager
def top_k_in_float32() -> Iterator[None]:
    """Gives metrics of the k greatest outputs in float32, which TensorFlow has no other kernel for.

    Keras 3 only.
    """
    module: Any = importlib.import_module("keras.src.backend.tensorflow.math")
    before = module.in_top_k
    module.in_top_k = lambda y, output, k: before(y, tf.cast(output, tf.float32), k)
    try:
        yield
    finally:
        module.in_top_k = before


def dropped(layer: Any, x: Any, tries: int = 1) -> tuple[np.ndarray, Any]:
    """Returns what a dropout keeps in its next call, and the output if that call was made here.

    Keras 3 keeps the state of a layer's random stream in a variable. It is restored here, so that
    the call itself still follows. Keras 2 cannot do that: here the call is made on ones for the
    mask, and the output is computed from the mask.

    Args:
        layer: a dropout.
        x: its input.
        tries: masks that may be drawn, of which the first is used that drops something and keeps
            something. Keras 2 draws one.
    """
    ones = tf.ones_like(x)
    if IS_KERAS_2:
        scaled = layer.call(ones, training=True)
        return scaled.numpy() != 0, x * scaled
    state = layer.seed_generator.state
    before = state.numpy()
    for number in range(tries):
        start = before + np.array([0, number], before.dtype)
        state.assign(start)
        kept = np.asarray(layer.call(ones, training=True).numpy() != 0)
        if kept.any() and not kept.all():
            break
    state.assign(start)
    return kept, None


# What a dropped value becomes in AlphaDropout.
_ALPHA = -1.6732632423543772 * 1.0507009873554805


def drawn_noise(layer: Any, kind: str, x: Any) -> np.ndarray:
    """Returns what a layer draws in its next call, which still follows. Keras 3 only.

    Args:
        layer: of the kind.
        kind: "gaussian_noise" and "gaussian_dropout": standard normal numbers; "alpha_dropout": a
            mask, true where a value is kept.
        x: input of the layer.
    """
    state = layer.seed_generator.state
    before = state.numpy()
    is_noise = kind == "gaussian_noise"
    given = tf.zeros_like(x) if is_noise else tf.ones_like(x)
    made = np.asarray(layer.call(given, training=True), np.float64)
    state.assign(before)
    if is_noise:
        return np.asarray(made / float(layer.stddev))
    rate = float(layer.rate)
    if kind == "gaussian_dropout":
        return np.asarray((made - 1) / np.sqrt(rate / (1 - rate)))
    scale = ((1 - rate) * (1 + rate * _ALPHA**2)) ** -0.5
    return np.asarray(made > scale * ((1 + _ALPHA) / 2 - _ALPHA * rate))


def depthwise(layer: Any, x: Any) -> Any:
    """Returns the output of a separable convolution before its pointwise part."""
    kernel, rank = layer.depthwise_kernel, len(layer.kernel_size)
    strides, dilation = tuple(layer.strides), tuple(layer.dilation_rate)
    padding = layer.padding
    if padding == "causal":  # for sequences only
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

    For images, Keras 2 keeps an unbiased variance, since its fused kernel does. That kernel exists
    in float32 only (tensorflow#55545). In float64 Keras 2 uses another implementation, with a
    biased variance and a momentum that is rounded to float32. Keras 3 has one implementation, and
    nothing is done.

    Args:
        layer: a layer of any kind.
        x: its input in the block.
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
