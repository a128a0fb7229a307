"""LAYOUTS: the only table of how torch and Keras store the same variable, in both directions.

A row belongs to a type of torch module and lists its Keras variables. Rows are looked up in the
method resolution order: a subclass has the row of its base class unless it has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from torch_impl import layers

Tensors = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Variable:
    """One Keras variable of a torch module.

    Attributes:
        name: Keras's path below the layer, "kernel" or "lstm_cell/kernel".
        module: has the tensors.
        attributes: names of its parameters or buffers; two if torch splits a Keras variable, such
            as the bias of an LSTM.
        to_keras: turns these tensors into Keras's array.
        to_torch: turns Keras's array into these tensors.
        gradient_of: if the variable is the sum of two tensors, the one whose gradient is taken;
            both have the same gradient.
        trainable: False for moving statistics.
        part: for a variable that is only a part of its one tensor, the flat positions (int64) of
            that part; `to_torch` then fills the other positions with zeros.
    """

    name: str
    module: nn.Module
    attributes: tuple[str, ...]
    to_keras: Callable[[Tensors], torch.Tensor]
    to_torch: Callable[[torch.Tensor], Tensors]
    gradient_of: str | None = None
    trainable: bool = True
    part: torch.Tensor | None = None

    @property
    def tensors(self) -> Tensors:
        """The parameters or buffers, as the module holds them."""
        return tuple(getattr(self.module, attribute) for attribute in self.attributes)

    @property
    def is_computed(self) -> bool:
        """Whether the module computes a tensor from others, as weight normalisation does."""
        module = self.module
        held = module._parameters.keys() | module._buffers.keys()
        return any(attribute not in held for attribute in self.attributes)


Row = Callable[[nn.Module], Sequence[Variable]]


def variables(module: nn.Module) -> Iterator[Variable]:
    """Yields the Keras variables of a module: its own row, or those of its children.

    Variables of children start with the child's name: "dense1/kernel". A module may list children
    in `unnamed_children` that add nothing to the path.

    Raises:
        ValueError: the module has no counterpart in Keras, for example an nn.LSTM of two layers.
    """
    for kind in type(module).__mro__:
        if kind in LAYOUTS:
            yield from LAYOUTS[kind](module)
            return
    for name, child in module.named_children():
        hidden = name in getattr(module, "unnamed_children", ())
        for variable in variables(child):
            path = variable.name if hidden else f"{name}/{variable.name}"
            yield _renamed(variable, path)


def _renamed(variable: Variable, name: str) -> Variable:
    return Variable(**{**vars(variable), "name": name})


def _permuted(
    module: nn.Module, name: str, attribute: str, axes: Sequence[int], trainable: bool = True
) -> Variable:
    """Returns a variable with another order of axes; `axes` is the permutation from torch."""
    back = tuple(sorted(range(len(axes)), key=lambda axis: axes[axis]))
    return Variable(
        name,
        module,
        (attribute,),
        lambda tensors: tensors[0].permute(tuple(axes)),
        lambda array: (array.permute(back),),
        trainable=trainable,
    )


def _same(module: nn.Module, name: str, attribute: str, trainable: bool = True) -> Variable:
    """Returns a variable that both store in the same way."""
    axes = tuple(range(getattr(module, attribute).ndim))
    return _permuted(module, name, attribute, axes, trainable)


def _present(module: nn.Module, *names: tuple[str, str]) -> list[Variable]:
    """Returns the variables of (Keras name, torch name) that the module has; a bias may be off."""
    return [
        _same(module, keras_name, attribute, isinstance(getattr(module, attribute), nn.Parameter))
        for keras_name, attribute in names
        if getattr(module, attribute, None) is not None
    ]


def _linear(module: nn.Module) -> list[Variable]:
    """(out, in) <-> (in, out)."""
    return [_permuted(module, "kernel", "weight", (1, 0)), *_present(module, ("bias", "bias"))]


def _convolution(module: nn.Module) -> list[Variable]:
    """(out, in / groups, h, w) <-> (h, w, in / groups, out).

    A transposed convolution has both channel axes swapped, in torch as in Keras.
    """
    weight: torch.Tensor = module.weight  # type: ignore[assignment]
    rank = weight.ndim - 2
    axes = (*range(2, rank + 2), 1, 0)
    return [_permuted(module, "kernel", "weight", axes), *_present(module, ("bias", "bias"))]


def _depthwise(module: nn.Module, name: str) -> Variable:
    """(in * mult, 1, h, w) <-> (h, w, in, mult); output channel = input channel * mult + number.

    The kernel (h, w, 1, in * mult) of a grouped convolution is accepted too, by its shape.
    """
    weight: torch.Tensor = module.weight  # type: ignore[assignment]
    num_inputs: int = module.groups  # type: ignore[assignment]

    def to_keras(tensors: Tensors) -> torch.Tensor:
        split = tensors[0].reshape(num_inputs, -1, *weight.shape[2:])
        return split.movedim((0, 1), (-2, -1))

    def to_torch(array: torch.Tensor) -> Tensors:
        if array.ndim != weight.ndim:
            return (array,)
        by_input = array.movedim((-2, -1), (0, 1))
        if num_inputs > 1 and array.shape[-2] == 1:
            return (by_input.movedim(1, 0),)
        return (by_input.flatten(0, 1).unsqueeze(1),)

    return Variable(name, module, ("weight",), to_keras, to_torch)


def _depthwise_convolution(module: nn.Module) -> list[Variable]:
    return [_depthwise(module, "kernel"), *_present(module, ("bias", "bias"))]


def _separable_convolution(module: nn.Module) -> list[Variable]:
    depthwise: nn.Module = module.depthwise  # type: ignore[assignment]
    pointwise: nn.Module = module.pointwise  # type: ignore[assignment]
    kernel, *bias = _convolution(pointwise)
    return [
        _depthwise(depthwise, "depthwise_kernel"),
        _renamed(kernel, "pointwise_kernel"),
        *bias,
    ]


def _stock_convolution(module: nn.Module) -> list[Variable]:
    """A convolution of torch.nn; with as many groups as inputs it is Keras's DepthwiseConv."""
    is_depthwise = module.groups != 1 and module.groups == module.in_channels
    return _depthwise_convolution(module) if is_depthwise else _convolution(module)


