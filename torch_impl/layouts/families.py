"""LAYOUTS: the layouts of all families of layers, and the variables of a module by them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.modules.instancenorm import _InstanceNorm

from torch_impl import layers
from torch_impl.layouts.variable import Row, Tensors, Variable, permuted, present, renamed, same

# --- Layouts of attention, of layers of an equation, and of what wraps a kernel -------------------


def _einsum_dense(module: nn.Module) -> list[Variable]:
    """Both store kernel and bias in the shapes of the equation."""
    return present(module, ("kernel", "weight"), ("bias", "bias"))


def _attention(module: nn.Module) -> list[Variable]:
    return present(module, *((name, name) for name in ("scale", "concat_score_weight")))


def _reversible_embedding(module: nn.Module) -> list[Variable]:
    return present(module, ("embeddings", "weight"), ("reverse_embeddings", "reverse_weight"))


ROWS: dict[type[nn.Module], Row] = {
    layers.EinsumDense: _einsum_dense,
    layers.Attention: _attention,
    layers.ReversibleEmbedding: _reversible_embedding,
    layers.LayerScale: lambda module: [same(module, "variable", "weight")],
}


# --- Layouts of dense layers and convolutions -----------------------------------------------------


def _linear(module: nn.Module) -> list[Variable]:
    """(out, in) <-> (in, out)."""
    return [permuted(module, "kernel", "weight", (1, 0)), *present(module, ("bias", "bias"))]


def _convolution(module: nn.Module) -> list[Variable]:
    """(out, in / groups, h, w) <-> (h, w, in / groups, out).

    A transposed convolution has both channel axes swapped, in torch as in Keras.
    """
    weight: torch.Tensor = module.weight  # type: ignore[assignment]
    rank = weight.ndim - 2
    axes = (*range(2, rank + 2), 1, 0)
    return [permuted(module, "kernel", "weight", axes), *present(module, ("bias", "bias"))]


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
    return [_depthwise(module, "kernel"), *present(module, ("bias", "bias"))]


def _separable_convolution(module: nn.Module) -> list[Variable]:
    depthwise: nn.Module = module.depthwise  # type: ignore[assignment]
    pointwise: nn.Module = module.pointwise  # type: ignore[assignment]
    kernel, *bias = _convolution(pointwise)
    return [
        _depthwise(depthwise, "depthwise_kernel"),
        renamed(kernel, "pointwise_kernel"),
        *bias,
    ]


def _stock_convolution(module: nn.Module) -> list[Variable]:
    """A convolution of torch.nn; with as many groups as inputs it is Keras's DepthwiseConv."""
    is_depthwise = module.groups != 1 and module.groups == module.in_channels
    return _depthwise_convolution(module) if is_depthwise else _convolution(module)


def _spectrogram(module: nn.Module) -> list[Variable]:
    """Kernels are in Keras's shape, (frame_length, 1, frequencies)."""
    return present(module, ("real_kernel", "real_kernel"), ("imag_kernel", "imag_kernel"))


ROWS_OF_CONVOLUTION: dict[type[nn.Module], Row] = {
    layers.STFTSpectrogram: _spectrogram,
    layers.Conv1D: _convolution,
    layers.Conv2D: _convolution,
    layers.Conv3D: _convolution,
    layers.DepthwiseConv1D: _depthwise_convolution,
    layers.DepthwiseConv2D: _depthwise_convolution,
    layers.SeparableConv1D: _separable_convolution,
    layers.SeparableConv2D: _separable_convolution,
    nn.Linear: _linear,
    _ConvNd: _stock_convolution,
    _ConvTransposeNd: _convolution,
}


# --- Layouts of normalisations --------------------------------------------------------------------


def _batch_normalization(module: nn.Module) -> list[Variable]:
    statistics = (("moving_mean", "running_mean"), ("moving_variance", "running_var"))
    return present(module, ("gamma", "weight"), ("beta", "bias"), *statistics)


def _normalization(module: nn.Module) -> list[Variable]:
    """Statistics that were passed as arguments are not weights in Keras."""
    names = ("mean", "variance", "count") if module.count is not None else ()
    return present(module, *((name, name) for name in names))


