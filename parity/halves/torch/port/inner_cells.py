"""Recurrent layers of the port for weights whose layer has no call of its own in Keras's half.

Such are those of a model in a TimeDistributed, which Keras calls whole. Weights without a place and
the parameters that are free go in. Ways to put the weights into layers of torch.nn and of this
project come out, the likeliest first. Which one is right, the values decide: see `carrying.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from torch import nn

from parity.halves.torch.port.assignments import Need, Source
from parity.halves.torch.port.carried import VALUES, Carried
from torch_impl.layouts import LAYOUTS, Variable, recurrent_variables, variables

_KERNELS = {"kernel", "recurrent_kernel"}


def seatings(needs: Sequence[Need], sources: Sequence[Source]) -> Iterator[list[Carried]]:
    """Yields ways in which weights of cells are those of recurrent layers of the port.

    As many cells as possible have a layer. Cells of the same shapes take them in the order of
    both, then in all others.

    Args:
        needs: weights of Keras without a place.
        sources: parameters without a weight of Keras.
    """
    cells, seats = list(_cells(needs)), list(_seats(sources))
    fitting = [[n for n, seat in enumerate(seats) if _fits(cell, seat)] for cell in cells]
    seated = [number for number, found in enumerate(fitting) if found]
    for taken in _choices([fitting[number] for number in seated], set()):
        yield [
            Carried(need.name, seats[seat][short], VALUES)
            for number, seat in zip(seated, taken, strict=True)
            if seat is not None
            for short, need in cells[number].items()
            if _is_for(need, seats[seat].get(short))
        ]


def _choices(fitting: Sequence[Sequence[int]], taken: set[int]) -> Iterator[tuple[int | None, ...]]:
    """Yields a number of each list, none twice; None where all of a list are taken."""
    if not fitting:
        yield ()
        return
    free: list[int | None] = [number for number in fitting[0] if number not in taken]
    for number in free or [None]:
        others = taken if number is None else taken | {number}
        yield from ((number, *rest) for rest in _choices(fitting[1:], others))


def _cells(needs: Sequence[Need]) -> Iterator[dict[str, Need]]:
    """Yields the weights of each cell by their names: kernel, recurrent_kernel, bias."""
    found: dict[str, dict[str, Need]] = {}
    for need in needs:
        holder, _, short = need.name.rpartition("/")
        found.setdefault(holder, {})[short] = need
    yield from (cell for cell in found.values() if cell.keys() >= _KERNELS)


def _seats(sources: Sequence[Source]) -> Iterator[dict[str, Variable]]:
    """Yields the variables of each cell of the port's recurrent layers, if all of it is free."""
    free = {(id(source.module), source.attribute) for source in sources}
    for module in {id(source.module): source.module for source in sources}.values():
        found: dict[str, dict[str, Variable]] = {}
        for number, variable in _variables(module):
            holder, _, short = variable.name.rpartition("/")
            found.setdefault(f"{number}/{holder}", {})[short] = variable
        for cell in found.values():
            held = {(id(module), name) for each in cell.values() for name in each.attributes}
            if cell.keys() >= _KERNELS and held <= free:
                yield cell


def _variables(module: nn.Module) -> Iterator[tuple[int, Variable]]:
    """Yields (number of the layer in its stack, variable)."""
    if isinstance(module, nn.RNNBase):
        for number in range(0 if module.proj_size else module.num_layers):
            yield from ((number, each) for each in recurrent_variables(module, number))
    elif any(kind in LAYOUTS for kind in type(module).__mro__):
        yield from ((0, each) for each in variables(module))


def _fits(cell: Mapping[str, Need], seat: Mapping[str, Variable]) -> bool:
    return all(_is_for(cell[short], seat[short]) for short in _KERNELS)


def _is_for(need: Need, variable: Variable | None) -> bool:
    if variable is None:
        return False
    return tuple(variable.to_keras(variable.tensors).shape) == need.shape