def _batch_normalization(module: nn.Module) -> list[Variable]:
    statistics = (("moving_mean", "running_mean"), ("moving_variance", "running_var"))
    return _present(module, ("gamma", "weight"), ("beta", "bias"), *statistics)


def _normalization(module: nn.Module) -> list[Variable]:
    """Statistics that were passed as arguments are not weights in Keras."""
    names = ("mean", "variance", "count") if module.count is not None else ()
    return _present(module, *((name, name) for name in names))


def _affine(module: nn.Module) -> list[Variable]:
    return _present(module, ("gamma", "weight"), ("beta", "bias"))


def _stock_layer_normalization(module: nn.Module) -> list[Variable]:
    """(C, H, W) <-> (H, W, C): if torch normalises several axes, the channels come first."""
    weight: torch.Tensor | None = module.weight  # type: ignore[assignment]
    axes = () if weight is None else (*range(1, weight.ndim), 0)
    names = (("gamma", "weight"), ("beta", "bias"))
    return [
        _permuted(module, keras_name, attribute, axes)
        for keras_name, attribute in names
        if getattr(module, attribute, None) is not None
    ]


def _cell(module: nn.Module, prefix: str, suffix: str, order: tuple[int, ...]) -> list[Variable]:
    """Kernel, recurrent kernel and bias of one cell: (gates * units, in) <-> (in, gates * units).

    Args:
        module: has torch's names, "weight_ih", followed by the suffix.
        prefix: of Keras's names.
        suffix: "" for a cell, "_l0" or "_l0_reverse" for a layer.
        order: positions of Keras's gates among torch's.
    """

    def turned(rows: torch.Tensor, places: Sequence[int]) -> torch.Tensor:
        gates = rows.chunk(len(order))
        return torch.cat([gates[place] for place in places])

    back = [order.index(gate) for gate in range(len(order))]
    found = [
        Variable(
            f"{prefix}{name}",
            module,
            (f"{attribute}{suffix}",),
            lambda tensors: turned(tensors[0], order).T,
            lambda array: (turned(array.T, back),),
        )
        for name, attribute in (("kernel", "weight_ih"), ("recurrent_kernel", "weight_hh"))
    ]
    biases = (f"bias_ih{suffix}", f"bias_hh{suffix}")
    if getattr(module, biases[0], None) is None:
        return found
    if isinstance(module, nn.GRU | nn.GRUCell) or getattr(module, "reset_after", False):
        # Keras has both, as two rows.
        bias = Variable(
            f"{prefix}bias",
            module,
            biases,
            lambda tensors: torch.stack([turned(row, order) for row in tensors]),
            lambda array: tuple(turned(row, back) for row in array),
        )
    elif isinstance(module, layers.GRU):
        bias = Variable(
            f"{prefix}bias",
            module,
            biases[:1],
            lambda tensors: turned(tensors[0], order),
            lambda array: (turned(array, back),),
        )
    else:
        bias = Variable(
            f"{prefix}bias",
            module,
            biases,
            lambda tensors: tensors[0] + tensors[1],
            lambda array: (array, torch.zeros_like(array)),
            gradient_of=biases[0],
        )
    return [*found, bias]


