"""Slots of Keras's optimizer that a port keeps where only its author knows, found by values.

Such as averages of weights in its loop, or what an optimizer of its own keeps. They are among the
tensors that its functions can reach, and at a recorded state, in the middle of its own training,
the port has nearly what Keras has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from parity.halves.torch.kept import Place, Reached, reached
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.slots import FORMS, set_in, slots_in
from torch_impl.port import Port

# How far what is taken for a slot may be from it, by their sizes. A port that averages otherwise is
# to be compared, too; what is no average of the weights is as far as their size.
_NEAR = 0.5
_CLEARLY = 10.0  # the next one is so many times as far
SUMS = "gradient_accumulator"  # slot of Keras's optimizers
Slots = Mapping[str, Mapping[str, np.ndarray]]  # slot -> weight -> value
_State = dict[torch.Tensor, dict[str, torch.Tensor]]
_Group = list[tuple[Place, torch.Tensor]]


class Elsewhere:
    """Finds, sets and reads the slots of Keras's optimizer that a port keeps where it likes.

    Args:
        port: in its training.
        built: the same port, complete.
        period: over how many batches Keras's optimizer adds up gradients. In the gradients of the
            port, they may be divided by it.
    """

    def __init__(self, port: PortUnderTest, built: Port, period: int = 1) -> None:
        self._port, self._built, self._period = port, built, period
        self._parameters = [p for p in built.module.parameters() if p.requires_grad]
        self._found: dict[str, tuple[str, list[Place]]] = {}  # slot -> form, place of each
        self._unsure: set[str] = set()  # of those, as good at another place in this state
        self._share: float | None = None  # of Keras's sums of gradients, in those of the port

    def find(
        self, slots: Any, kept: Sequence[str], rate: float, found: Reached | None = None
    ) -> set[str]:
        """Returns the slots that need not be set in the optimizer, of a state of the port as well.

        They were found, or are zeros, as of an optimizer that has made no step.

        Args:
            slots: of Keras's optimizer.
            kept: names of those that are known to be kept by the port's optimizer.
            rate: of the last step; a momentum may be kept divided by it.
            found: what the port can reach; None: it is looked for.
        """
        zeros = {slot for slot, each in slots.items() if not any(v.any() for v in each.values())}
        for slot in self._unsure:
            self._found.pop(slot, None)
        self._unsure = set()
        for slot in [s for s in slots if s not in {*kept, *self._found, *zeros, SUMS}]:
            found = found or reached(self._built)
            self._look_for(slot, slots[slot], rate, found)
        if SUMS in slots and SUMS not in kept and self._share is None:
            self._share = self._share_of(slots[SUMS])
        sums = set() if self._share is None else {SUMS}
        return {*slots} & {*self._found, *sums, *(zeros - {*kept})}

    def set(self, slots: Slots, rate: float) -> None:
        """Sets the slots that were found."""
        if self._share is not None and SUMS in slots:
            sums = self._expected(slots[SUMS], "same", rate)
            for parameter, value in zip(self._parameters, sums, strict=True):
                parameter.grad = (value * self._share).to(parameter)
        state = self._state()
        ids = {id(parameter) for parameter in state}
        for item in self._port.carried:
            set_in(state, self._keys, item, slots, rate, ids)

    def read(self, rate: float) -> dict[str, dict[str, np.ndarray]]:
        """Returns the slots that were found: slot -> weight -> value."""
        state = self._state()
        read = {item.name: slots_in(state, self._keys, item, rate) for item in self._port.carried}
        return {
            slot: {name: values[slot] for name, values in read.items() if slot in values}
            for slot in self._found
            if slot not in self._unsure
        }

    @property
    def _keys(self) -> dict[str, tuple[str, str]]:
        return {slot: (slot, form) for slot, (form, _) in self._found.items()}

    def _state(self) -> _State:
        """Returns what is kept of each parameter, as optimizers have it."""
        state: _State = defaultdict(dict)
        if self._found:  # else all that the port can reach need not be looked for
            tensors = _tensors(reached(self._built))
            for slot, (_, places) in self._found.items():
                for parameter, place in zip(self._parameters, places, strict=True):
                    if place in tensors and tensors[place].shape == parameter.shape:
                        state[parameter][slot] = tensors[place].detach()
        return state

    def _look_for(
        self, slot: str, values: Mapping[str, np.ndarray], rate: float, found: Reached
    ) -> None:
        """Notes how and where a slot is kept, unless nothing is near, or several are as near.

        Two slots may be the same yet, such as a velocity and its maximum after one step. Then it is
        of no matter which is which, in that state alone.
        """
        unsure = [self._found[name][1] for name in self._unsure]
        taken = [places for _, places in self._found.values() if places not in unsure]
        apart: list[tuple[float, str, list[Place]]] = []
        groups = list(self._groups(found))
        for form in FORMS:
            theirs = self._expected(values, form, rate)
            if not theirs or not (size := _square(theirs)):
                return
            for group in groups:
                for is_ordered in (True, False):
                    if chosen := _chosen(group, theirs, is_ordered=is_ordered):
                        places, ours = [p for p, _ in chosen], [each for _, each in chosen]
                        apart.append((_apart(ours, theirs) / size, form, places))
        apart = sorted(each for each in apart if each[2] not in taken)
        if not apart or not apart[0][0] <= _NEAR**2:
            return
        best, _, first = apart[0]
        near = [each[1:] for each in apart if each[2] == first or each[0] <= _CLEARLY**2 * best]
        tensors = _tensors(found)
        pairs = [pair for _, places in near for pair in zip(places, first, strict=True)]
        left = [each for each in near if each[1] not in unsure]
        if left and all(torch.equal(tensors[a], tensors[b]) for a, b in pairs):
            self._found[slot] = left[0]
            self._unsure |= {slot} if any(places != first for _, places in near) else set()

    def _share_of(self, values: Mapping[str, np.ndarray]) -> float | None:
        """Returns by what the port's gradients are Keras's sums of them; None if they are not."""
        theirs = self._expected(values, "same", 1.0)
        ours = [p.grad for p in self._parameters if p.grad is not None]
        if len(ours) < len(self._parameters) or not (size := _square(theirs)):
            return None
        for share in (1.0, 1 / self._period):
            apart = _apart(ours, [share * each for each in theirs])
            if apart <= (_NEAR * share / self._period) ** 2 * size:
                return share
        return None

    def _expected(
        self, values: Mapping[str, np.ndarray], form: str, rate: float
    ) -> list[torch.Tensor]:
        """Returns a slot as the port would keep it of each parameter; empty if one has none."""
        expected: Any = defaultdict(dict)
        ids = {id(parameter) for parameter in self._parameters}
        for item in self._port.carried:
            set_in(expected, {"": ("", form)}, item, {"": values}, rate, ids)
        found = [expected[p].get("") for p in self._parameters]
        return [] if any(each is None for each in found) else [each.double() for each in found]

    def _groups(self, found: Reached) -> Iterator[_Group]:
        """Yields the places and tensors of all that may hold a tensor for each parameter."""
        of_module = {id(each) for each in self._built.module.state_dict(keep_vars=True).values()}
        groups: dict[Place, _Group] = defaultdict(list)
        for place, tensor in _tensors(found).items():
            if id(tensor) not in of_module:
                groups[place[:-1]].append((place, tensor.detach()))
        yield from (group for group in groups.values() if len(group) >= len(self._parameters))


def _chosen(group: _Group, theirs: Sequence[torch.Tensor], *, is_ordered: bool) -> _Group:
    """Returns a tensor of each shape: the next one, or the nearest one; empty if one is missing.

    An optimizer with groups of parameters keeps them in another order than the module.
    """
    left, found = list(group), []
    for each in theirs:
        fitting = [n for n, (_, tensor) in enumerate(left) if tensor.shape == each.shape]
        if not fitting:
            return []
        place = fitting[0]
        if not is_ordered:
            place = min(fitting, key=lambda n: _apart([left[n][1]], [each]))
        found.append(left[place])
        left = left[place + 1 :] if is_ordered else left[:place] + left[place + 1 :]
    return found


def _square(tensors: Iterable[torch.Tensor]) -> float:
    return sum(float(each.square().sum()) for each in tensors)


def _apart(ours: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor]) -> float:
    """Returns the squared distance of tensors together."""
    return _square(a.double() - b for a, b in zip(ours, theirs, strict=True))


def _tensors(found: Reached) -> dict[Place, torch.Tensor]:
    return found.tensors | found.in_modules | found.in_optimizers
