"""Carried: a weight of Keras and the variable of the port that takes its place."""

from __future__ import annotations

import heapq
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from parity.data import probe_inputs
from torch_impl.layouts import Tensors, Variable
from torch_impl.weights import gradient_of, put, set_variable, to_array

# --- Carried: a weight of Keras and the variable of the port that takes its place -----------------
#
# Values, gradients and initial draws are read and written here, whatever the way in which the two
# were found: by pairing layers, by the port's `load`, by names and shapes, or by values.


PAIRING, LOAD, NAMES, VALUES = "pairing", "load", "names", "values"


@dataclass(frozen=True)
class Carried:
    """A weight of Keras in a port.

    Attributes:
        name: Keras's, "dense1.kernel".
        variable: turns the tensors of the port into Keras's array and back, the order of rows
            included.
        how: the way in which it was found: "pairing", "load", "names" or "values".
        node: name of the Keras layer; "" if none is paired.
    """

    name: str
    variable: Variable
    how: str
    node: str = ""

    def value(self) -> np.ndarray:
        """Returns the weight in Keras's layout."""
        return to_array(self.variable.to_keras(self.variable.tensors))

    def of_step(self, *tensors: torch.Tensor) -> np.ndarray:
        """Returns `probe_inputs.of_step(self.value())` without a copy of the whole weight.

        Args:
            *tensors: taken in the place of those of the port, such as a slot of its optimizer.
        """
        whole = self.variable.to_keras(tensors or self.variable.tensors).detach()
        if whole.numel() <= probe_inputs.MAX_STEP_ENTRIES:
            return to_array(whole)
        places = np.unravel_index(probe_inputs.places_of_step(whole.numel()), tuple(whole.shape))
        return to_array(whole[tuple(map(torch.from_numpy, places))])

    def set(self, array: np.ndarray) -> None:
        """Sets the weight from Keras's array.

        Raises:
            ValueError: it does not fit.
        """
        set_variable(self.variable, self.name, array)

    def gradient(self) -> np.ndarray | None:
        """Returns the gradient in Keras's layout; None if there is none."""
        found = gradient_of(self.variable)
        return None if found is None else to_array(found)

    def set_gradient(self, array: np.ndarray) -> None:
        """Sets the gradient of the tensors from that of Keras's weight; None becomes a tensor."""
        variable = self.variable
        given = torch.from_numpy(array if array.flags.writeable else array.copy())
        parts = variable.to_torch(given)
        if variable.gradient_of is not None:
            # Torch has two biases where Keras has one: each has the gradient of the sum.
            parts = (parts[0],) * len(parts)
        for tensor, part in zip(variable.tensors, parts, strict=True):
            if variable.is_computed:
                if tensor.requires_grad:
                    tensor.backward(part.to(tensor))
            elif tensor.requires_grad:
                if tensor.grad is None:
                    whole = variable.part is None
                    tensor.grad = (torch.empty_like if whole else torch.zeros_like)(tensor)
                put(variable, tensor.grad, part.to(tensor))

    def drawn_by(self, module: nn.Module, path: str) -> np.ndarray | None:
        """Returns the weight of another module of the same program; None if it has none.

        Args:
            module: root of the other.
            path: of the module that holds the weight.
        """
        try:
            other = replace(self.variable, module=module.get_submodule(path))
            return to_array(other.to_keras(other.tensors))
        except (AttributeError, RuntimeError):  # its structure is drawn too
            return None


def ordered(variable: Variable, orders: tuple[tuple[int, np.ndarray], ...]) -> Variable:
    """Returns a variable whose Keras array has other orders along some axes.

    Args:
        variable: as its module stores it.
        orders: (axis, order): the port's position n has Keras's position `order[n]`.
    """
    if not orders:
        return variable

    def to_keras(tensors: tuple[torch.Tensor, ...]) -> torch.Tensor:
        array = variable.to_keras(tensors)
        for axis, order in orders:
            array = array.index_select(axis, torch.from_numpy(np.argsort(order)).to(array.device))
        return array

    def to_torch(array: torch.Tensor) -> tuple[torch.Tensor, ...]:
        for axis, order in orders:
            array = array.index_select(axis, torch.from_numpy(np.array(order)).to(array.device))
        return variable.to_torch(array)

    return replace(variable, to_keras=to_keras, to_torch=to_torch)


# --------------------------------------------------------------------------------------------------
#
# Matches weights of Keras that no pair of layers covers with parameters that have no source.
#
# Such are the weights of a user's own layers: LayerScale, a position embedding, a class token.
# Names and shapes of both go in, assignments come out, the likeliest first. Shapes match up to axes
# of length one and the order of axes. A dense layer of flat patches may be a convolution with a
# stride of its window, and the other way round: the kernels match up to how their axes are joined.
# Which assignment is right, the values decide: see `carrying.py`.