def _affine(module: nn.Module) -> list[Variable]:
    return present(module, ("gamma", "weight"), ("beta", "bias"))


def _stock_layer_normalization(module: nn.Module) -> list[Variable]:
    """(C, H, W) <-> (H, W, C): if torch normalises several axes, the channels come first."""
    weight: torch.Tensor | None = module.weight  # type: ignore[assignment]
    axes = () if weight is None else (*range(1, weight.ndim), 0)
    names = (("gamma", "weight"), ("beta", "bias"))
    return [
        permuted(module, keras_name, attribute, axes)
        for keras_name, attribute in names
        if getattr(module, attribute, None) is not None
    ]


def _stock_rms_normalization(module: nn.Module) -> list[Variable]:
    """(C, H, W) <-> (H, W, C), as for nn.LayerNorm."""
    return [renamed(v, "scale") for v in _stock_layer_normalization(module)]


ROWS_OF_NORMALIZATION: dict[type[nn.Module], Row] = {
    layers.BatchNormalization: _batch_normalization,
    layers.LayerNormalization: _affine,
    layers.GroupNormalization: _affine,
    nn.RMSNorm: lambda module: [same(module, "scale", "weight")],
    layers.RMSNormalization: lambda module: [same(module, "scale", "weight")],
    layers.Normalization: _normalization,
    _BatchNorm: _batch_normalization,
    nn.LayerNorm: _stock_layer_normalization,
    nn.GroupNorm: _affine,
    _InstanceNorm: _affine,
    nn.RMSNorm: _stock_rms_normalization,
}


# --- Layouts of recurrent layers and their cells --------------------------------------------------


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
    elif isinstance(module, layers.GRU | layers.GRUCell):
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


def _package_cell(kind: str) -> Row:
    """Returns the row of a cell of this package, whose parent has its name."""
    return lambda module: _cell(module, "", "", _ORDERS[kind])


def _convolutional(module: nn.Module) -> list[Variable]:
    """(4 * filters, in, h, w) <-> (h, w, in, 4 * filters)."""
    rank: int = module.rank  # type: ignore[assignment]
    axes = (*range(2, rank + 2), 1, 0)
    names = (("kernel", "weight_ih"), ("recurrent_kernel", "weight_hh"))
    prefix = "conv_lstm_cell/"
    found = [permuted(module, f"{prefix}{name}", attribute, axes) for name, attribute in names]
    return [*found, *present(module, (f"{prefix}bias", "bias_ih"))]


ROWS_OF_RECURRENT: dict[type[nn.Module], Row] = {
    layers.LSTM: _recurrent("lstm"),
    layers.GRU: _recurrent("gru"),
    layers.SimpleRNN: _recurrent("simple_rnn"),
    layers.LSTMCell: _package_cell("lstm"),
    layers.GRUCell: _package_cell("gru"),
    layers.SimpleRNNCell: _package_cell("simple_rnn"),
    **dict.fromkeys((layers.ConvLSTM1D, layers.ConvLSTM2D, layers.ConvLSTM3D), _convolutional),
    nn.LSTM: _recurrent("lstm"),
    nn.GRU: _recurrent("gru"),
    nn.RNN: _recurrent("simple_rnn"),
    nn.LSTMCell: lambda module: _cell(module, "lstm_cell/", "", _ORDERS["lstm"]),
    nn.GRUCell: lambda module: _cell(module, "gru_cell/", "", _ORDERS["gru"]),
    nn.RNNCell: lambda module: _cell(module, "simple_rnn_cell/", "", _ORDERS["simple_rnn"]),
}


# --- LAYOUTS: the table of all families, and the variables of a module by it ----------------------
#
# A row belongs to a type of torch module and lists its Keras variables. Rows are looked up in the
# method resolution order: a subclass has the row of its base class unless it has its own.


