"""Carries Keras's weights into a port, also those that no pair of layers covers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.data.probe_inputs import MOVING
from parity.errors import InputError
from parity.halves.torch.call import Call, Place, as_it_is, placed, tensors_of
from parity.halves.torch.factories import error_text
from parity.halves.torch.port.agreement import output_error
from parity.halves.torch.port.carried import (
    LOAD,
    NAMES,
    PAIRING,
    VALUES,
    Carried,
    Need,
    Option,
    Source,
    assignments,
    variable_of,
)
from parity.halves.torch.port.cell_weights import Cell, cells_of, placings, seatings
from parity.halves.torch.port.paired_layer import PairedLayer
from parity.halves.torch.port.pairing import Pairing
from parity.traces.facts import Incomplete, Notice
from parity.traces.trace import KerasTrace
from torch_impl.layouts import Variable

# --------------------------------------------------------------------------------------------------
#
# Calls a port's own `load`, and finds the weights that it has set: by their values, anywhere.
#
# Keras's weights and the module go in. A weight whose values are those of a parameter, or of a part
# of one, in any order, comes out as a variable, so that its gradient and its steps can be compared.


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
        listed = ", ".join(f"{name} {list(array.shape)}" for name, array in weights.items())
        raise InputError(
            f"the port's `load` raised {error_text(error)}; it gets the module and "
            f"Keras's weights by name: {listed}"
        ) from error


def _turned_into(array: np.ndarray, vector: np.ndarray) -> np.ndarray | None:
    """Returns where each entry of an array stands in a vector with the same values, or None."""
    places = np.arange(array.size).reshape(array.shape)
    for order in _orders(array.shape):
        if np.array_equal(order(array).reshape(-1), vector):
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
        self._tensors: list[tuple[nn.Module, str, np.ndarray, np.ndarray]] = []
        self._names = {id(p): name for name, p in module.named_parameters()}
        for _, owner, attribute, tensor in tensors_of(module):
            if not tensor.is_floating_point():
                continue
            values = tensor.detach().cpu().double().reshape(-1).numpy()
            order = np.argsort(values, kind="stable")
            self._tensors.append((owner, attribute, values[order], order))

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
        is_distinct = len(np.unique(wanted)) == wanted.size
        words = set(re.split(r"[./]", name))

        def unlike(entry: tuple[nn.Module, str, np.ndarray, np.ndarray]) -> int:
            return -len(words & set(self._name(entry[0], entry[1]).split(".")))

        # Two biases may have the same values: that of the path with Keras's names comes first.
        for owner, attribute, values, order in sorted(self._tensors, key=unlike):
            if len(values) < wanted.size:
                continue
            places = np.searchsorted(values, wanted)
            if (places >= len(values)).any() or (values[places] != wanted).any():
                continue
            positions = order[places]
            if not is_distinct:
                if len(values) != wanted.size:
                    continue
                vector = np.empty_like(values)
                vector[order] = values
                if (turned := _turned_into(wanted.reshape(array.shape), vector)) is None:
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
        for owner, attribute, values, _ in self._tensors:
            is_here = np.isin(wanted, values)
            if is_here.any() and not (is_here & found).any():
                found |= is_here
                names.append(self._name(owner, attribute))
        return names if found.all() and all(names) else []

    def _in_a_row(self, wanted: np.ndarray) -> list[str]:
        """Returns the parameters whose values make a vector, one after the other."""
        names, place = [], 0
        for owner, attribute, values, order in self._tensors:
            flat = values[np.argsort(order)]
            if len(flat) and np.array_equal(wanted[place : place + len(flat)], flat):
                names.append(self._name(owner, attribute))
                place += len(flat)
        return names if place == wanted.size and all(names) else []

    def _name(self, owner: nn.Module, attribute: str) -> str:
        """Returns the name of a parameter; "" for a buffer."""
        return self._names.get(id(getattr(owner, attribute)), "")


# --------------------------------------------------------------------------------------------------
#
# Carries Keras's weights into a port, and finds the place of those that no pair of layers covers.
#
# Pairs go in, a list of `Carried` comes out. The port's own `load` comes first; then the variables
# of paired layers; then what is left, by names and shapes. Where several assignments are possible
# the port is run with each, and its output decides.


MOST_TRIALS = 24
MOST_PLACINGS = 48  # of cells: the gates of an LSTM have 24 orders
# An assignment that is wrong changes an output by more than rounding ever does.
AGREES = 1e6  # in units of what rounding explains, 1e-12 or more: relative 1e-6


@dataclass
class Cargo:
    """What was carried, and what was not.

    Attributes:
        carried: the weights with a place in the port.
        problems: "LAYER: why", for weights that do not fit into the layer that is paired.
        incomplete: for the fact of the same name: weights that could not be carried.
        not_compared: for the fact of the same name: weights whose place is not known.
        spread: weights that `load` has put into several parameters, with the names of these.
    """

    carried: list[Carried] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    incomplete: list[Incomplete] = field(default_factory=list)
    not_compared: list[Notice] = field(default_factory=list)
    spread: dict[str, list[str]] = field(default_factory=dict)


def paired_weights(pairs: Sequence[PairedLayer]) -> list[Carried]:
    """Returns the weights of Keras that paired layers cover, each once."""
    found: dict[str, Carried] = {}
    for pair in pairs:
        for name, variable in pair.weights():
            found.setdefault(name, Carried(name, variable, PAIRING, pair.node["name"]))
    return list(found.values())


def carry(
    keras: KerasTrace,
    pairs: Sequence[PairedLayer],
    found: Sequence[Source],
    needs: Mapping[str, Need],
    output: Callable[[], torch.Tensor],
    most: int = MOST_TRIALS,
    beside: Sequence[Sequence[Sequence[Carried]]] = (),
) -> Cargo:
    """Sets Keras's weights in a module.

    Args:
        keras: what Keras computed.
        pairs: layers whose weights belong together.
        found: parameters and buffers of the module, all of them.
        needs: weights of Keras by name, all of them.
        output: computes the port's output in eval mode for Keras's probe.
        most: number of assignments of what is left that are tried.
        beside: of layers that several calls hold together: the ways in which they may do so.
    """
    cargo = Cargo()
    for item in paired_weights(pairs):
        try:
            item.set(keras[f"weights/{item.name}"])
            cargo.carried.append(item)
        except ValueError as error:
            if item.variable.is_computed:
                cargo.incomplete.append(_computed(item, error))
            else:
                cargo.problems.append(f"{item.node}: {error}")
    if not beside:
        _carry_rest(keras, found, needs, cargo, output, most)
        return cargo
    tried = None
    for chosen in islice(itertools.product(*beside), most):
        items = [item for way in chosen for item in way]
        set_all(keras, items)
        now = replace(cargo, carried=[*cargo.carried, *items])
        _carry_rest(keras, found, needs, now, output, most)
        tried = tried or (items, now)
        if _error(keras, output) < AGREES:
            return now
    assert tried is not None
    set_all(keras, tried[1].carried)
    return tried[1]


def _carry_cells(
    keras: KerasTrace,
    ways: Iterable[list[Carried]],
    cargo: Cargo,
    rest: Callable[[Cargo], Cargo],
    fits: Callable[[], bool],
) -> bool:
    """Carries the weights of cells in the first way in which the output is Keras's.

    If there is none, it is the likeliest way.

    Args:
        keras: what Keras computed.
        ways: to carry the weights of the cells, the likeliest first.
        cargo: receives the weights.
        rest: carries what is left beside the cells.
        fits: whether the output of the port is Keras's.

    Returns:
        Whether there is one.
    """
    tried = None
    for items in ways:
        set_all(keras, items)
        found = rest(Cargo([*cargo.carried, *items], cargo.problems, cargo.incomplete))
        tried = tried or (items, found)
        if fits():
            cargo.carried[:] = found.carried
            return True
    if tried is not None:
        set_all(keras, tried[1].carried)
        cargo.carried[:] = tried[1].carried
    return False


def ways_of_cells(
    wanted: Sequence[Need], free: Sequence[Source], most: int
) -> Iterator[list[Carried]]:
    """Yields ways to carry weights of recurrent cells; none if there are no cells with room.

    Code may hold the weights in a layer of torch, and compute the gates by itself.
    """
    yield from (items for items in islice(seatings(wanted, free), most) if items)
    tried: list[list[Cell]] = []
    for order in (free, sorted(free, key=lambda s: np.inf if s.place is None else s.place)):
        cells = cells_of(wanted, order)
        if cells and cells not in tried:
            tried.append(cells)
            yield from islice(placings(cells), MOST_PLACINGS)


def carry_by_load(
    module: nn.Module,
    keras: KerasTrace,
    pairs: Sequence[PairedLayer],
    output: Callable[[], torch.Tensor],
) -> Cargo:
    """Finds the weights that the port's own `load` has set; the arguments are those of `carry`."""
    cargo, loaded = Cargo(), Loaded(module)
    paired = {item.name: item for item in paired_weights(pairs)}
    is_right = _error(keras, output) <= 1
    for name in keras.facts["weights"]:
        array = keras[f"weights/{name}"]
        item = paired.get(name)
        # What `load` put elsewhere may be wrong, and is told by where it should be.
        if item is not None and (_holds(item, array) or not is_right):
            cargo.carried.append(replace(item, how=LOAD))
            continue
        variable = loaded.find(name, array)
        if variable is not None:
            cargo.carried.append(Carried(name, variable, LOAD, "" if item is None else item.node))
        elif parts := loaded.spread(array):
            cargo.spread[name] = parts
            cargo.not_compared.append(_in_parts(name, parts))
        else:
            cargo.not_compared.append(_hidden(name))
    return cargo


