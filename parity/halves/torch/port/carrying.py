"""Carries Keras's weights into a port, and finds the place of those that no pair of layers covers.

Pairs go in, a list of `Carried` comes out. The port's own `load` comes first; then the variables of
paired layers; then what is left, by names and shapes. Where several assignments are possible the
port is run with each, and its output decides.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.halves.torch.call import Call
from parity.halves.torch.port.agreement import output_error
from parity.halves.torch.port.assignments import Need, Option, Source, assignments, variable_of
from parity.halves.torch.port.carried import LOAD, NAMES, PAIRING, VALUES, Carried
from parity.halves.torch.port.function_weights import tensors_of
from parity.halves.torch.port.inner_cells import seatings
from parity.halves.torch.port.joined_kernels import Cell, cells_of, placings
from parity.halves.torch.port.loaded import Loaded
from parity.halves.torch.port.paired_layer import PairedLayer
from parity.halves.torch.port.pairing import Pairing
from parity.traces.trace import Trace
from torch_impl.layouts import Variable

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
    incomplete: list[dict[str, str]] = field(default_factory=list)
    not_compared: list[dict[str, str]] = field(default_factory=list)
    spread: dict[str, list[str]] = field(default_factory=dict)


def paired_weights(pairs: Sequence[PairedLayer]) -> list[Carried]:
    """Returns the weights of Keras that paired layers cover, each once."""
    found: dict[str, Carried] = {}
    for pair in pairs:
        for name, variable in pair.weights():
            found.setdefault(name, Carried(name, variable, PAIRING, pair.node["name"]))
    return list(found.values())


def carry(
    keras: Trace,
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
    keras: Trace,
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
    seen: list[list[Cell]] = []
    for order in (free, sorted(free, key=lambda s: np.inf if s.place is None else s.place)):
        cells = cells_of(wanted, order)
        if cells and cells not in seen:
            seen.append(cells)
            yield from islice(placings(cells), MOST_PLACINGS)


def carry_by_load(
    module: nn.Module,
    keras: Trace,
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
    keras: Trace,
    found: Sequence[Source],
    needs: Mapping[str, Need],
    cargo: Cargo,
    output: Callable[[], torch.Tensor],
    most: int,
) -> None:
    """Matches the weights and parameters that are left; the output of the port decides."""
    placed = {item.name for item in cargo.carried} | {entry["what"] for entry in cargo.incomplete}
    taken = {id(tensor) for item in cargo.carried for tensor in held_tensors(item.variable)}
    wanted = [need for name, need in needs.items() if name not in placed]
    free = [s for s in found if id(getattr(s.module, s.attribute)) not in taken]
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


def _error(keras: Trace, output: Callable[[], torch.Tensor]) -> float:
    with suppress(Exception):  # the code of the port may raise anything; a later stage tells it
        return output_error(keras, output())
    return np.inf


def _is_open(
    wanted: Sequence[Need], free: Sequence[Source], chosen: Sequence[tuple[int, Option]]
) -> bool:
    """Whether another assignment was possible too."""
    others = assignments(wanted, free)
    return sum(1 for _ in islice(others, 2)) > 1 and bool(chosen)


def set_all(keras: Trace, items: Sequence[Carried]) -> None:
    """Sets Keras's weights in their places."""
    for item in items:
        item.set(keras[f"weights/{item.name}"])


def held_tensors(variable: Variable) -> Iterator[torch.Tensor]:
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


def _hidden(name: str) -> dict[str, str]:
    return {
        "what": name,
        "why": "after the port's `load`, no parameter has its values, so that its gradient and its "
        "steps have no partner",
    }


def _in_parts(name: str, parameters: Sequence[str]) -> dict[str, str]:
    return {
        "what": name,
        "why": f"the port's `load` put its parts into {', '.join(parameters)}, so that its "
        "gradient and its steps have no partner",
    }


def _computed(item: Carried, error: ValueError) -> dict[str, str]:
    return {
        "what": item.name,
        "why": f"the port computes this weight from others ({error})",
        "do": "give Port a `load` that sets them",
    }