LAYOUTS: dict[type[nn.Module], Row] = {
    **ROWS_OF_CONVOLUTION,
    **ROWS_OF_NORMALIZATION,
    **ROWS_OF_RECURRENT,
    **ROWS,
    layers.PReLU: lambda module: [same(module, "alpha", "weight")],
    nn.PReLU: lambda module: [same(module, "alpha", "weight")],
    layers.Weight: lambda module: [same(module, "value", "value")],
    nn.Embedding: lambda module: [same(module, "embeddings", "weight")],
    layers.SpectralNormalization: lambda module: _spectral_normalization(module),
}


def variables(module: nn.Module) -> Iterator[Variable]:
    """Yields the Keras variables of a module: its own row, or those of its children.

    Variables of children start with the child's name: "dense1/kernel". A module may list children
    in `unnamed_children` that add nothing to the path, or have a method `keras_variables` that
    yields its variables.

    Raises:
        ValueError: the module has no counterpart in Keras, for example an nn.LSTM of two layers.
    """
    row = row_of(module)
    if row is not None:
        yield from row(module)
        return
    yield from _of_children(module, variables)


def all_variables(module: nn.Module) -> Iterator[Variable]:
    """Yields the variables of a module, and those that only a module of the user's own has.

    A parameter, or a buffer that is part of the state, then has the name of its attribute, and the
    same layout in Keras. A module may have a method `keras_variables` that yields them instead.
    They come in the order of a Keras layer: its own, the trained ones first, then its children's.

    Raises:
        ValueError: see `variables`.
    """
    row = row_of(module)
    if row is not None:
        yield from row(module)
        return
    for name in module._parameters:
        if getattr(module, name) is not None:
            yield same(module, name, name)
    for name in module._buffers:
        if getattr(module, name) is not None and name not in module._non_persistent_buffers_set:
            yield same(module, name, name, trainable=False)
    yield from _of_children(module, all_variables)


def row_of(module: nn.Module) -> Row | None:
    """Returns the row of a module; None: it has none of its own."""
    row: Any = getattr(type(module), "keras_variables", None)
    if row is not None:
        return cast(Row, row)
    return next((LAYOUTS[kind] for kind in type(module).__mro__ if kind in LAYOUTS), None)


def _of_children(
    module: nn.Module, of: Callable[[nn.Module], Iterator[Variable]]
) -> Iterator[Variable]:
    for name, child in module.named_children():
        hidden = name in getattr(module, "unnamed_children", ())
        for variable in of(child):
            path = variable.name if hidden else f"{name}/{variable.name}"
            yield renamed(variable, path)


def _spectral_normalization(module: nn.Module) -> list[Variable]:
    """The kernel of the layer inside comes first, then the vector, then what the layer has more."""
    child = str(module.name)
    inner = [renamed(v, f"{child}/{v.name}") for v in variables(module.get_submodule(child))]
    return [inner[0], same(module, "vector_u", "vector_u", trainable=False), *inner[1:]]


# --- Parameters that are one variable in Keras ----------------------------------------------------


def joined_parameters(module: nn.Module) -> list[tuple[nn.Parameter, ...]]:
    """Returns the sets of parameters that Keras has in one variable: both biases of each GRU.

    An optimizer that takes norms needs them: see `KerasOptimizer.join_norms`. Of an LSTM, whose
    biases are added, Keras trains one; so does `torch_impl.layers.LSTM`.

    Args:
        module: a network of any modules.
    """
    found: dict[tuple[int, ...], tuple[nn.Parameter, ...]] = {}
    for variable in (variable for each in module.modules() for variable in _variables(each)):
        trained = [x for x in variable.tensors if isinstance(x, nn.Parameter) and x.requires_grad]
        if len(trained) > 1 and variable.gradient_of is None:
            found[tuple(map(id, trained))] = tuple(trained)
    return list(found.values())


def _variables(module: nn.Module) -> Iterator[Variable]:
    """Yields the variables of a recurrent module; of any other one, nothing."""
    if isinstance(module, nn.RNNBase):
        for number in range(module.num_layers):
            yield from recurrent_variables(module, number)
    elif isinstance(module, nn.GRUCell | layers.GRU | layers.GRUCell):
        row = row_of(module)
        assert row is not None
        yield from row(module)
