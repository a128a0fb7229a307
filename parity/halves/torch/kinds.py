"""The kind of a torch module or function, as both halves call it, and of random numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from torch_impl import layers
from torch_impl.layers import activations
from torch_impl.layers.image.random_layer import RandomImageLayer

# --------------------------------------------------------------------------------------------------
#
# Random numbers that a torch program draws by a function: of which kind they are, and how scaled.
#
# A call of a function of torch goes in. Out comes what is drawn, in the words of Keras's half, and
# how the output follows from it: `torch.normal(mean, std)` is standard normal numbers, times `std`.
#
# A mask may be drawn as uniform numbers, which are compared with a rate. Numbers are then made of
# the mask: next to 1 where Keras keeps, 0 where it drops, or the other way round.


MASK, NORMAL, UNIFORM, INTEGERS = "mask", "normal", "uniform", "integers"

# The greatest uniform number that is given. A rate above it would not be met; 1 added to it is
# below 2 in float32 as well, for `floor(keep + uniform)`.
_NEXT_TO_1 = 1 - 2.0**-20
UNIFORMS = ("rand", "rand_like")  # functions that people write masks with

_PLAIN = {
    "bernoulli": MASK,
    "bernoulli_": MASK,
    "randn": NORMAL,
    "randn_like": NORMAL,
    "rand": UNIFORM,
    "rand_like": UNIFORM,
    "randint": INTEGERS,
    "randint_like": INTEGERS,
}
# Function -> what it draws, and its two numbers: mean and deviation, or the ends.
_SCALED = {
    "normal": (NORMAL, ("mean", "std"), 0),
    "normal_": (NORMAL, ("mean", "std"), 1),
    "uniform_": (UNIFORM, ("from", "to"), 1),
}


@dataclass(frozen=True)
class Drawing:
    """What a function draws.

    Attributes:
        kind: MASK, NORMAL (standard), UNIFORM (from 0 to 1) or INTEGERS.
        scaled: makes the output of the function from it.
    """

    kind: str
    scaled: Callable[[torch.Tensor], torch.Tensor] = lambda drawn: drawn


def drawing_of(
    function: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]
) -> Drawing | None:
    """Returns what a call draws; None if it draws nothing that is known here.

    Args:
        function: of torch, or a method of a tensor.
        arguments: of the call.
        keywords: of the call.
    """
    name = getattr(function, "__name__", "")
    if name in _PLAIN:
        return Drawing(_PLAIN[name])
    if name not in _SCALED:
        return None
    kind, names, first = _SCALED[name]
    given = dict(zip(names, arguments[first:], strict=False)) | dict(keywords)
    low, high = given.get(names[0], 0.0), given.get(names[1], 1.0)
    if kind == NORMAL:
        return Drawing(kind, lambda drawn: low + high * drawn)
    return Drawing(kind, lambda drawn: low + (high - low) * drawn)


def uniform_of(mask: torch.Tensor, *, keeps_low: bool) -> torch.Tensor:
    """Returns uniform numbers that make a mask.

    Args:
        mask: 1 where Keras keeps, 0 where it drops.
        keeps_low: whether the port keeps where its number is below the share that it keeps, as in
            `rand < keep`; else where it is above the rate, as in `floor(rand + keep)`.
    """
    kept = 1 - mask if keeps_low else mask
    return kept * _NEXT_TO_1


# --------------------------------------------------------------------------------------------------
#
# The kind of a torch module or function, as both halves call it: "conv", "activation:relu".
#
# A module or a function goes in, its kind comes out. `parity/halves/keras/kinds.py` uses the same
# words for Keras's layers.


# What these draw is replaced by what Keras's layers drew.
REPLAYED = frozenset(("dropout", "alpha_dropout", "gaussian_dropout", "gaussian_noise"))
RANDOM_IMAGE = "random_image:"  # the start of the kinds of layers that change images at random
RECURRENT = ("lstm", "gru", "simple_rnn")  # of one direction
# Kinds of layers that take images or signals, which have their channels first in torch.
SPATIAL = frozenset(
    [
        *("conv", "depthwise_conv", "conv_transpose", "max_pool", "average_pool"),
        *("global_max_pool", "global_average_pool", "zero_padding", "cropping", "upsampling"),
        *("batch_norm", "group_norm"),
    ]
)


def _by_name(table: str) -> dict[str, str]:
    """Reads rows "kind: names" into a dictionary name -> kind."""
    rows = [line.strip().rsplit(": ", 1) for line in table.strip().splitlines()]
    return {name: kind for kind, names in rows for name in names.split()}


# Class -> kind, the word that both halves share (`parity/halves/keras/kinds.py`). The classes have
# torch's names, or Keras's, as in `torch_impl.layers`.
_MODULES = _by_name("""
    conv: Conv LazyConv _ConvNd
    depthwise_conv: DepthwiseConv
    conv_transpose: ConvTranspose _ConvTransposeNd
    dense: Linear Dense EinsumDense
    batch_norm: BatchNorm BatchNormalization SyncBatchNorm _BatchNorm
    layer_norm: LayerNorm LayerNormalization
    group_norm: GroupNorm GroupNormalization InstanceNorm _InstanceNorm
    rms_norm: RMSNorm RMSNormalization
    unit_norm: UnitNormalization
    embedding: Embedding
    lstm: LSTM
    gru: GRU
    simple_rnn: RNN SimpleRNN
    bidirectional: Bidirectional
    conv_lstm: ConvLSTM
    max_pool: MaxPool MaxPooling
    average_pool: AvgPool AveragePool AveragePooling
    global_average_pool: AdaptiveAvgPool GlobalAveragePool GlobalAveragePooling
    global_max_pool: AdaptiveMaxPool GlobalMaxPool GlobalMaxPooling
    flatten: Flatten
    reshape: Reshape Unflatten
    permute: Permute
    repeat: RepeatVector
    zero_padding: ZeroPad ZeroPadding ConstantPad
    cropping: Cropping
    upsampling: Upsample UpsamplingNearest UpsamplingBilinear UpSampling
    dropout: Dropout SpatialDropout
    add: Add
    subtract: Subtract
    multiply: Multiply
    average: Average
    maximum: Maximum
    minimum: Minimum
    concatenate: Concatenate
    dot: Dot
    alpha_dropout: AlphaDropout FeatureAlphaDropout
    gaussian_dropout: GaussianDropout
    gaussian_noise: GaussianNoise
    resizing: Resizing CenterCrop
    stft_spectrogram: STFTSpectrogram
    mel_spectrogram: MelSpectrogram
    rescaling: Rescaling
    normalization: Normalization
    prelu: PReLU
    activation:relu: ReLU
    activation:relu6: ReLU6
    activation:leaky_relu: LeakyReLU
    activation:elu: ELU
    activation:celu: CELU
    activation:glu: GLU
    activation:selu: SELU
    activation:gelu: GELU
    activation:silu: SiLU
    activation:mish: Mish
    activation:sigmoid: Sigmoid
    activation:tanh: Tanh
    activation:softmax: Softmax
    activation:log_softmax: LogSoftmax
    activation:softplus: Softplus
    activation:softsign: Softsign
    activation:hard_sigmoid: Hardsigmoid
    activation:hard_silu: Hardswish
    activation:hard_tanh: Hardtanh
    activation:hard_shrink: Hardshrink
    activation:soft_shrink: Softshrink
    activation:tanh_shrink: Tanhshrink
    activation:log_sigmoid: LogSigmoid
    activation:threshold: Threshold