def _holds(item: Carried, array: np.ndarray) -> bool:
    """Whether a variable has a value, but for the rounding of one that is computed."""
    value = item.value()
    if value.shape != array.shape:
        return False
    if item.variable.is_computed:
        return bool(np.allclose(value, array, rtol=1e-12, atol=0))
    return bool((value == array).all())


def _carry_rest(
    keras: KerasTrace,
    found: Sequence[Source],
    needs: Mapping[str, Need],
    cargo: Cargo,
    output: Callable[[], torch.Tensor],
    most: int,
) -> None:
    """Matches the weights and parameters that are left; the output of the port decides."""
    placed = {item.name for item in cargo.carried} | {entry["what"] for entry in cargo.incomplete}
    used_ids = {id(tensor) for item in cargo.carried for tensor in source_tensors(item.variable)}
    wanted = [need for name, need in needs.items() if name not in placed]
    free = [s for s in found if id(getattr(s.module, s.attribute)) not in used_ids]
    if not wanted or not free:
        return
    if ways := list(ways_of_cells(wanted, free, most)):

        def rest(others: Cargo) -> Cargo:
            _carry_rest(keras, found, needs, others, output, 1)
            return others

        before = list(cargo.carried)
        fits = _carry_cells(keras, ways, cargo, rest, lambda: _error(keras, output) < AGREES)
        if fits:
            return
        likely, cargo.carried[:] = list(cargo.carried), before
    else:
        likely = []
    tried: list[list[Carried]] = []
    for chosen in islice(assignments(wanted, free), most):
        items = [
            Carried(wanted[n].name, variable_of(wanted[n], free[option.source], option), NAMES)
            for n, option in chosen
        ]
        tried.append(items)
        set_all(keras, items)
        if _error(keras, output) < AGREES:
            how = VALUES if len(tried) > 1 or _is_open(wanted, free, chosen) else NAMES
            cargo.carried += [replace(item, how=how) for item in items]
            return
    if likely:
        set_all(keras, likely)
        cargo.carried[:] = likely
    elif tried:
        set_all(keras, tried[0])
        cargo.carried += tried[0]


