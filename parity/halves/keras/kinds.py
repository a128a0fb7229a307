"""The kind of a Keras layer, as both halves call it, and the settings that it has."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from parity.halves.keras import versions
from parity.halves.keras.random_layers import RANDOM_IMAGE, is_random_image
from parity.ladder.rounding import NOISE_FACTOR

if TYPE_CHECKING:
    from parity.halves.keras.call import Calls


# --------------------------------------------------------------------------------------------------
#
# The calls of which a MultiHeadAttention or GroupQueryAttention consists, as ports write them.
#
# A port has four dense layers, a softmax and a dropout where Keras has one layer. So such a layer
# is watched from inside: its projections count as dense layers, with heads and their size in one
# axis, and the weights of attention, after the softmax, as a call of kind "attention".


_CLASSES = tuple(
    getattr(keras.layers, name)
    for name in ("MultiHeadAttention", "GroupQueryAttention")
    if hasattr(keras.layers, name) and not versions.IS_KERAS_2
)
_DENSE = ("query", "key", "value", "attention_output")
_SCALES = ("_inverse_sqrt_key_dim", "_inverse_sqrt_head_dim")
_MASKED = -1e9  # a masked score, which leaves nothing after the softmax


@dataclass
class Attention:
    """One call of such a layer.

    Attributes:
        name: of the call.
        layer: that is called.
        flat: outputs of the projections, (N, T, heads * size), by their names.
        has_weights: whether its softmax was noted.
    """

    name: str
    layer: Any
    flat: dict[str, Any] = field(default_factory=dict)
    has_weights: bool = False


def is_watched(layer: Any) -> bool:
    """Whether a layer is watched from inside: one of Keras's own, over one axis, without a gate."""
    if type(layer) not in _CLASSES or not layer.built:
        return False
    is_gated = getattr(layer, "_use_gate", False) or getattr(layer, "use_gate", False)
    axes = getattr(layer, "_attention_axes", None) or (1,)
    shape = getattr(layer, "_output_shape", None) or (1,)
    return not is_gated and tuple(axes) == (1,) and len(shape) == 1


def role_of(attention: Attention, layer: Any) -> str:
    """Returns what an inner layer is: a name of `_DENSE`, "softmax", "dropout", or ""."""
    parent = attention.layer
    for name in _DENSE:
        attribute = "_output_dense" if name == "attention_output" else f"_{name}_dense"
        if getattr(parent, attribute, None) is layer:
            return name
    for name, attribute in (("softmax", "_softmax"), ("dropout", "_dropout_layer")):
        if getattr(parent, attribute, None) is layer:
            return name
    return ""


def settings_of(attention: Attention, role: str) -> dict[str, Any]:
    """Returns what a port must know of a part: which it is, the heads, the factor of the scores."""
    layer = attention.layer
    heads = getattr(layer, "_num_heads", getattr(layer, "num_query_heads", 1))
    shared = getattr(layer, "num_key_value_heads", heads)
    kernel = layer._query_dense.kernel
    return {
        "attention": attention.name,
        "part": role,
        **({} if role == "softmax" else {"kernel_inputs": 2 if role == "attention_output" else 1}),
        "num_heads": int(shared if role in ("key", "value") else heads),
        "num_groups": int(shared),
        "scale": scale_of(layer),
        "model_dim": int(kernel.shape[0]),
    }


def scale_of(layer: Any) -> float:
    """Returns the factor of the scores, as Keras casts it."""
    value = next(getattr(layer, name) for name in _SCALES if hasattr(layer, name))
    return float(value) if isinstance(value, np.float64) else float(np.float32(value))


def perturb_scale(layer: Any) -> None:
    """Moves the factor of the scores towards what it is without the cast through float32.

    Keras casts a number of Python through float32, in float64 runs too, but not an np.float64. The
    noise that this leaves, times what a port may differ by, is twice the difference.
    """
    if type(layer) not in _CLASSES:
        return
    for name in _SCALES:
        if isinstance(value := getattr(layer, name, None), float):
            rounded = float(np.float32(value))
            moved = rounded + (value - rounded) * 2 / NOISE_FACTOR
            setattr(layer, name, np.float64(moved))


def flat(x: Any) -> Any:
    """Returns (N, T, heads, size) as (N, T, heads * size)."""
    return tf.reshape(x, [*x.shape[:-2], x.shape[-2] * x.shape[-1]])


@contextmanager
def watched_weights(calls: Calls, note: Callable[[Attention, Any], None]) -> Iterator[None]:
    """Tells the weights of attention of calls whose softmax is inside of one operation."""
    found = {kind: kind._compute_attention for kind in _CLASSES}

    def watched(original: Any) -> Any:
        names = inspect.signature(original)

        def compute(self: Any, *arguments: Any, **keywords: Any) -> Any:
            result = original(self, *arguments, **keywords)
            attention = calls.attention
            if attention is not None and attention.layer is self and not attention.has_weights:
                given = names.bind(self, *arguments, **keywords)
                given.apply_defaults()
                note(attention, _weights(self, given.arguments))
            return result

        return compute

    for kind, original in found.items():
        kind._compute_attention = watched(original)
    try:
        yield
    finally:
        for kind, original in found.items():
            kind._compute_attention = original


