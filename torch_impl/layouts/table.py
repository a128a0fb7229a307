"""LAYOUTS: the table of all families, and the variables of a module by it.

A row belongs to a type of torch module and lists its Keras variables. Rows are looked up in the
method resolution order: a subclass has the row of its base class unless it has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from torch import nn

from torch_impl import layers
from torch_impl.layouts import attention, convolution, normalization, recurrent
from torch_impl.layouts.variable import Row, Variable, renamed, same

LAYOUTS: dict[type[nn.Module], Row] = {
    **convolution.ROWS,
    **normalization.ROWS,
    **recurrent.ROWS,
    **attention.ROWS,
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
    own: Any = getattr(type(module), "keras_variables", None)
    if own is not None:
        return cast(Row, own)
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
