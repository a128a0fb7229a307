"""The learning rate that a step of an optimizer uses.

Most steps read it from `param_groups`, where schedulers set it between the steps. An optimizer with
a schedule of its own sets it in its step. So what comes first decides: the rate that a step reads,
or sets before it has read any, is its own. What is set afterwards, as by a hook behind the step, is
that of the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

RATE = "lr"


class StepRate:
    """Watches one step of an optimizer.

    Args:
        optimizer: makes the step between `begin` and `end`; other watches may have begun or end
            meanwhile.
        given: rate of the first group that a step reads, whatever it sets; groups with another
            rate keep their ratio to it. A step that sets a rate and reads none uses its own. None:
            the optimizer's own.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, given: float | None = None) -> None:
        self._optimizer, self._given = optimizer, given
        self._read: float | None = None
        self._set: float | None = None  # before any was read

    def begin(self) -> None:
        """Begins to watch, and sets the rate that is given."""
        self._read = self._set = None
        self._groups = self._optimizer.param_groups  # a state that is loaded has groups of its own
        # As a dictionary has them: nobody is told of it.
        rates = [float(dict.__getitem__(group, RATE)) for group in self._groups]
        self._before = rates[0] if self._given is None else self._given
        for place, (group, rate) in enumerate(zip(self._groups, rates, strict=True)):
            fixed = None
            if self._given is not None:
                fixed = self._given * (rate / rates[0] if rates[0] else 1.0)
            watched = group if isinstance(group, _Watched) else _Watched(group)
            watched.begin(self, fixed, is_first=place == 0)
            self._groups[place] = watched

    def end(self) -> float:
        """Ends to watch; returns the rate of the step, or if it used none, that before it."""
        for place, group in enumerate(self._groups):
            if isinstance(group, _Watched):
                self._groups[place] = group.end(self)
        used = self._set if self._read is None else self._read
        return self._before if used is None else used

    def note_read(self, rate: float) -> None:
        """Notes a rate that is read; the first one counts."""
        if self._read is None:
            self._read = rate

    def note_set(self, rate: float) -> None:
        """Notes a rate that is set; the first one counts, if none has been read."""
        if self._read is None and self._set is None:
            self._set = rate


class _Watched(dict[str, Any]):
    """A group of parameters that tells of its rate.

    Args:
        group: gets what is in this one when nobody watches any more.
    """

    def __init__(self, group: dict[str, Any]) -> None:
        super().__init__(group)
        self._group = group
        self._watches: dict[StepRate, tuple[float | None, bool]] = {}

    def begin(self, watch: StepRate, fixed: float | None, *, is_first: bool) -> None:
        """Tells a watch of what follows, if the group is the first; a fixed rate stays."""
        if fixed is not None:
            super().__setitem__(RATE, fixed)
        self._watches[watch] = fixed, is_first

    def end(self, watch: StepRate) -> dict[str, Any]:
        """Returns the group as it is to be for those who still watch, or for nobody."""
        self._watches.pop(watch, None)
        if self._watches:
            return self
        self._group.clear()
        self._group.update(self)
        return self._group

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if key == RATE:
            for watch in self._of_first():
                watch.note_read(float(value))
        return value

    def get(self, key: str, default: Any = None) -> Any:
        try:
            return self[key]
        except KeyError:
            return default

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if key != RATE:
            super().__setitem__(key, value)
            return
        if all(fixed is None for fixed, _ in self._watches.values()):
            super().__setitem__(key, value)
        for watch in self._of_first():
            watch.note_set(float(value))

    def update(self, *given: Any, **named: Any) -> None:
        for key, value in dict(*given, **named).items():
            self[key] = value

    def _of_first(self) -> list[StepRate]:
        """Returns those who watch this group as the first one, which has the rate of the step."""
        return [watch for watch, (_, is_first) in self._watches.items() if is_first]


def step_of(optimizer: torch.optim.Optimizer, given: float | None = None) -> float:
    """Makes a step with the present gradients; returns the learning rate that it used.

    Args:
        optimizer: makes the step.
        given: rate of the step; None: the optimizer's own.
    """
    watch = StepRate(optimizer, given)
    watch.begin()
    try:
        optimizer.step()
    finally:
        rate = watch.end()
    return rate


def idle_step_of(module: nn.Module, optimizer: torch.optim.Optimizer) -> float:
    """Makes a step whose gradients are zeros; returns the learning rate that it used.

    In a training, all that is trained has a gradient. So code that reads them, such as a clip by
    the norm of all, works in a step that only counts. Momentum and decay may move the weights.

    Args:
        module: of the port; its gradients are replaced.
        optimizer: makes the step; parameters that it has beside those of the module get
            gradients, too.
    """
    # An optimizer for sparse gradients, such as SparseAdam, refuses others.
    sparse = {
        each.weight
        for each in module.modules()
        if isinstance(each, nn.Embedding | nn.EmbeddingBag) and each.sparse
    }
    for parameter in {*module.parameters(), *_parameters(optimizer)}:
        # Anew for each step, which may change them, or set them to None.
        if not parameter.requires_grad or is_lazy(parameter):
            parameter.grad = None
            continue
        layout = torch.sparse_coo if parameter in sparse else parameter.layout
        parameter.grad = torch.zeros_like(parameter.detach(), layout=layout)
    return step_of(optimizer)


def _parameters(optimizer: torch.optim.Optimizer) -> Iterator[torch.Tensor]:
    """Yields what an optimizer trains, in all its groups."""
    for group in optimizer.param_groups:
        yield from group["params"]