def _error(keras: KerasTrace, output: Callable[[], torch.Tensor]) -> float:
    with suppress(Exception):  # the code of the port may raise anything; a later stage tells it
        return output_error(keras, output())
    return np.inf


def _is_open(
    wanted: Sequence[Need], free: Sequence[Source], chosen: Sequence[tuple[int, Option]]
) -> bool:
    """Whether another assignment was possible too."""
    others = assignments(wanted, free)
    return sum(1 for _ in islice(others, 2)) > 1 and bool(chosen)


def set_all(keras: KerasTrace, items: Sequence[Carried]) -> None:
    """Sets Keras's weights in their places."""
    for item in items:
        item.set(keras[f"weights/{item.name}"])


def source_tensors(variable: Variable) -> Iterator[torch.Tensor]:
    """Yields the parameters and buffers that a variable is read from."""
    if not variable.is_computed:
        yield from variable.tensors
        return
    module = variable.module
    for attribute in variable.attributes:
        starts = (f"parametrizations.{attribute}.", f"{attribute}_")
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if name.startswith(starts):
                yield tensor


def sources_of(module: nn.Module, calls: Sequence[Call], pairing: Pairing) -> list[Source]:
    """Returns the parameters and float buffers of a module, with the places where they are used."""
    paired = {column for _, column in pairing.pairs}
    places: dict[int, int] = {}
    count = 0
    for number, call in enumerate(calls):
        for variable in call.variables:
            for tensor in variable.tensors:
                places.setdefault(id(tensor), count)
        count += number in paired
    found = []
    for path, owner, name, tensor in tensors_of(module):
        if tensor.is_floating_point():
            full = f"{path}.{name}" if path else name
            found.append(Source(full, owner, name, places.get(id(tensor)), module))
    return found


