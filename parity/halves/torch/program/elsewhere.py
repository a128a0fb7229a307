"""Slots of Keras's optimizer that a port keeps elsewhere, such as averages of weights in its loop.

They are among the tensors that its functions can reach. Which they are is found by values, at a
recorded state: in the middle of its own training, the port has nearly what Keras has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.slots import set_in, slots_in
from parity.halves.torch.program.kept import Place, Reached, reached
from torch_impl.port import Port

# How far what is taken for a slot may be from it, by their sizes. A port that averages otherwise is
# to be compared, too; what is no average of the weights is as far as their size.
_NEAR = 0.5
_CLEARLY = 10.0  # the next one is so many times as far
Slots = Mapping[str, Mapping[str, np.ndarray]]  # slot -> weight -> value
_State = dict[torch.Tensor, dict[str, torch.Tensor]]


class Elsewhere:
    """Finds, sets and reads the slots of Keras's optimizer that a port keeps outside of its own.

    Args:
        port: in its training.
        built: the same port, complete.
    """

    def __init__(self, port: PortUnderTest, built: Port) -> None:
        self._port, self._built = port, built
        self._parameters = [p for p in built.module.parameters() if p.requires_grad]
        self._places: dict[str, list[Place]] = {}  # slot -> of each parameter

    def find(self, slots: Slots, kept: Sequence[str], found: Reached) -> set[str]:
        """Returns the slots that are kept elsewhere, of a state at which the port is as well.

        Args:
            slots: of Keras's optimizer.
            kept: names of those that the port's optimizer keeps.
            found: what the port can reach.
        """
        for slot in {*slots} - {*kept, *self._places}:
            if (places := self._nearest(slots[slot], found)) is not None:
                self._places[slot] = places
        return {*slots} & {*self._places}

    def set(self, slots: Slots) -> None:
        """Sets the slots that were found."""
        state = self._state()
        ids = {id(parameter) for parameter in state}
        for item in self._port.carried:
            set_in(state, self._keys, item, slots, 1.0, ids)

    def read(self) -> dict[str, dict[str, np.ndarray]]:
        """Returns the slots that were found: slot -> weight -> value."""
        state = self._state()
        read = {item.name: slots_in(state, self._keys, item, 1.0) for item in self._port.carried}
        return {
            slot: {name: values[slot] for name, values in read.items() if slot in values}
            for slot in self._places
        }

    @property
    def _keys(self) -> dict[str, tuple[str, str]]:
        return {slot: (slot, "same") for slot in self._places}

    def _state(self) -> _State:
        """Returns what is kept of each parameter, as optimizers have it."""
        state: _State = defaultdict(dict)
        if self._places:  # else all that the port can reach need not be looked for
            found = reached(self._built)
            tensors = found.tensors | found.in_modules
            for slot, places in self._places.items():
                for parameter, place in zip(self._parameters, places, strict=True):
                    if place in tensors and tensors[place].shape == parameter.shape:
                        state[parameter][slot] = tensors[place].detach()
        return state

    def _nearest(self, values: Mapping[str, np.ndarray], found: Reached) -> list[Place] | None:
        """Returns where a slot is kept; None if nothing is near, or several are as near."""
        expected: Any = defaultdict(dict)
        ids = {id(parameter) for parameter in self._parameters}
        for item in self._port.carried:
            set_in(expected, {"": ("", "same")}, item, {"": values}, 1.0, ids)
        theirs = [expected[p].get("") for p in self._parameters]
        if any(each is None for each in theirs):
            return None
        size = sum(float(each.square().sum()) for each in theirs)
        apart = sorted(
            (sum(float((a - b).square().sum()) for a, b in zip(ours, theirs, strict=True)), places)
            for places, ours in self._groups(found)
        )
        if not apart or not apart[0][0] <= _NEAR**2 * size:
            return None
        if len(apart) > 1 and apart[1][0] <= _CLEARLY**2 * apart[0][0]:
            return None
        return apart[0][1]

    def _groups(self, found: Reached) -> Iterator[tuple[list[Place], list[torch.Tensor]]]:
        """Yields what holds a tensor for each parameter, in their order: places and tensors."""
        of_module = {
            id(tensor) for tensor in self._built.module.state_dict(keep_vars=True).values()
        }
        groups: dict[Place, list[tuple[Place, torch.Tensor]]] = defaultdict(list)
        for place, tensor in (found.tensors | found.in_modules).items():
            if id(tensor) not in of_module:
                groups[place[:-1]].append((place, tensor.detach()))
        for group in groups.values():
            left = iter(group)
            chosen = [
                next((each for each in left if each[1].shape == parameter.shape), None)
                for parameter in self._parameters
            ]
            whole = [each for each in chosen if each is not None]
            if len(whole) == len(self._parameters):
                yield [place for place, _ in whole], [tensor for _, tensor in whole]
