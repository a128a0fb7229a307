"""What a Keras layer is called in both halves: "conv", "dense", "activation:relu".

A layer, an activation or an operation goes in, its kind comes out; `torch_impl/kinds.py` has the
same words for what torch has in their place.
"""

from __future__ import annotations

from typing import Any

import keras

from keras_impl import versions

# Keras class -> kind, the word that both halves share. An activation is "activation:NAME".
_LAYERS = {
    "Conv1D": "conv",
    "Conv2D": "conv",
    "Conv3D": "conv",
    "DepthwiseConv1D": "depthwise_conv",
    "DepthwiseConv2D": "depthwise_conv",
    "SeparableConv1D": "separable_conv",
    "SeparableConv2D": "separable_conv",
    "Conv1DTranspose": "conv_transpose",
    "Conv2DTranspose": "conv_transpose",
    "Conv3DTranspose": "conv_transpose",
    "Dense": "dense",
    "BatchNormalization": "batch_norm",
    "LayerNormalization": "layer_norm",
    "GroupNormalization": "group_norm",
    "Embedding": "embedding",
    "LSTM": "lstm",
    "GRU": "gru",
    "SimpleRNN": "simple_rnn",
    "Bidirectional": "bidirectional",
    "MaxPooling1D": "max_pool",
    "MaxPooling2D": "max_pool",
    "MaxPooling3D": "max_pool",
    "AveragePooling1D": "average_pool",
    "AveragePooling2D": "average_pool",
    "AveragePooling3D": "average_pool",
    "GlobalMaxPooling1D": "global_max_pool",
    "GlobalMaxPooling2D": "global_max_pool",
    "GlobalMaxPooling3D": "global_max_pool",
    "GlobalAveragePooling1D": "global_average_pool",
    "GlobalAveragePooling2D": "global_average_pool",
    "GlobalAveragePooling3D": "global_average_pool",
    "Flatten": "flatten",
    "Reshape": "reshape",
    "Permute": "permute",
    "RepeatVector": "repeat",
    "ZeroPadding1D": "zero_padding",
    "ZeroPadding2D": "zero_padding",
    "ZeroPadding3D": "zero_padding",
    "Cropping1D": "cropping",
    "Cropping2D": "cropping",
    "Cropping3D": "cropping",
    "UpSampling1D": "upsampling",
    "UpSampling2D": "upsampling",
    "UpSampling3D": "upsampling",
    "Dropout": "dropout",
    "SpatialDropout1D": "dropout",
    "SpatialDropout2D": "dropout",
    "SpatialDropout3D": "dropout",
    "Add": "add",
    "Subtract": "subtract",
    "Multiply": "multiply",
    "Average": "average",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Concatenate": "concatenate",
    "Rescaling": "rescaling",
    "Normalization": "normalization",
    "PReLU": "prelu",
    "LeakyReLU": "activation:leaky_relu",
    "ReLU": "activation:relu",
    "ELU": "activation:elu",
    "Softmax": "activation:softmax",
}
# Operation that is no layer -> kind.
_OPERATIONS = {
    "Add": "add",
    "Subtract": "subtract",
    "Multiply": "multiply",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Concatenate": "concatenate",
    "Relu": "activation:relu",
    "Relu6": "activation:relu6",
    "LeakyRelu": "activation:leaky_relu",
    "Elu": "activation:elu",
    "Selu": "activation:selu",
    "Gelu": "activation:gelu",
    "Silu": "activation:silu",
    "Softplus": "activation:softplus",
    "Softsign": "activation:softsign",
    "HardSigmoid": "activation:hard_sigmoid",
    "HardSilu": "activation:hard_silu",
    "Sigmoid": "activation:sigmoid",
    "Tanh": "activation:tanh",
    "Softmax": "activation:softmax",
    "Reshape": "reshape",
}


def kind_of(layer: keras.Layer) -> str:
    """Returns the kind of a layer, "unknown:CLASS" where there is no word for it."""
    name = type(layer).__name__
    if name == "Activation":
        return activation_kind(layer.activation)
    if name not in _LAYERS or not versions.is_kerass_own(layer):
        return f"unknown:{name}"
    if name == "ReLU" and not layer.threshold:
        if layer.negative_slope:
            return _LAYERS[name] if layer.max_value else "activation:leaky_relu"
        return "activation:relu6" if layer.max_value == 6 else _LAYERS[name]
    return _LAYERS[name]


def activation_kind(activation: Any) -> str:
    """Returns the kind of an activation, a function or a layer."""
    name = getattr(activation, "__name__", type(activation).__name__)
    return f"activation:{name}"


def kind_of_operation(operation: Any) -> str:
    """Returns the kind of an operation that is no layer, likewise."""
    name = type(operation).__name__
    return _OPERATIONS.get(name, f"unknown:{name}")


def is_container(layer: keras.Layer) -> bool:
    """Whether a layer only calls others: a model, or a layer of the user's that holds layers."""
    if isinstance(layer, keras.Model):
        return True
    return not versions.is_kerass_own(layer) and bool(
        layer._flatten_layers(include_self=False, recursive=False)
    )
