"""Weights of recurrent cells by hand: gates in any order, one weight for input and state or two.

A program that computes its gates by one `nn.Linear` or `nn.Conv2d` of cat([x, h]) holds both of
Keras's kernels in one weight. What no pair of layers covers goes in; ways to put Keras's weights
there come out, the likeliest first. Which one is right, the values decide: see `carrying.py`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from torch_impl.harness.port.assignments import Need, Source
from torch_impl.harness.port.carried import VALUES, Carried
from torch_impl.layouts import Tensors, Variable

# Keras's gates i, f, c, o in the order of most programs, then in any.
_USUAL = ((0, 1, 2, 3), (0, 1, 3, 2))
_NUM_GATES = 4


@dataclass(frozen=True)
class Way:
    """One way of laying out the weights of a cell.

    Attributes:
        gates: places of the port's gates among Keras's.
        state_first: whether the columns of the state are in front of those of the input.
    """

    gates: tuple[int, ...]
    state_first: bool = False


@dataclass(frozen=True)
class Cell:
    """The weights of a cell of Keras, and the parameters of the port that may hold them.

    Attributes:
        kernel: of the input, (..., features, gates * units).
        recurrent: of the state, (..., units, gates * units).
        bias: (gates * units,); None without one.
        sources: one parameter for both kernels, or one for each.
        of_bias: the parameter of the bias; None if there is none.
    """

    kernel: Need
    recurrent: Need
    bias: Need | None
    sources: tuple[Source, ...]
    of_bias: Source | None

    def carried(self, way: Way) -> list[Carried]:
        """Returns the weights of Keras in their places."""
        found = []
        features, units = self.kernel.shape[-2], self.recurrent.shape[-2]
        columns = (slice(0, features), slice(features, features + units))
        if way.state_first:
            columns = (slice(units, units + features), slice(0, units))
        for number, need in enumerate((self.kernel, self.recurrent)):
            is_joined = len(self.sources) == 1
            source = self.sources[0 if is_joined else number]
            own = columns[number] if is_joined else slice(0, need.shape[-2])
            found.append(Carried(need.name, _kernel(need, source, own, way.gates), VALUES))
        if self.bias is not None and self.of_bias is not None:
            found.append(Carried(self.bias.name, _bias(self.bias, self.of_bias, way.gates), VALUES))
        return found


def ways(cells: Sequence[Cell]) -> Iterator[Way]:
    """Yields the ways in which all cells may be laid out, the likeliest first."""
    is_joined = any(len(cell.sources) == 1 for cell in cells)
    for gates in _USUAL:
        yield Way(gates)
        if is_joined:
            yield Way(gates, state_first=True)
    yield from (Way(g) for g in itertools.permutations(range(_NUM_GATES)) if g not in _USUAL)


def cells_of(needs: Sequence[Need], sources: Sequence[Source]) -> list[Cell]:
    """Returns the cells of four gates whose weights have room in parameters of the port.

    Args:
        needs: weights of Keras without a place.
        sources: parameters without a weight of Keras.
    """
    by_name = {need.name: need for need in needs}
    taken: set[str] = set()
    found = []
    for need in needs:
        holder, _, short = need.name.rpartition("/")
        recurrent = by_name.get(f"{holder}/recurrent_kernel")
        if short != "kernel" or recurrent is None or len(need.shape) < 2:
            continue
        free = [source for source in sources if source.name not in taken]
        bias = by_name.get(f"{holder}/bias")
        if (cell := _fitting(need, recurrent, bias, free)) is not None:
            taken |= {source.name for source in (*cell.sources, cell.of_bias) if source is not None}
            found.append(cell)
    return found


def _fitting(
    kernel: Need, recurrent: Need, bias: Need | None, free: Sequence[Source]
) -> Cell | None:
    *window, features, rows = kernel.shape
    units = recurrent.shape[-2]
    if rows != _NUM_GATES * units or tuple(recurrent.shape) != (*window, units, rows):
        return None
    places = {
        columns: [s for s in free if s.shape == (rows, columns, *window)]
        for columns in (features + units, features, units)
    }
    if places[features + units]:
        sources: tuple[Source, ...] = (places[features + units][0],)
    elif places[features]:
        first = places[features][0]
        others = [source for source in places[units] if source is not first]
        if not others:
            return None
        sources = (first, others[0])
    else:
        return None
    near = [s for s in free if bias is not None and s.shape == bias.shape]
    beside = [s for s in near if any(s.module is source.module for source in sources)]
    return Cell(kernel, recurrent, bias, sources, next(iter(beside or near), None))


def _kernel(need: Need, source: Source, columns: slice, gates: tuple[int, ...]) -> Variable:
    rank = len(need.shape) - 2
    axes = (*range(2, rank + 2), 1, 0)
    back = tuple(sorted(range(len(axes)), key=lambda axis: axes[axis]))
    shape = source.shape
    positions = torch.arange(math.prod(shape)).reshape(shape)[:, columns].flatten()

    def to_keras(tensors: Tensors) -> torch.Tensor:
        return _turned(tensors[0][:, columns], _inverse(gates)).permute(axes)

    def to_torch(array: torch.Tensor) -> Tensors:
        whole = array.new_zeros(shape)
        whole[:, columns] = _turned(array.permute(back), gates)
        return (whole,)

    is_part = len(positions) < math.prod(shape)
    short = need.name.partition(".")[2]
    part = positions if is_part else None
    return Variable(short, source.module, (source.attribute,), to_keras, to_torch, part=part)


def _bias(need: Need, source: Source, gates: tuple[int, ...]) -> Variable:
    return Variable(
        need.name.partition(".")[2],
        source.module,
        (source.attribute,),
        lambda tensors: _turned(tensors[0], _inverse(gates)),
        lambda array: (_turned(array, gates),),
    )


def _turned(rows: torch.Tensor, gates: Sequence[int]) -> torch.Tensor:
    parts = rows.chunk(len(gates))
    return torch.cat([parts[gate] for gate in gates])


def _inverse(gates: Sequence[int]) -> list[int]:
    return [list(gates).index(gate) for gate in range(len(gates))]
