"""The kind of a Keras layer, as both halves call it: "conv", "dense", "activation:relu".

A layer, an activation or an operation goes in, its kind comes out. `parity/halves/torch/kinds.py`
uses the same words for torch's modules and functions.
"""

from __future__ import annotations

import functools
from typing import Any

import keras

from parity.halves.keras import versions
from parity.halves.keras.attention import kernel_inputs
from parity.halves.keras.random_images import RANDOM_IMAGE, is_random_image


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
    if name == "RNN" and versions.is_kerass_own(layer):
        name = type(layer.cell).__name__.removesuffix("Cell")
        is_known = name in _CELLS and versions.is_kerass_own(layer.cell)
        return _LAYERS[name] if is_known else "unknown:RNN"
    if name == "EinsumDense" and versions.is_kerass_own(layer) and kernel_inputs(layer):
        return "dense"
    if name not in _LAYERS or not versions.is_kerass_own(layer):
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
    if type(layer).__name__ == "Pipeline" and versions.is_kerass_own(layer):
        return True
    return not versions.is_kerass_own(layer) and bool(
        layer._flatten_layers(include_self=False, recursive=False)
    )