""")
_FUNCTIONS = _by_name("""
    conv: conv
    conv_transpose: conv_transpose
    dense: linear matmul __matmul__ __rmatmul__ mm addmm einsum tensordot
    batch_norm: batch_norm
    layer_norm: layer_norm
    group_norm: group_norm instance_norm
    rms_norm: rms_norm
    unit_norm: normalize
    embedding: embedding
    prelu: prelu
    max_pool: max_pool
    average_pool: avg_pool
    global_average_pool: adaptive_avg_pool
    global_max_pool: adaptive_max_pool
    flatten: flatten
    reshape: view reshape unflatten
    permute: permute transpose swapaxes swapdims movedim moveaxis
    zero_padding: pad
    cropping: __getitem__
    upsampling: interpolate
    dropout: dropout feature_dropout
    add: add __add__ __radd__ __iadd__ add_
    subtract: sub __sub__
    multiply: mul __mul__ __rmul__
    maximum: maximum
    minimum: minimum
    concatenate: cat concat concatenate
    alpha_dropout: alpha_dropout feature_alpha_dropout
    discretization: bucketize
    mean: mean
    amax: amax
    activation:relu: relu relu_
    activation:relu6: relu6
    activation:leaky_relu: leaky_relu
    activation:elu: elu elu_
    activation:celu: celu celu_
    activation:glu: glu
    activation:selu: selu selu_
    activation:gelu: gelu
    activation:silu: silu
    activation:mish: mish
    activation:sigmoid: sigmoid
    activation:tanh: tanh
    activation:softmax: softmax
    activation:log_softmax: log_softmax
    activation:softplus: softplus
    activation:softsign: softsign
    activation:hard_sigmoid: hardsigmoid
    activation:hard_silu: hardswish
    activation:hard_tanh: hardtanh hardtanh_
    activation:hard_shrink: hardshrink
    activation:soft_shrink: softshrink
    activation:tanh_shrink: tanhshrink
    activation:log_sigmoid: logsigmoid
    activation:threshold: threshold threshold_
