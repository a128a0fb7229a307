"""Activations, by the names of their operations."""

from __future__ import annotations

from functools import partial

from torch.nn import functional as F

from torch_impl.keras_config.operations.arguments import Function
from torch_impl.layers import activations

ROWS: dict[str, Function] = {
    "Relu": F.relu,
    "ReLU": activations.relu,
    "Relu6": F.relu6,
    "LeakyRelu": activations.leaky_relu,
    "Silu": F.silu,
    "Swish": F.silu,
    "Softmax": activations.softmax,
    "LogSoftmax": activations.log_softmax,
    "LogSigmoid": F.logsigmoid,
    "HardSigmoid": activations.hard_sigmoid,
    "HardSilu": activations.hard_silu,
    "HardTanh": activations.hard_tanh,
    "HardShrink": activations.hard_shrink,
    "SoftShrink": activations.soft_shrink,
    "TanhShrink": activations.tanh_shrink,
    "SparsePlus": activations.sparse_plus,
    "SparseSigmoid": activations.sparse_sigmoid,
    # The operation approximates unless it is told not to; the activation does not.
    "Gelu": partial(activations.gelu, approximate=True),
    **{
        name.title(): getattr(activations, name)
        for name in (
            *("sigmoid", "tanh", "softplus", "softsign", "elu", "selu", "celu"),
            *("mish", "squareplus", "glu", "threshold", "sparsemax"),
        )
    },
}
