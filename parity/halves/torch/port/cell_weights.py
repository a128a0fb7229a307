"""Weights of recurrent cells by hand: gates in any order, in one weight or in several."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from parity.halves.torch.port.carried import VALUES, Carried, Need, Source
from torch_impl.layouts import LAYOUTS, Tensors, Variable, recurrent_variables, variables

# --------------------------------------------------------------------------------------------------
#
# Recurrent layers of the port for weights whose layer has no call of its own in Keras's half.
#
# Such are those of a model in a TimeDistributed, which Keras calls whole. Weights without a place
# and the parameters that are free go in. Ways to put the weights into layers of torch.nn and of
# this project come out, the likeliest first. Which one is right, the values decide: see
# `carrying.py`.


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
    for chosen in _choices([fitting[number] for number in seated], set()):
        yield [
            Carried(need.name, seats[seat][short], VALUES)
            for number, seat in zip(seated, chosen, strict=True)
            if seat is not None
            for short, need in cells[number].items()
            if _is_for(need, seats[seat].get(short))
        ]


def _choices(fitting: Sequence[Sequence[int]], used: set[int]) -> Iterator[tuple[int | None, ...]]:
    """Yields a number of each list, none twice; None where all of a list are taken."""
    if not fitting:
        yield ()
        return
    free: list[int | None] = [number for number in fitting[0] if number not in used]
    for number in free or [None]:
        others = used if number is None else used | {number}
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
            parameters = {(id(module), name) for each in cell.values() for name in each.attributes}
            if cell.keys() >= _KERNELS and parameters <= free:
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


# --- Weights of recurrent cells by hand: gates in any order, in one weight or in several ----------
#
# A program that computes its gates by one `nn.Linear` or `nn.Conv2d` of cat([x, h]) holds both of
# Keras's kernels in one weight; one that computes some gates by themselves, such as the candidate
# of a GRU, holds a kernel in two. What no pair of layers covers goes in; ways to put Keras's
# weights there come out, the likeliest first. Which one is right, the values decide: see
# `carrying.py`.


# Keras's gates in the order of most programs: of an LSTM i, f, c, o; of a GRU z, r, h, where torch
# has r, z, n.
_USUAL = {4: ((0, 1, 2, 3), (0, 1, 3, 2)), 3: ((0, 1, 2), (1, 0, 2)), 1: ((0,),)}

Group = tuple[Source, ...]  # parameters that have the gates of one kernel one after the other


@dataclass(frozen=True)
class Way:
    """One way of laying out the weights of a cell.

    Attributes:
        gates: places of the port's gates among Keras's.
        state_first: whether the columns of the state are in front of those of the input.
        as_keras: whether a square matrix is (in, out), as in Keras, and not as in torch.
    """

    gates: tuple[int, ...]
    state_first: bool = False
    as_keras: bool = False


@dataclass(frozen=True)
class Cell:
    """The weights of a cell of Keras, and the parameters of the port that may hold them.

    Attributes:
        kernel: of the input, (..., features, gates * units).
        recurrent: of the state, (..., units, gates * units).
        bias: (gates * units,), or (2, gates * units) of a GRU with `reset_after`; None without one.
        sources: one group of parameters for both kernels, or one for each.
        of_bias: the parameters of the bias; empty if there are none.
    """

    kernel: Need
    recurrent: Need
    bias: Need | None
    sources: tuple[Group, ...]
    of_bias: Group

    @property
    def num_gates(self) -> int:
        """How many gates it has."""
        return self.recurrent.shape[-1] // self.recurrent.shape[-2]

    @property
    def is_as_keras(self) -> bool:
        """Whether a parameter that is not square is (in, out), as all of Keras are."""
        shapes = [source.shape for group in self.sources for source in group]
        flat = [shape for shape in shapes if len(shape) == 2 and shape[0] != shape[1]]
        features, units = self.kernel.shape[-2], self.recurrent.shape[-2]
        return (
            any(
                shape[0] in (features, units)
                and shape[1] % units == 0
                and not _as_torch(shape, features, units, ())
                and not _as_torch(shape, units, units, ())
                for shape in flat
            )
            and len(self.kernel.shape) == 2
        )

    def carried(self, way: Way) -> list[Carried]:
        """Returns the weights of Keras in their places."""
        found = []
        features, units = self.kernel.shape[-2], self.recurrent.shape[-2]
        columns = (slice(0, features), slice(features, features + units))
        if way.state_first:
            columns = (slice(units, units + features), slice(0, units))
        for number, need in enumerate((self.kernel, self.recurrent)):
            is_joined = len(self.sources) == 1
            group = self.sources[0 if is_joined else number]
            width = features + units if is_joined else need.shape[-2]
            span = columns[number] if is_joined else slice(0, width)
            variable = _kernel(need, group, span, width, way)
            found.append(Carried(need.name, variable, VALUES))
        if self.bias is not None and self.of_bias:
            found.append(Carried(self.bias.name, _bias(self.bias, self.of_bias, way.gates), VALUES))
        return found


def ways(cells: Sequence[Cell]) -> Iterator[Way]:
    """Yields the ways in which cells of as many gates may be laid out, the likeliest first."""
    is_joined = any(len(cell.sources) == 1 for cell in cells)
    number = cells[0].num_gates
    is_keras = any(cell.is_as_keras for cell in cells)
    for gates in _USUAL[number]:
        yield Way(gates, as_keras=is_keras)
        if is_joined:
            yield Way(gates, state_first=True, as_keras=is_keras)
    for gates in itertools.permutations(range(number)):
        if gates not in _USUAL[number]:
            yield Way(gates, as_keras=is_keras)


def placings(cells: Sequence[Cell]) -> Iterator[list[Carried]]:
    """Yields the weights of all cells in their places, for each way in which they may be there.

    Cells of as many gates are laid out alike.
    """
    groups = [[c for c in cells if c.num_gates == n] for n in {c.num_gates for c in cells}]
    for chosen in itertools.product(*map(ways, groups)):
        pairs = zip(groups, chosen, strict=True)
        yield [item for group, way in pairs for cell in group for item in cell.carried(way)]


def cells_of(needs: Sequence[Need], sources: Sequence[Source]) -> list[Cell]:
    """Returns the cells whose weights have room in parameters of the port.

    They have one, three or four gates. The parameters of a cell are in one module; the
    innermost that has room is taken.

    Args:
        needs: weights of Keras without a place.
        sources: parameters without a weight of Keras.
    """
    by_name = {need.name: need for need in needs}
    used_names: set[str] = set()
    found = []
    for need in needs:
        holder, _, short = need.name.rpartition("/")
        recurrent = by_name.get(f"{holder}/recurrent_kernel")
        if short != "kernel" or recurrent is None or len(need.shape) < 2:
            continue
        free = [source for source in sources if source.name not in used_names]
        bias = by_name.get(f"{holder}/bias")
        for inside in _by_holder(free):
            if (cell := _fitting(need, recurrent, bias, inside)) is not None:
                used_names |= {s.name for group in (*cell.sources, cell.of_bias) for s in group}
                found.append(cell)
                break
    return found


def _by_holder(free: Sequence[Source]) -> Iterator[list[Source]]:
    """Yields the parameters in each module, the innermost modules first."""
    paths: dict[str, None] = {}
    for source in free:
        path = source.name
        while path:
            path = path.rpartition(".")[0]
            paths.setdefault(path)
    for path in sorted(paths, key=lambda each: -len(each.split(".")) if each else 0):
        yield [source for source in free if not path or source.name.startswith(f"{path}.")]


def _fitting(
    kernel: Need, recurrent: Need, bias: Need | None, free: Sequence[Source]
) -> Cell | None:
    *window, features, rows = kernel.shape
    units = recurrent.shape[-2]
    is_known = rows in (units * number for number in _USUAL)
    if not is_known or tuple(recurrent.shape) != (*window, units, rows):
        return None

    def sized(width: int, left: Sequence[Source]) -> list[tuple[Source, int]]:
        sizes = [(source, _rows(source.shape, width, units, window)) for source in left]
        return [(source, size) for source, size in sizes if size]

    joined = [source for source, size in sized(features + units, free) if size == rows]
    if joined:
        sources: tuple[Group, ...] = ((joined[0],),)
    else:
        of_kernel = _with_all(sized(features, free), rows)
        of_recurrent = _with_all(sized(units, [s for s in free if s not in of_kernel]), rows)
        if not of_kernel or not of_recurrent:
            return None
        sources = (of_kernel, of_recurrent)
    return Cell(kernel, recurrent, bias, sources, _of_bias(bias, units, sources, free))


def _rows(shape: Sequence[int], width: int, units: int, window: Sequence[int]) -> int:
    """Returns how many rows of gates a parameter has; 0 if it is none of that width."""
    return max(_as_torch(shape, width, units, window), _as_keras(shape, width, units, window))


def _as_torch(shape: Sequence[int], width: int, units: int, window: Sequence[int]) -> int:
    is_fit = len(shape) > 1 and tuple(shape[1:]) == (width, *window) and shape[0] % units == 0
    return shape[0] if is_fit else 0


def _as_keras(shape: Sequence[int], width: int, units: int, window: Sequence[int]) -> int:
    is_fit = not window and len(shape) == 2 and shape[0] == width and shape[1] % units == 0
    return shape[1] if is_fit else 0


def _with_all(sized: Sequence[tuple[Source, int]], rows: int) -> Group:
    """Returns one parameter with all rows, or the first ones that have them together."""
    if whole := [source for source, size in sized if size == rows]:
        return (whole[0],)
    found: list[Source] = []
    left = rows
    for source, size in sized:
        if size <= left:
            found.append(source)
            left -= size
    return () if left else tuple(found)


def _of_bias(
    bias: Need | None, units: int, sources: Sequence[Group], free: Sequence[Source]
) -> Group:
    """Returns the parameters of a bias: beside the kernels, in their order, if there are some."""
    if bias is None:
        return ()
    if same := [s for s in free if len(bias.shape) > 1 and s.shape == bias.shape]:
        return (same[0],)
    modules = [source.module for group in sources for source in group]
    flat = [s for s in free if len(s.shape) == 1 and s.shape[0] % units == 0]
    beside = [s for module in modules for s in flat if s.module is module]
    found: list[Source] = []
    total = math.prod(bias.shape)
    for source in dict.fromkeys([*beside, *flat]):
        if sum(each.shape[0] for each in found) + source.shape[0] <= total:
            found.append(source)
    return tuple(found) if sum(each.shape[0] for each in found) == total else ()


def _common_module(group: Group) -> tuple[nn.Module, tuple[str, ...]]:
    """Returns the module that holds parameters, and their names in it."""
    if len({id(source.module) for source in group}) == 1:
        return group[0].module, tuple(source.attribute for source in group)
    root = group[0].root
    assert root is not None
    steps = zip(*(source.name.split(".")[:-1] for source in group), strict=False)
    shared = list(itertools.takewhile(lambda each: len(set(each)) == 1, steps))
    path = ".".join(each[0] for each in shared)
    names = tuple(".".join(source.name.split(".")[len(shared) :]) for source in group)
    return root.get_submodule(path), names


def _kernel(need: Need, group: Group, columns: slice, width: int, way: Way) -> Variable:
    gates = way.gates
    *window, _, rows = need.shape
    units = rows // len(gates)
    rank = len(window)
    axes = (*range(2, rank + 2), 1, 0)
    back = tuple(sorted(range(len(axes)), key=lambda axis: axes[axis]))
    shapes = [source.shape for source in group]
    is_turned = [
        (way.as_keras and _as_keras(shape, width, units, window) > 0)
        or not _as_torch(shape, width, units, window)
        for shape in shapes
    ]
    sizes = [_rows(shape, width, units, window) for shape in shapes]

    def rows_of(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        pairs = zip(tensors, is_turned, strict=True)
        return torch.cat([(x.T if turned else x)[:, columns] for x, turned in pairs])

    def to_keras(tensors: Tensors) -> torch.Tensor:
        return _turned(rows_of(tensors), _inverse(gates)).permute(axes)

    def to_torch(array: torch.Tensor) -> Tensors:
        parts = _turned(array.permute(back), gates).split(sizes)
        made = []
        for part, shape, turned in zip(parts, shapes, is_turned, strict=True):
            whole = array.new_zeros(shape)
            (whole.T if turned else whole)[:, columns] = part
            made.append(whole)
        return tuple(made)

    part = None
    if columns.stop - columns.start < width:  # of one parameter for both kernels
        numbers = torch.arange(math.prod(shapes[0])).reshape(shapes[0])
        part = rows_of([numbers]).flatten()
    module, names = _common_module(group)
    short = need.name.partition(".")[2]
    return Variable(short, module, names, to_keras, to_torch, part=part)


def _bias(need: Need, group: Group, gates: tuple[int, ...]) -> Variable:
    shapes = [source.shape for source in group]
    sizes = [math.prod(shape) for shape in shapes]

    def to_keras(tensors: Tensors) -> torch.Tensor:
        flat = torch.cat([x.flatten() for x in tensors]).reshape(need.shape)
        return _turned(flat.movedim(-1, 0), _inverse(gates)).movedim(0, -1)

    def to_torch(array: torch.Tensor) -> Tensors:
        parts = _turned(array.movedim(-1, 0), gates).movedim(0, -1).flatten().split(sizes)
        return tuple(x.reshape(shape) for x, shape in zip(parts, shapes, strict=True))

    module, names = _common_module(group)
    return Variable(need.name.partition(".")[2], module, names, to_keras, to_torch)


def _turned(rows: torch.Tensor, gates: Sequence[int]) -> torch.Tensor:
    parts = rows.chunk(len(gates))
    return torch.cat([parts[gate] for gate in gates])


def _inverse(gates: Sequence[int]) -> list[int]:
    return [list(gates).index(gate) for gate in range(len(gates))]
