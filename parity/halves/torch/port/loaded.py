"""Calls a port's own `load`, and finds the weights that it has set: by their values, anywhere.

Keras's weights and the module go in. A weight whose values are those of a parameter, or of a part
of one, in any order, comes out as a variable, so that its gradient and its steps can be compared.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.errors import InputError
from parity.halves.torch.port.call_places import told_of
from parity.halves.torch.port.function_weights import Place, as_it_is, placed, tensors_of
from torch_impl.layouts import Variable

_MOST_AXES = 5  # of a weight, which are tried in all orders
_GATES = (3, 4)  # of a GRU and of an LSTM, in the last axis of a matrix


class WeightsByName(dict[str, np.ndarray]):
    """Keras's weights by name, such as "dense.kernel" or "gru.gru_cell/kernel".

    The weight of an inner cell is also found without the cell: "gru.kernel".
    """

    def __missing__(self, name: str) -> np.ndarray:
        layer, _, last = name.partition(".")
        found = [key for key in self if key.startswith(f"{layer}.") and key.endswith(f"/{last}")]
        if len(found) != 1:
            raise KeyError(name)
        return self[found[0]]


def load_by(
    load: Callable[[nn.Module, WeightsByName], Any], module: nn.Module, weights: WeightsByName
) -> None:
    """Lets a port put Keras's weights into its module.

    Raises:
        InputError: `load` raises.
    """
    try:
        with torch.no_grad():
            load(module, weights)
    except Exception as error:
        held = ", ".join(f"{name} {list(array.shape)}" for name, array in weights.items())
        raise InputError(
            f"the port's `load` raised {told_of(error)}; it gets the module and "
            f"Keras's weights by name: {held}"
        ) from error


def _turned_into(array: np.ndarray, held: np.ndarray) -> np.ndarray | None:
    """Returns where each entry of an array stands in a vector with the same values, or None."""
    places = np.arange(array.size).reshape(array.shape)
    for order in _orders(array.shape):
        if np.array_equal(order(array).reshape(-1), held):
            found = np.empty_like(places.reshape(-1))
            found[order(places).reshape(-1)] = np.arange(array.size)
            return found
    return None


def _orders(shape: Sequence[int]) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
    """Yields ways in which layouts order a weight: its axes in any order, then its gates, too."""
    num_axes = len(shape)
    axes = list(itertools.permutations(range(num_axes))) if num_axes <= _MOST_AXES else []
    yield from (partial(np.transpose, axes=each) for each in axes)
    if num_axes != 2:
        return
    for gates in (n for n in _GATES if shape[-1] % n == 0):
        for order in list(itertools.permutations(range(gates)))[1:]:
            yield from (partial(_gated, order=order, axes=each) for each in axes)


def _gated(array: np.ndarray, order: Sequence[int], axes: Sequence[int]) -> np.ndarray:
    parts = np.split(array, len(order), axis=-1)
    return np.concatenate([parts[gate] for gate in order], axis=-1).transpose(axes)


class Loaded:
    """The parameters and buffers of a module, searched by value.

    Args:
        module: holds Keras's weights.
    """

    def __init__(self, module: nn.Module) -> None:
        self._held: list[tuple[nn.Module, str, np.ndarray, np.ndarray]] = []
        self._names = {id(p): name for name, p in module.named_parameters()}
        for _, owner, attribute, tensor in tensors_of(module):
            if not tensor.is_floating_point():
                continue
            values = tensor.detach().cpu().double().reshape(-1).numpy()
            order = np.argsort(values, kind="stable")
            self._held.append((owner, attribute, values[order], order))

    def find(self, name: str, array: np.ndarray) -> Variable | None:
        """Returns the variable with the values of a weight of Keras; None if there is none.

        Args:
            name: of the weight.
            array: its value. If a value stands in it twice, only a tensor with the same values has
                them, in an order that layouts have: see `_orders`.
        """
        wanted = array.astype(np.float64).reshape(-1)
        if not wanted.size:
            return None
        is_told_apart = len(np.unique(wanted)) == wanted.size
        words = set(re.split(r"[./]", name))

        def unlike(held: tuple[nn.Module, str, np.ndarray, np.ndarray]) -> int:
            return -len(words & set(self._name(held[0], held[1]).split(".")))

        # Two biases may have the same values: that of the path with Keras's names comes first.
        for owner, attribute, values, order in sorted(self._held, key=unlike):
            if len(values) < wanted.size:
                continue
            places = np.searchsorted(values, wanted)
            if (places >= len(values)).any() or (values[places] != wanted).any():
                continue
            positions = order[places]
            if not is_told_apart:
                if len(values) != wanted.size:
                    continue
                held = np.empty_like(values)
                held[order] = values
                if (turned := _turned_into(wanted.reshape(array.shape), held)) is None:
                    continue
                positions = turned
            place = Place(owner, attribute, torch.from_numpy(positions).reshape(array.shape))
            short = name.partition(".")[2]
            return placed(replace(as_it_is(owner, attribute), name=short), place)
        return None

    def spread(self, array: np.ndarray) -> list[str]:
        """Returns the parameters that have a weight of Keras together, each a part; else nothing.

        Args:
            array: the weight. A value may stand twice in a vector only, whose parts are in order.
        """
        wanted = array.astype(np.float64).reshape(-1)
        if len(np.unique(wanted)) < wanted.size:
            return self._in_a_row(wanted) if array.ndim == 1 else []
        found = np.zeros(wanted.size, bool)
        names = []
        for owner, attribute, values, _ in self._held:
            is_here = np.isin(wanted, values)
            if is_here.any() and not (is_here & found).any():
                found |= is_here
                names.append(self._name(owner, attribute))
        return names if found.all() and all(names) else []

    def _in_a_row(self, wanted: np.ndarray) -> list[str]:
        """Returns the parameters whose values make a vector, one after the other."""
        names, place = [], 0
        for owner, attribute, values, order in self._held:
            own = values[np.argsort(order)]
            if len(own) and np.array_equal(wanted[place : place + len(own)], own):
                names.append(self._name(owner, attribute))
                place += len(own)
        return names if place == wanted.size and all(names) else []

    def _name(self, owner: nn.Module, attribute: str) -> str:
        """Returns the name of a parameter; "" for a buffer."""
        return self._names.get(id(getattr(owner, attribute)), "")