_ORDERS = {"lstm": (0, 1, 2, 3), "gru": (1, 0, 2), "simple_rnn": (0,)}
_STOCK = {"LSTM": "lstm", "GRU": "gru", "RNN": "simple_rnn"}


def _layer(module: nn.Module, kind: str, number: int = 0) -> list[Variable]:
    """Returns the variables of one layer of a recurrent module, with one direction or both."""
    order, cell, suffix = _ORDERS[kind], f"{kind}_cell/", f"_l{number}"
    if not getattr(module, "bidirectional", False):
        return _cell(module, cell, suffix, order)
    forward = _cell(module, f"forward_{kind}/{cell}", suffix, order)
    return forward + _cell(module, f"backward_{kind}/{cell}", f"{suffix}_reverse", order)


def recurrent_variables(module: nn.RNNBase, number: int) -> list[Variable]:
    """Returns the variables of one layer of torch.nn.LSTM, GRU or RNN.

    Args:
        module: without projection (`proj_size`), with any number of layers.
        number: of the layer, from 0.
    """
    kinds = (_STOCK.get(base.__name__) for base in type(module).__mro__)
    return _layer(module, next(kind for kind in kinds if kind is not None), number)


def _recurrent(kind: str) -> Row:
    """Returns the row of a layer with one direction, or of a stock module with both."""

    def row(module: nn.Module) -> list[Variable]:
        if getattr(module, "num_layers", 1) != 1 or getattr(module, "proj_size", 0):
            raise ValueError(f"{module}: expected one layer without projection, as in Keras")
        return _layer(module, kind)

    return row


def _embedding(module: nn.Module) -> list[Variable]:
    return [_same(module, "embeddings", "weight")]


LAYOUTS: dict[type[nn.Module], Row] = {
    layers.Conv1D: _convolution,
    layers.Conv2D: _convolution,
    layers.Conv3D: _convolution,
    layers.DepthwiseConv1D: _depthwise_convolution,
    layers.DepthwiseConv2D: _depthwise_convolution,
    layers.SeparableConv1D: _separable_convolution,
    layers.SeparableConv2D: _separable_convolution,
    layers.BatchNormalization: _batch_normalization,
    layers.LayerNormalization: _affine,
    layers.GroupNormalization: _affine,
    layers.RMSNormalization: lambda module: [_same(module, "scale", "weight")],
    layers.PReLU: lambda module: [_same(module, "alpha", "weight")],
    layers.Normalization: _normalization,
    layers.LSTM: _recurrent("lstm"),
    layers.GRU: _recurrent("gru"),
    layers.SimpleRNN: _recurrent("simple_rnn"),
    nn.LSTM: _recurrent("lstm"),
    nn.GRU: _recurrent("gru"),
    nn.RNN: _recurrent("simple_rnn"),
    nn.LSTMCell: lambda module: _cell(module, "lstm_cell/", "", _ORDERS["lstm"]),
    nn.GRUCell: lambda module: _cell(module, "gru_cell/", "", _ORDERS["gru"]),
    nn.RNNCell: lambda module: _cell(module, "simple_rnn_cell/", "", _ORDERS["simple_rnn"]),
    nn.Linear: _linear,
    _ConvNd: _stock_convolution,
    _ConvTransposeNd: _convolution,
    _BatchNorm: _batch_normalization,
    nn.LayerNorm: _stock_layer_normalization,
    nn.GroupNorm: _affine,
    nn.Embedding: _embedding,
    nn.PReLU: lambda module: [_same(module, "alpha", "weight")],
}
