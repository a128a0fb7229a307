"""Parameters that are one variable in Keras."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from torch_impl import layers
from torch_impl.layouts.recurrent import recurrent_variables
from torch_impl.layouts.table import row_of
from torch_impl.layouts.variable import Variable


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