def _weights(layer: Any, given: Any) -> Any:
    """Returns softmax(query key^T scale), (N, heads, T, S), of projected tensors."""
    query, key, mask = given["query"], given["key"], given["attention_mask"]
    scores = tf.einsum("btnh,bsnh->bnts", query, key) * tf.cast(scale_of(layer), query.dtype)
    allowed = tf.ones_like(scores, dtype=tf.bool)
    if mask is not None:
        mask = tf.cast(mask, tf.bool)
        allowed = allowed & (mask if len(mask.shape) == 4 else mask[:, None])
    if given.get("use_causal_mask"):
        allowed = tf.linalg.band_part(allowed, -1, 0)
    return tf.nn.softmax(tf.where(allowed, scores, tf.cast(_MASKED, scores.dtype)))


def kernel_inputs(layer: keras.Layer) -> int:
    """Returns how many axes of the kernel of an EinsumDense are those of its input.

    They come first, and both input and output end with theirs: then it is a dense layer whose
    features are several axes. 0 for any other equation.
    """
    given, _, rest = str(layer.equation).replace(" ", "").replace("...", "").partition(",")
    kernel, _, made = rest.partition("->")
    summed = [letter for letter in kernel if letter in given and letter not in made]
    free = [letter for letter in kernel if letter not in given]
    order = "".join([*summed, *free])
    ends = given.endswith("".join(summed)) and made.endswith("".join(free))
    return len(summed) if order == kernel and summed and free and ends else 0


# --- The kind of a Keras layer, as both halves call it: "conv", "dense", "activation:relu" --------
#
# A layer, an activation or an operation goes in, its kind comes out. `parity/halves/torch/kinds.py`
# uses the same words for torch's modules and functions.


def _by_name(table: str) -> dict[str, str]:
    """Reads rows "kind: names" into a dictionary name -> kind."""
    rows = [line.strip().rsplit(": ", 1) for line in table.strip().splitlines()]
    return {name: kind for kind, names in rows for name in names.split()}


# Keras class -> kind, the word that both halves share. An activation is "activation:NAME".
_LAYERS = _by_name("""
    conv: Conv1D Conv2D Conv3D
    depthwise_conv: DepthwiseConv1D DepthwiseConv2D
    separable_conv: SeparableConv1D SeparableConv2D
    conv_transpose: Conv1DTranspose Conv2DTranspose Conv3DTranspose
    dense: Dense
    batch_norm: BatchNormalization
    layer_norm: LayerNormalization
    group_norm: GroupNormalization
    rms_norm: RMSNormalization
    unit_norm: UnitNormalization
    embedding: Embedding
    lstm: LSTM
    gru: GRU
    simple_rnn: SimpleRNN
    bidirectional: Bidirectional
    conv_lstm: ConvLSTM1D ConvLSTM2D ConvLSTM3D
    max_pool: MaxPooling1D MaxPooling2D MaxPooling3D
    average_pool: AveragePooling1D AveragePooling2D AveragePooling3D
    global_max_pool: GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
    global_average_pool: GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
    adaptive_max_pool: AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D
    adaptive_average_pool: AdaptiveAveragePooling1D AdaptiveAveragePooling2D
    adaptive_average_pool: AdaptiveAveragePooling3D
    flatten: Flatten
    reshape: Reshape
    permute: Permute
    repeat: RepeatVector
    zero_padding: ZeroPadding1D ZeroPadding2D ZeroPadding3D
    cropping: Cropping1D Cropping2D Cropping3D
    upsampling: UpSampling1D UpSampling2D UpSampling3D
    dropout: Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D
    add: Add
    subtract: Subtract
    multiply: Multiply
    average: Average
    maximum: Maximum
    minimum: Minimum
    concatenate: Concatenate
    dot: Dot
    alpha_dropout: AlphaDropout
    gaussian_dropout: GaussianDropout
    gaussian_noise: GaussianNoise
    discretization: Discretization
    resizing: Resizing CenterCrop
    stft_spectrogram: STFTSpectrogram
    mel_spectrogram: MelSpectrogram
    rescaling: Rescaling
    normalization: Normalization
    prelu: PReLU
    activation:leaky_relu: LeakyReLU
    activation:relu: ReLU
    activation:elu: ELU
    activation:softmax: Softmax
""")
RECURRENT = ("lstm", "gru", "simple_rnn")  # of one direction
_CELLS = ("LSTM", "GRU", "SimpleRNN")
# Operation that is not a layer -> kind.
_OPERATIONS = _by_name("""
    add: Add
    subtract: Subtract
    multiply: Multiply
    maximum: Maximum
    minimum: Minimum
    concatenate: Concatenate
    activation:relu: Relu
    activation:relu6: Relu6
    activation:leaky_relu: LeakyRelu
    activation:elu: Elu
    activation:celu: Celu
    activation:glu: Glu
    activation:selu: Selu
    activation:gelu: Gelu
    activation:silu: Silu
    activation:softplus: Softplus
    activation:softsign: Softsign
    activation:hard_sigmoid: HardSigmoid
    activation:hard_silu: HardSilu
    activation:hard_tanh: HardTanh
    activation:hard_shrink: HardShrink
    activation:soft_shrink: SoftShrink
    activation:tanh_shrink: TanhShrink
    activation:log_sigmoid: LogSigmoid
    activation:log_softmax: LogSoftmax
    activation:mish: Mish
    activation:threshold: Threshold
    activation:sigmoid: Sigmoid
    activation:tanh: Tanh
    activation:softmax: Softmax
    reshape: Reshape
""")