def needs_of(facts: Mapping[str, Any], pairing: Pairing) -> dict[str, Need]:
    """Returns the weights of Keras by name, with the places where they are used."""
    paired = {row for row, _ in pairing.pairs}
    places: dict[str, int] = {}
    count = 0
    for number, node in enumerate(facts["nodes"]):
        for name in node["weights"]:
            places.setdefault(name, count)
        count += number in paired
    # In the order of the calls; facts from a bundle are in no order.
    names = [*places, *sorted(facts["weights"].keys() - places.keys(), key=by_number)]
    entries = facts["weights"]
    return {
        name: Need(
            name,
            tuple(entries[name]["shape"]),
            bool(entries[name].get("trainable", True)),
            places.get(name),
        )
        for name in names
        if name in entries
    }


def by_number(name: str) -> list[tuple[int, str]]:
    """Returns the parts of a name, such that scale_2 is before scale_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _hidden(name: str) -> Notice:
    return {
        "what": name,
        "why": "after the port's `load`, no parameter has its values, so that its gradient and its "
        "steps have no partner",
    }


def _in_parts(name: str, parameters: Sequence[str]) -> Notice:
    return {
        "what": name,
        "why": f"the port's `load` put its parts into {', '.join(parameters)}, so that its "
        "gradient and its steps have no partner",
    }


def _computed(item: Carried, error: ValueError) -> Incomplete:
    return {
        "what": item.name,
        "why": f"the port computes this weight from others ({error})",
        "do": "give Port a `load` that sets them",
    }


# --- Places for the weights of a part that is a copy of another, such as a target network ---------
#
# No pass calls such a part, so that no layers of it are paired. Its weights have the places that
# those of the other part have, in the module of the port that has the same parameters and buffers.


def carry_with_copies(
    module: nn.Module,
    keras: KerasTrace,
    pairs: Sequence[PairedLayer],
    found: Sequence[Source],
    needs: Mapping[str, Need],
    output: Callable[[], torch.Tensor],
    **settings: Any,
) -> Cargo:
    """Sets Keras's weights in a module, those of copies behind all others.

    Args:
        module: root of the port.
        keras: what Keras computed.
        pairs: see `carry`, as all that follow.
        found: parameters and buffers of the module.
        needs: weights of Keras by name.
        output: computes the port's output in eval mode.
        **settings: the others of `carry`.
    """
    copies = copies_in(keras.facts)
    if not copies:
        return carry(keras, pairs, found, needs, output, **settings)
    originals = {name for each in copies for name in each.values()}
    paired = [item for item in paired_weights(pairs) if item.name in originals]
    _, likely = modules_like(module, paired)
    inside = {id(each) for path in likely for each in module.get_submodule(path).modules()}
    copy_names = {name for each in copies for name in each}
    first_needs = {name: need for name, need in needs.items() if name not in copy_names}
    first_found = [source for source in found if id(source.module) not in inside]
    cargo = carry(keras, pairs, first_found, first_needs, output, **settings)
    copied = list(copied_weights(module, copies, cargo.carried))
    if {item.name for item in copied} != copy_names.intersection(needs):
        return carry(keras, pairs, found, needs, output, **settings)
    for item in copied:
        item.set(keras[f"weights/{item.name}"])
    cargo.carried += copied
    return cargo


def copies_in(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """Returns for each part that is a copy the weight of which each of its weights is one.

    Weights that no pass uses are those of a copy if there are as many of them as another part has,
    of the same shapes in the order of their names. Of a second layer "dense", it is "dense#2".

    Args:
        facts: of what Keras computed.
    """
    parts, shapes = facts.get("own_training", {}).get("parts", {}), facts["weights"]
    called = {name for node in facts["nodes"] for name in node["weights"]}
    unused: dict[str, list[str]] = {}
    for name in sorted(shapes.keys() - called, key=by_number):
        unused.setdefault(name.partition(".")[0].partition("#")[2], []).append(name)
    found = []
    for unused_names in unused.values():
        like = [
            names
            for names in (sorted(part["weights"], key=by_number) for part in parts.values())
            if [shapes[n]["shape"] for n in names] == [shapes[n]["shape"] for n in unused_names]
            and called.issuperset(names)
        ]
        if len(like) == 1:
            found.append(dict(zip(unused_names, like[0], strict=True)))
    return found


def modules_like(module: nn.Module, carried: Sequence[Carried]) -> tuple[str, list[str]]:
    """Returns the path of the module that holds some weights, and of those that could be copies.

    Args:
        module: root of the port.
        carried: weights of one part.
    """
    paths = {id(each): path for path, each in module.named_modules()}
    split_paths = [paths[id(item.variable.module)].split(".") for item in carried]
    shared = itertools.takewhile(
        lambda steps: len(set(steps)) == 1, zip(*split_paths, strict=False)
    )
    common = ".".join(steps[0] for steps in shared)
    signature = _signature(module.get_submodule(common))
    return common, [
        path
        for path, each in module.named_modules()
        if path and path != common and _signature(each) == signature and not _is_below(path, common)
    ]


def copied_weights(
    module: nn.Module, copies: Sequence[Mapping[str, str]], carried: Sequence[Carried]
) -> Iterator[Carried]:
    """Yields the weights of copies in the modules that are the only ones for them.

    Args:
        module: root of the port.
        copies: see `copies_in`.
        carried: weights that have a place.
    """
    items = {item.name: item for item in carried}
    for originals in copies:
        if any(name not in items for name in originals.values()):
            continue
        of = [items[name] for name in originals.values()]
        common, paths = modules_like(module, of)
        if len(paths) != 1:
            continue
        copy_root = module.get_submodule(paths[0])
        ways = {id(each): way for way, each in module.get_submodule(common).named_modules()}
        for name, item in zip(originals, of, strict=True):
            place = copy_root.get_submodule(ways[id(item.variable.module)])
            yield Carried(name, replace(item.variable, module=place), NAMES)


def _signature(module: nn.Module) -> dict[str, tuple[int, ...]]:
    named = (*module.named_parameters(), *module.named_buffers())
    return {name: tuple(tensor.shape) for name, tensor in named}


def _is_below(path: str, other: str) -> bool:
    return path.startswith(f"{other}.") or other.startswith(f"{path}.")


# --- PortWeights: the weights of Keras in a port, and their gradients, by Keras's names -----------


class PortWeights:
    """What a port under test says of its weights.

    Attributes:
        module: the network.
        cargo: the weights that were carried into it, and those that were not.
    """

    module: nn.Module
    cargo: Cargo

    @property
    def carried(self) -> list[Carried]:
        """The weights of Keras that have a place in the module."""
        return self.cargo.carried

    @property
    def problems(self) -> list[str]:
        """What was found while Keras's weights were set: "LAYER: why"."""
        return self.cargo.problems

    def weights(self) -> dict[str, np.ndarray]:
        """Returns all weights that have a partner, by Keras's names, in the portable layout."""
        return {item.name: item.value() for item in self.carried}

    def moving(self) -> dict[str, np.ndarray]:
        """Returns the weights that a pass in train mode changes: moving statistics."""
        return {item.name: item.value() for item in self.carried if item.name.endswith(MOVING)}

    def gradients(self) -> dict[str, np.ndarray]:
        """Returns the gradients of these weights, by the same names and in the same layout."""
        found = {item.name: item.gradient() for item in self.carried}
        return {name: gradient for name, gradient in found.items() if gradient is not None}

    def set_gradients(self, names: Collection[str], made: Callable[[str], np.ndarray]) -> None:
        """Sets the gradients of all parameters; those without a partner get zero.

        Args:
            names: Keras's names of weights.
            made: makes the gradient of one of them, so that one at a time is in memory.
        """
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        self.module.zero_grad(set_to_none=True)
        for item in self.carried:
            if item.name in names:
                item.set_gradient(made(item.name))
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
