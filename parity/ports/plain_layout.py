"""The weights of Keras in a plain network: where each of them is, and how it lies there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from parity.ports.form import literal
from parity.ports.wrapping import WIDTH, wrapped
from torch_impl import layers
from torch_impl.layouts import Variable


@dataclass(frozen=True)
class Place:
    """How one parameter, or buffer, is made of a weight of Keras.

    Attributes:
        name: of the parameter.
        row: of the weight; None: all of it.
        gates: places of the parameter's gates among those of the last axis; (): it has none.
        axes: order of the axes.
        shape: of the parameter.
    """

    name: str
    row: int | None
    gates: tuple[int, ...]
    axes: tuple[int, ...]
    shape: tuple[int, ...]

    def of(self, weight: np.ndarray) -> np.ndarray:
        """Returns the parameter."""
        x = weight if self.row is None else weight[self.row]
        if self.gates:
            parts = np.split(x, len(self.gates), axis=-1)
            x = np.concatenate([parts[gate] for gate in self.gates], axis=-1)
        return x.transpose(self.axes).reshape(self.shape)


def places_of(
    full: nn.Module, plain: nn.Module, variables: Mapping[str, Variable]
) -> dict[str, list[Place]]:
    """Returns the places of each weight of Keras.

    Args:
        full: the network with the parts of `torch_impl`.
        plain: the same without them; its parameters have the same names.
        variables: of the first one, by the names of Keras's weights.

    Raises:
        ValueError: a weight lies in another order than axes and gates can tell.
    """
    names = {id(module): name for name, module in full.named_modules()}
    own = plain.state_dict()
    found: dict[str, list[Place]] = {}
    for name, variable in variables.items():
        shape = tuple(variable.to_keras(variable.tensors).shape)
        numbers = torch.arange(int(np.prod(shape)), dtype=torch.float64).reshape(shape) + 1
        path = names[id(variable.module)]
        found[name] = []
        for attribute, tensor in zip(variable.attributes, variable.to_torch(numbers), strict=True):
            whole = f"{path}.{attribute}" if path else attribute
            if whole in own and tensor.any():  # the second bias of an LSTM is 0
                wanted = linear(full, whole, tensor).numpy()
                found[name].append(_place(whole, numbers.numpy(), wanted))
    return found


def linear(full: nn.Module, name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Returns a weight of attention as that of a linear layer, and any other as it is.

    Args:
        full: the network with the parts of `torch_impl`.
        name: of the weight.
        tensor: its value there.
    """
    path, _, layer = name.rpartition(".")[0].rpartition(".")
    if not isinstance(full.get_submodule(path), layers.MultiHeadAttention):
        return tensor
    if tensor.ndim < 3:
        return tensor.flatten()
    if layer == "attention_output":
        return tensor.flatten(0, 1).T
    return tensor.flatten(1).T


def _place(name: str, weight: np.ndarray, wanted: np.ndarray) -> Place:
    for row, gates in _ways(weight):
        if wanted.size != (weight.size if row is None else weight[row].size):
            continue
        sides = weight.shape if row is None else weight.shape[1:]
        # Sides of one may stand anywhere: the order that needs no other shape says what each is.
        orders = sorted(
            itertools.permutations(range(len(sides))),
            key=lambda axes: tuple(sides[axis] for axis in axes) != wanted.shape,
        )
        for axes in orders:
            place = Place(name, row, gates, axes, wanted.shape)
            if np.array_equal(place.of(weight), wanted):
                return place
    raise ValueError(f"{name}: its order is not that of axes and gates")


def _ways(weight: np.ndarray) -> Iterator[tuple[int | None, tuple[int, ...]]]:
    yield None, ()
    rows: Sequence[int | None] = [None, *range(min(len(weight), 2))] if weight.ndim else [None]
    for row in rows:
        for number in (1, 3, 4):
            if weight.shape and weight.shape[-1] % number == 0:
                yield from ((row, gates) for gates in itertools.permutations(range(number)))


def load_lines(places: Mapping[str, Sequence[Place]]) -> list[str]:
    """Returns the rows of a table: of an order, with the pairs of Keras's names and parameters."""
    by_order: dict[str, list[str]] = {}
    for name, found in places.items():
        for place in found:
            row = wrapped(f"        ({literal(name)}, {literal(place.name)})", behind=1)
            by_order.setdefault(_told(place), []).extend([*row[:-1], f"{row[-1]},"])
    lines: list[str] = []
    for order, rows in by_order.items():
        if len(rows) == 1 and len(one := f"    ({order}): [{rows[0].strip()[:-1]}],") <= WIDTH:
            lines.append(one)
        else:
            lines += [f"    ({order}): [", *rows, "    ],"]
    return lines


def _told(place: Place) -> str:
    gates = place.gates if len(place.gates) > 1 else ()
    return ", ".join(map(literal, (place.row, gates, place.axes)))