""")
_RANDOM = frozenset(
    (
        *("rand", "rand_like", "randn", "randn_like", "randint", "randint_like", "randperm"),
        *("bernoulli", "bernoulli_", "uniform_", "normal_", "normal", "exponential_", "random_"),
        *("multinomial", "poisson", "rrelu"),
        *("gumbel_softmax", "trunc_normal_", "log_normal_"),
    )
)
# Transforms of torchvision that draw, by the starts of their names.
_TRANSFORMS = ("Random", "ColorJitter", "ElasticTransform", "AugMix", "TrivialAugment", "AutoAug")
_BETWEEN_TENSORS = {"add", "subtract", "multiply", "maximum", "minimum"}
_WEIGHTED = {"dense", "prelu"}  # without weights they are products of activations


def kind_of(module: nn.Module) -> str:
    """Returns the kind of a module, or "unknown:CLASS" if there is no word for it."""
    name = type(module).__name__
    if _changes_images(module):
        return f"{RANDOM_IMAGE}{name}"
    if type(module) is layers.Activation:
        return _kind_of_activation(module)
    kind = _MODULES.get(_without_rank(name))
    # A user's class may be a subclass, or may only have the same name.
    if kind is None or not _is_known(type(module)):
        bases = [
            base for base in type(module).__mro__ if base.__module__.startswith("torch.nn.modules")
        ]
        names = [_MODULES.get(_without_rank(base.__name__)) for base in bases]
        kind = next((found for found in names if found), None)
        # What a class of the user's drops is told by the functions that it calls.
        forwards = [vars(base).get("forward") for base in bases]
        if kind == "dropout" and type(module).forward not in forwards:
            kind = None
    if kind is None:
        return f"unknown:{name}"
    if isinstance(module, layers.RNN):
        return _kind_of_cell(module)
    if isinstance(module, layers.ReLU):
        return _kind_of_relu(**module.settings)
    if kind == "conv" and 1 < getattr(module, "groups", 1) == module.in_channels:
        return "depthwise_conv"
    if kind in RECURRENT and getattr(module, "bidirectional", False):
        return "bidirectional"
    return kind


def _changes_images(module: nn.Module) -> bool:
    """Whether a module changes images at random: one of this package, or of torchvision."""
    is_transform = type(module).__module__.startswith("torchvision.transforms.")
    return isinstance(module, RandomImageLayer) or (
        is_transform and type(module).__name__.startswith(_TRANSFORMS)
    )


def _kind_of_cell(module: layers.RNN) -> str:
    """Returns the kind of an RNN by its cell, "unknown:RNN" if that is another one."""
    cells = (
        (layers.LSTMCell, "lstm"),
        (layers.GRUCell, "gru"),
        (layers.SimpleRNNCell, "simple_rnn"),
    )
    cell = module.get_submodule(module.cell_name)
    return next((kind for base, kind in cells if isinstance(cell, base)), "unknown:RNN")


def _kind_of_activation(module: layers.Activation) -> str:
    """Returns the kind of a Keras activation, whose function has the name that Keras's has."""
    function: Any = module.function
    while isinstance(function, functools.partial):
        function = function.func
    if function is activations.relu:
        return _kind_of_relu(**module.settings)
    return f"activation:{function.__name__}"


