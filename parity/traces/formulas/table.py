"""The formula of each kind of layer: its output, and its gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from parity.traces.formulas import simple, windows
from parity.traces.formulas.call import Array, LayerCall
from parity.traces.formulas.simple import dropped, leak, of_input, sigmoid, softmax

Forward = Callable[[LayerCall], Array]
Back = Callable[[LayerCall, Array, Array], list[Array | None]]
OfWeights = Callable[[LayerCall, Array, Array], dict[str, Array]]

OUTPUT: dict[str, Forward] = {
    "conv": windows.conv,
    "depthwise_conv": windows.depthwise,
    "dense": simple.dense,
    "batch_norm": simple.batch_norm,
    "max_pool": windows.max_pool,
    "average_pool": windows.average_pool,
    "global_average_pool": windows.global_average,
    "global_max_pool": windows.global_max,
    "activation:relu": of_input(lambda x: np.maximum(x, 0.0)),
    "activation:relu6": of_input(lambda x: np.clip(x, 0.0, 6.0)),
    "activation:leaky_relu": lambda c: np.where(
        c.inputs[0] > 0, c.inputs[0], c.inputs[0] * leak(c)
    ),
    "activation:elu": of_input(lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0.0)))),
    "activation:sigmoid": of_input(sigmoid),
    "activation:silu": of_input(lambda x: x * sigmoid(x)),
    "activation:tanh": of_input(np.tanh),
    "activation:softmax": of_input(softmax),
    "flatten": simple.reshaped,
    "reshape": simple.reshaped,
    "dropout": simple.dropout,
    "zero_padding": simple.zero_padding,
    "add": simple.added,
    "multiply": simple.multiplied,
    "concatenate": simple.concatenated,
}
# The gradient by each input, from output and the gradient by it; None where it is not known.
BACK: dict[str, Back] = {
    "conv": windows.conv_back,
    "depthwise_conv": windows.depthwise_back,
    "dense": simple.dense_back,
    "batch_norm": simple.batch_norm_back,
    "max_pool": windows.max_pool_back,
    "average_pool": windows.average_pool_back,
    "global_average_pool": windows.global_average_back,
    "activation:relu": lambda c, y, g: [np.where(c.inputs[0] > 0, g, 0.0)],
    "activation:relu6": lambda c, y, g: [np.where((y > 0) & (y < 6), g, 0.0)],
    "activation:leaky_relu": lambda c, y, g: [np.where(c.inputs[0] > 0, g, g * leak(c))],
    "activation:elu": lambda c, y, g: [np.where(c.inputs[0] > 0, g, g * (y + 1))],
    "activation:sigmoid": lambda c, y, g: [g * y * (1 - y)],
    "activation:silu": simple.silu_back,
    "activation:tanh": lambda c, y, g: [g * (1 - y * y)],
    "activation:softmax": lambda c, y, g: [y * (g - (g * y).sum(-1, keepdims=True))],
    "flatten": simple.reshaped_back,
    "reshape": simple.reshaped_back,
    "dropout": lambda c, y, g: [dropped(c, g)],
    "zero_padding": simple.zero_padding_back,
    "add": simple.added_back,
    "multiply": simple.multiplied_back,
    "concatenate": simple.concatenated_back,
}
# The gradients by the weights, by the last part of their names.
WEIGHTS: dict[str, OfWeights] = {
    "conv": windows.conv_weights,
    "dense": simple.dense_weights,
    "batch_norm": simple.batch_norm_weights,
}