# A list of all orders of axes is short up to so many.
_MOST_AXES = 5
_MOST_EXPANDED = 2000  # partial assignments that are looked at
_SKIPPED = 10.0  # cost of a weight that gets no parameter

# Words for the same role; torch calls most of them "weight".
_ROLES = {
    "gamma": "gamma scale weight g ls lambda",
    "beta": "beta bias shift b offset",
    "bias": "bias b",
    "kernel": "kernel weight w",
    "embeddings": "embeddings embedding embed weight pos position table",
}


@dataclass(frozen=True)
class Need:
    """A weight of Keras without a place.

    Attributes:
        name: "layer_scale.gamma".
        shape: of the weight.
        trainable: whether it is trained.
        place: how many paired calls are made before its layer; None if that is not known.
    """

    name: str
    shape: tuple[int, ...]
    trainable: bool = True
    place: int | None = None


@dataclass(frozen=True)
class Source:
    """A parameter or buffer of the port without a weight of Keras.

    Attributes:
        name: "blocks.0.scale".
        module: holds it.
        attribute: its name there.
        place: see `Need`.
        root: module of the whole port, in which it has this name.
    """

    name: str
    module: nn.Module
    attribute: str
    place: int | None = None
    root: nn.Module | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the parameter."""
        return tuple(getattr(self.module, self.attribute).shape)

    @property
    def trainable(self) -> bool:
        """Whether it is a parameter."""
        return isinstance(getattr(self.module, self.attribute), nn.Parameter)


@dataclass(frozen=True)
class Option:
    """One way of putting a weight of Keras into a parameter.

    Attributes:
        cost: 0 for the likeliest.
        source: number of the parameter.
        split: shape of the weight, with axes merged and those of length one left out.
        axes: order of the axes of the parameter that gives this shape.
        whole: shape as which the parameter is read before: its own, without axes of length one, or
            that of a convolution.
    """

    cost: float
    source: int
    split: tuple[int, ...]
    axes: tuple[int, ...]
    whole: tuple[int, ...]


def assignments(
    needs: Sequence[Need], sources: Sequence[Source]
) -> Iterator[list[tuple[int, Option]]]:
    """Yields assignments (number of the weight, its option), the likeliest first.

    Every parameter is used at most once. The search ends after a bounded number of steps.
    """
    options = [_options(needs, sources, number) for number in range(len(needs))]
    found = [number for number in range(len(needs)) if options[number]]
    found.sort(key=lambda number: len(options[number]))
    least = [min(option.cost for option in options[number]) for number in found]
    rest = [sum(least[number:]) for number in range(len(found) + 1)]
    ids = itertools.count()  # decides between equal costs, in the order of creation
    heap: list[tuple[float, int, float, tuple[Option | None, ...]]] = [(rest[0], 0, 0.0, ())]
    for _ in range(_MOST_EXPANDED):
        if not heap:
            return
        _, _, cost, chosen = heapq.heappop(heap)
        if len(chosen) == len(found):
            pairs = zip(found, chosen, strict=True)
            yield [(number, option) for number, option in pairs if option is not None]
            continue
        used = {option.source for option in chosen if option is not None}
        free: list[Option | None] = [
            option for option in options[found[len(chosen)]] if option.source not in used
        ]
        for option in free or [None]:
            total = cost + (_SKIPPED if option is None else option.cost)
            bound = total + rest[len(chosen) + 1]
            heapq.heappush(heap, (bound, next(ids) - 10**6 * len(chosen), total, (*chosen, option)))


def variable_of(need: Need, source: Source, option: Option) -> Variable:
    """Returns the variable that puts a weight into a parameter."""
    shape, port_shape = need.shape, source.shape
    back = tuple(sorted(range(len(option.axes)), key=lambda axis: option.axes[axis]))

    def to_keras(tensors: Tensors) -> torch.Tensor:
        return tensors[0].reshape(option.whole).permute(option.axes).reshape(shape)

    def to_torch(array: torch.Tensor) -> Tensors:
        return (array.reshape(option.split).permute(back).reshape(port_shape),)

    short = need.name.partition(".")[2]
    return Variable(
        short, source.module, (source.attribute,), to_keras, to_torch, trainable=source.trainable
    )


def _options(needs: Sequence[Need], sources: Sequence[Source], number: int) -> list[Option]:
    need = needs[number]
    same_sides = [n for n, other in enumerate(needs) if _sides(other.shape) == _sides(need.shape)]
    found = []
    fitting = [n for n, s in enumerate(sources) if _sides(s.shape) == _sides(need.shape)]
    for n, source in enumerate(sources):
        orders = list(_orders(need, source))
        if not orders:
            continue
        cost = 0.0 if need.trainable == source.trainable else 3.0
        cost += _unlike(need.name, source.name)
        if n in fitting:
            cost += 0.1 * abs(same_sides.index(number) - fitting.index(n))
        if need.place is not None and source.place is not None:
            cost += min(1.0, 0.3 * abs(need.place - source.place))
        found += [Option(cost + more, n, *order) for more, *order in orders]
    return sorted(found, key=lambda option: option.cost)


def _sides(shape: Sequence[int]) -> list[int]:
    return sorted(side for side in shape if side != 1)


Shape = tuple[int, ...]


def _orders(need: Need, source: Source) -> Iterator[tuple[float, Shape, Shape, Shape]]:
    """Yields (cost, shape of the weight, order of the parameter's axes, its shape) that fit."""
    sides = tuple(side for side in source.shape if side != 1)
    yield from _of_patches(need, source)
    if math.prod(sides) != math.prod(need.shape) or len(sides) > _MOST_AXES:
        return
    for split in _splits(tuple(side for side in need.shape if side != 1), len(sides)):
        merged = 1.0 if len(split) < len([s for s in need.shape if s != 1]) else 0.0
        for axes in itertools.permutations(range(len(sides))):
            if tuple(sides[axis] for axis in axes) == split:
                yield merged + _strange(axes, need.name, source.name), split, axes, sides


def _of_patches(need: Need, source: Source) -> Iterator[tuple[float, Shape, Shape, Shape]]:
    """Yields the same for the kernel of a dense layer of patches and that of a convolution.

    Keras flattens a patch as (rows, columns, channels), `nn.Unfold` as (channels, rows, columns).
    """
    theirs, ours = need.shape, source.shape
    if len(theirs) == 2 < len(ours):
        whole = ours
    elif len(ours) == 2 < len(theirs):
        whole = (theirs[-1], theirs[-2], *theirs[:-2])
    else:
        return
    axes = (*range(2, len(whole)), 1, 0)
    split = tuple(whole[axis] for axis in axes)
    flat = math.prod(split[:-1])
    fits = (flat, split[-1]) == theirs if len(theirs) == 2 else (split[-1], flat) == ours
    if fits and "kernel" in need.name.rpartition(".")[2] and len(whole) <= _MOST_AXES:
        yield 1.0, split, axes, whole


def _splits(shape: tuple[int, ...], rank: int) -> Iterator[tuple[int, ...]]:
    """Yields the shapes of a rank that merge neighbouring axes, such as heads and their size."""
    if len(shape) == rank:
        yield shape
    elif len(shape) > rank >= 1:
        for cuts in itertools.combinations(range(1, len(shape)), rank - 1):
            ends = (0, *cuts, len(shape))
            yield tuple(math.prod(shape[a:b]) for a, b in itertools.pairwise(ends))


def _strange(axes: tuple[int, ...], theirs: str, ours: str) -> float:
    """Returns how unlikely an order of axes is: that of known layouts costs nothing."""
    is_kernel = "kernel" in theirs.rpartition(".")[2]
    is_same = axes == tuple(range(len(axes)))
    if len(axes) < 2:
        return 0.0
    if len(axes) == 2:
        is_layer = is_kernel and "weight" in ours.rpartition(".")[2]
        return 0.0 if is_same != is_layer else 0.5
    channels_first = (*range(1, len(axes)), 0)
    kernel = (*range(2, len(axes)), 1, 0)
    return 0.0 if axes == (kernel if is_kernel else channels_first) else 0.4 if is_same else 1.0


def _unlike(theirs: str, ours: str) -> float:
    """Returns how unlike two names are, from 0 to 2."""
    layer, _, weight = theirs.rpartition(".")
    path, _, parameter = ours.rpartition(".")
    words, others = _words(weight.rpartition("/")[2]), _words(parameter)
    roles = {w for word in words for w in _ROLES.get(word, word).split()} | words
    near = 0.0 if words & others else 0.3 if roles & others else 1.0
    around = _words(f"{layer}_{weight}"), _words(f"{path}_{parameter}")
    shared = {word for word in around[0] & around[1] if not word.isdigit()}
    if layer and layer in path.split("."):  # of layers that differ in their numbers alone
        return near
    return near + (0.5 if shared else 1.0)


def _words(name: str) -> set[str]:
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return {word for word in re.split(r"[^a-z0-9]+", split) if word}