def _kind_of_relu(
    max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0
) -> str:
    """Returns the kind of Keras's ReLU, which with some arguments is another known activation."""
    if threshold or (negative_slope and max_value):
        return "activation:relu"
    if negative_slope:
        return "activation:leaky_relu"
    return "activation:relu6" if max_value == 6 else "activation:relu"


def rate_of(module: nn.Module) -> float:
    """Returns the rate of a dropout, or the standard deviation of a layer of noise."""
    named = (getattr(module, name, None) for name in ("p", "rate", "stddev"))
    return float(next((value for value in named if value is not None), 0.0))


def draws(function: Any) -> bool:
    """Whether a function draws random numbers; a dropout, whose mask is Keras's, does not count."""
    return getattr(function, "__name__", "") in _RANDOM


def kind_of_function(function: Any) -> str | None:
    """Returns the kind of a function by its name; None if it is not compared."""
    return _FUNCTIONS.get(_without_rank(getattr(function, "__name__", "")))


def refined(
    kind: str, inputs: list[torch.Tensor], output: torch.Tensor, *, has_weights: bool = False
) -> str | None:
    """Returns the kind of a function by what it did; None if it is not compared.

    Args:
        kind: of its name.
        inputs: tensors, without the parameters of the module.
        output: tensor.
        has_weights: whether it was called with parameters too.
    """
    if not inputs or (kind in _WEIGHTED and not has_weights):
        return None
    x = inputs[0]
    if kind in _BETWEEN_TENSORS:
        if has_weights:
            return kind
        return kind if len(inputs) > 1 and all(value.ndim for value in inputs) else None
    if kind == "cropping":
        is_part = len(inputs) == 1 and output.ndim == x.ndim > 2 and len(output) == len(x)
        return kind if is_part and output.numel() < x.numel() else None
    if kind in ("reshape", "flatten"):
        return "flatten" if output.ndim == 2 < x.ndim else kind
    if kind in ("mean", "amax"):
        is_global = x.ndim > 2 and x.shape[0] == output.shape[0] and output.numel() < x.numel()
        name = "global_average_pool" if kind == "mean" else "global_max_pool"
        return name if is_global else None
    return kind


def _is_known(kind: type) -> bool:
    """Whether a class belongs to torch or to this project, so that its name is in the tables.

    Not every class of torch: a module traced by `torch.fx` has the name of the user's class.
    """
    return kind.__module__.startswith(
        ("torch.nn.", "torch.ao.nn.", "torchvision.", "torch_impl.", "parity.")
    )


def is_leaf(module: nn.Module) -> bool:
    """Whether a module is compared as a whole: it has a kind, or is torch's and contains no other.

    Of a user's own module of no kind, the functions that it calls are compared.
    """
    if not kind_of(module).startswith("unknown:"):
        return True
    if isinstance(module, layers.RNN):  # `recurrent_stack` takes it apart
        return isinstance(module.get_submodule(module.cell_name), layers.StackedRNNCells)
    if isinstance(getattr(module, "transforms", None), list):  # a Compose of torchvision
        return False
    return _is_known(type(module)) and not any(True for _ in module.children())


def _without_rank(name: str) -> str:
    """Returns a name without its number of dimensions: "Conv" for Conv2d or Conv2D."""
    return name[:-2] if name[-2:].lower() in ("1d", "2d", "3d") else name
