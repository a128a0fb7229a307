"""Layouts of recurrent layers and their cells."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from torch_impl import layers
from torch_impl.layouts.variable import Row, Variable, permuted, present


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


def _own_cell(kind: str) -> Row:
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


ROWS: dict[type[nn.Module], Row] = {
    layers.LSTM: _recurrent("lstm"),
    layers.GRU: _recurrent("gru"),
    layers.SimpleRNN: _recurrent("simple_rnn"),
    layers.LSTMCell: _own_cell("lstm"),
    layers.GRUCell: _own_cell("gru"),
    layers.SimpleRNNCell: _own_cell("simple_rnn"),
    **dict.fromkeys((layers.ConvLSTM1D, layers.ConvLSTM2D, layers.ConvLSTM3D), _convolutional),
    nn.LSTM: _recurrent("lstm"),
    nn.GRU: _recurrent("gru"),
    nn.RNN: _recurrent("simple_rnn"),
    nn.LSTMCell: lambda module: _cell(module, "lstm_cell/", "", _ORDERS["lstm"]),
    nn.GRUCell: lambda module: _cell(module, "gru_cell/", "", _ORDERS["gru"]),
    nn.RNNCell: lambda module: _cell(module, "simple_rnn_cell/", "", _ORDERS["simple_rnn"]),
}