def kind_of(layer: keras.Layer) -> str:
    """Returns the kind of a layer, or "unknown:CLASS" if there is no word for it."""
    name = type(layer).__name__
    if name == "Activation":
        return activation_kind(layer.activation)
    if name == "RNN" and versions.is_from_keras(layer):
        name = type(layer.cell).__name__.removesuffix("Cell")
        is_known = name in _CELLS and versions.is_from_keras(layer.cell)
        return _LAYERS[name] if is_known else "unknown:RNN"
    if name == "EinsumDense" and versions.is_from_keras(layer) and kernel_inputs(layer):
        return "dense"
    if name not in _LAYERS or not versions.is_from_keras(layer):
        return f"{RANDOM_IMAGE if is_random_image(layer) else 'unknown:'}{name}"
    if name == "ReLU" and not layer.threshold:
        if layer.negative_slope:
            return _LAYERS[name] if layer.max_value else "activation:leaky_relu"
        return "activation:relu6" if layer.max_value == 6 else _LAYERS[name]
    return _LAYERS[name]


def activation_kind(activation: Any) -> str:
    """Returns the kind of an activation, which is a function or a layer."""
    while isinstance(activation, functools.partial):
        activation = activation.func
    if isinstance(activation, versions.Layer):
        kind = kind_of(activation)
        if not kind.startswith("unknown:"):
            return kind
    name = getattr(activation, "__name__", type(activation).__name__)
    return f"activation:{name}"


def kind_of_operation(operation: Any) -> str:
    """Returns the kind of an operation that is not a layer, or "unknown:CLASS"."""
    name = type(operation).__name__
    return _OPERATIONS.get(name, f"unknown:{name}")


def is_container(layer: keras.Layer) -> bool:
    """Whether a layer only calls others: a model, a Pipeline, a user's layer with inner layers."""
    if isinstance(layer, keras.Model):
        return True
    if type(layer).__name__ == "Pipeline" and versions.is_from_keras(layer):
        return True
    return not versions.is_from_keras(layer) and bool(
        layer._flatten_layers(include_self=False, recursive=False)
    )


# --- The plain values of the configuration of a layer, an operation or an activation --------------


_CONSTANTS = ("alpha", "negative_slope")  # of activations


def plain_config(layer: keras.Layer) -> dict[str, Any]:
    """Returns the plain values of a layer's configuration, with initialisers and regularisers."""
    try:
        config = layer.get_config()
    except (NotImplementedError, TypeError, ValueError):  # a user's layer may lack one
        return {}
    if kind_of(layer) in RECURRENT and isinstance(config.get("cell"), dict):
        config = {**config["cell"]["config"], **config}  # of an RNN with one cell
    plain = _plain_values(config)
    if type(layer).__name__ == "EinsumDense":
        plain["kernel_inputs"] = kernel_inputs(layer)
    return plain


def operation_config(operation: Any) -> dict[str, Any]:
    """Returns the constants of an operation that is an activation, and the axis of a softmax."""
    constants = {name: getattr(operation, name, None) for name in _CONSTANTS}
    found = {name: value for name, value in constants.items() if isinstance(value, float)}
    if type(operation).__name__ == "Softmax" and isinstance(operation.axis, int):
        found["axis"] = operation.axis
    return found


def activation_config(activation: Any) -> dict[str, Any]:
    """Returns the plain arguments of an activation: of a layer, or of functools.partial."""
    if isinstance(activation, versions.Layer):
        return plain_config(activation)
    given = activation.keywords if isinstance(activation, partial) else {}
    return _plain_values(given)


def _plain_values(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings that are plain values; NumPy's numbers become Python's."""
    return {
        name: tf.nest.map_structure(versions.python_number, value)
        for name, value in settings.items()
        if _is_plain(value)
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
    return value is None or isinstance(value, bool | int | float | str | np.generic)
