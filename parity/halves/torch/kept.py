"""kept: all that a port has in the middle of its training, put back after a block as it was."""

from __future__ import annotations

import copy
import inspect
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from torch_impl.port import Port

# What code of the user goes on with is what its functions can reach: the module, optimizers and
# schedulers, averages of weights, counters, lists of numbers. So that is looked for, and not known
# by kinds: attributes of objects, entries of containers, variables of outer functions, and globals
# that a function names.


_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device)
_UNSET = None, "is unset"
_COPIED = itertools.count  # it counts where it is, and a copy does so by itself
_CONTAINERS = (dict, list, set, deque)
_DEPTH = 6  # of what holds what
_MOST_OBJECTS = 5_000
_SMALL = 4_096  # entries of a tensor that is kept, whatever it is


# Where something is: the number of each step on the way there, the same as long as that stays.
Place = tuple[int, ...]


@dataclass
class Reached:
    """What the functions of a port can reach, each once.

    Attributes:
        modules: outer ones; their parts are in them.
        optimizers: all.
        holders: objects and functions with attributes.
        containers: that can be changed.
        tensors: that belong to no module and no optimizer, by their places.
        in_modules: parameters and buffers of the modules, by their places.
        in_optimizers: what optimizers keep of parameters, by places that end with the parameter.
    """

    modules: list[nn.Module] = field(default_factory=list)
    optimizers: list[torch.optim.Optimizer] = field(default_factory=list)
    holders: list[Any] = field(default_factory=list)
    containers: list[Any] = field(default_factory=list)
    tensors: dict[Place, torch.Tensor] = field(default_factory=dict)
    in_modules: dict[Place, torch.Tensor] = field(default_factory=dict)
    in_optimizers: dict[Place, torch.Tensor] = field(default_factory=dict)

    @property
    def averages(self) -> list[torch.Tensor]:
        """Tensors with the shape of a weight, such as averages; single numbers are none."""
        shapes = {tensor.shape for tensor in self.in_modules.values() if tensor.ndim}
        return [each for each in self.tensors.values() if each.is_leaf and each.shape in shapes]

    @property
    def state(self) -> list[torch.Tensor]:
        """Tensors that may change in a step: they are no data, which would be large."""
        small = [each for each in self.tensors.values() if each.numel() <= _SMALL]
        return [*small, *(each for each in self.averages if each.numel() > _SMALL)]


def reached(port: Port) -> Reached:
    """Returns what a port has and its functions can reach."""
    found = Reached()
    known: set[int] = {id(port)}
    waiting: deque[tuple[Place, Any]] = deque()
    waiting += (((number,), each) for number, each in enumerate(vars(port).values()))
    while waiting and len(known) < _MOST_OBJECTS:
        place, value = waiting.popleft()
        if id(value) in known or isinstance(value, (*_PLAIN, type, ModuleType, np.ndarray)):
            continue
        known.add(id(value))
        inner: list[Any] = []
        if isinstance(value, torch.Tensor):
            found.tensors[place] = value
        elif isinstance(value, nn.Module):
            found.modules.append(value)
            inside: dict[Place, torch.Tensor] = {
                (*place, number): each for number, each in enumerate(_tensors_of(value))
            }
            found.in_modules |= inside
            known |= {id(tensor) for tensor in inside.values()}
            inner = [v for part in value.modules() for v in _attributes(part).values()]
            found.holders += list(value.modules())
            known |= {id(part) for part in value.modules()}
        elif isinstance(value, torch.optim.Optimizer):
            found.optimizers.append(value)
            found.in_optimizers |= {
                (*place, key, number): tensor
                for number, state in enumerate(value.state.values())
                for key, tensor in enumerate(state.values())
                if isinstance(tensor, torch.Tensor) and tensor.ndim
            }
            found.holders.append(value)
        elif isinstance(value, _CONTAINERS):
            found.containers.append(value)
            inner = list(value.values() if isinstance(value, dict) else value)
        elif isinstance(value, tuple):
            inner = list(value)
        elif callable(value) or hasattr(value, "__dict__"):
            found.holders.append(value)
            inner = [*_held(value), *_attributes(value).values()]
        if len(place) <= _DEPTH:
            waiting += (((*place, number), each) for number, each in enumerate(inner))
    return found


def _tensors_of(module: nn.Module) -> Iterator[torch.Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def _attributes(holder: Any) -> dict[str, Any]:
    """Returns the attributes of an object, without those in which a module keeps its parts."""
    found = getattr(holder, "__dict__", {})
    if not isinstance(holder, nn.Module):
        return dict(found) if isinstance(found, Mapping) else {}
    return {name: value for name, value in found.items() if name not in _OF_MODULES}


_OF_MODULES = frozenset(vars(nn.Module())) - {"training"}


def _held(value: Any) -> Iterator[Any]:
    """Yields what a function holds: of outer functions, its own defaults, what it is bound to."""
    if isinstance(value, partial):
        yield from (value.func, *value.args, *value.keywords.values())
    yield getattr(value, "__self__", None)
    if inspect.ismethod(value):
        value = value.__func__
    if not isinstance(value, FunctionType):
        return
    yield from map(_content, value.__closure__ or ())
    yield from (*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values())
    for name in _names(value.__code__):
        if (named := value.__globals__.get(name)) is not None and _is_of_user(named, value):
            yield named


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_of_user(named: Any, function: FunctionType) -> bool:
    """Whether a global is a value, or a function of the same file."""
    is_function = isinstance(named, FunctionType)
    return not is_function or named.__module__ == function.__module__


def _content(cell: Any) -> Any:
    """Returns what a variable of an outer function holds."""
    try:
        return cell.cell_contents
    except ValueError:
        return _UNSET


# --- What begins an epoch -------------------------------------------------------------------------


class Beginning:
    """What a loop of a port sets where it begins an epoch, such as the number of the epoch.

    A loop that is called in the middle of an epoch does so once more. So what has been set, and no
    step has changed since, is put back before.

    Args:
        port: in its training, where an epoch is about to begin.
    """

    def __init__(self, port: Port) -> None:
        self._before = {key: copy.copy(value) for key, (value, _) in _values(port).items()}
        self._set: dict[Any, tuple[Any, str]] = {}

    def end(self, port: Port) -> None:
        """Notes what has been set, where the loop asks for its first batch."""
        after = {key: repr(value) for key, (value, _) in _values(port).items()}
        self._set = {
            key: (before, after[key])
            for key, before in self._before.items()
            if key in after and repr(before) != after[key]
        }

    def undo(self, port: Port) -> None:
        """Puts back what no step has changed since."""
        values = _values(port)
        for key, (before, after) in self._set.items():
            if key in values and repr(values[key][0]) == after:
                values[key][1](copy.copy(before))


def _values(port: Port) -> dict[Any, tuple[Any, Callable[[Any], None]]]:
    """Returns the numbers, words and counts that a port can reach, and what sets each."""
    found = reached(port)
    named: list[tuple[Any, Any, Any]] = []  # what has it, name, value
    for holder in found.holders:
        named += ((vars(holder), name, value) for name, value in _attributes(holder).items())
        if isinstance(holder, FunctionType):
            named += ((each, None, _content(each)) for each in holder.__closure__ or ())
            known = holder.__globals__
            named += ((known, n, known[n]) for n in _names(holder.__code__) if n in known)
    for container in found.containers:
        if isinstance(container, dict):
            named += ((container, name, value) for name, value in container.items())
        elif isinstance(container, list):
            named += ((container, name, value) for name, value in enumerate(container))
    return {
        (id(owner), name): (value, partial(_set_in, owner, name))
        for owner, name, value in named
        if isinstance(value, (bool, int, float, str, _COPIED))
    }


def _set_in(owner: Any, name: Any, value: Any) -> None:
    if name is None:
        owner.cell_contents = value
    else:
        owner[name] = value


# --- kept -----------------------------------------------------------------------------------------


@contextmanager
def kept(port: Port, found: Reached | None = None) -> Iterator[None]:
    """Puts a port back, after the block, into its present state.

    Everything is put back into the objects that have it, since code of the user may hold them.

    Args:
        port: in its training.
        found: what it can reach; None: it is looked for.
    """
    found = found or reached(port)
    restore = [
        _tensors(found.modules),
        *map(_optimizer, found.optimizers),
        *map(_holder, found.holders),
        *map(_container, found.containers),
        *map(_tensor, found.state),
    ]
    drawn = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        for each in restore:
            each()
        torch.set_rng_state(drawn[0])
        np.random.set_state(drawn[1])
        random.setstate(drawn[2])


@contextmanager
def in_float64(port: Port, found: Reached | None = None) -> Iterator[None]:
    """Makes what computes float64 in the block; `kept` around it puts all of it back."""
    found = found or reached(port)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    for module in found.modules:
        module.double()
    # Such as averages of weights in a list, to which float64 weights are added in place.
    rounded = [each for each in found.averages if each.dtype == torch.float32]
    data = [each.data for each in rounded]
    for each in rounded:
        each.data = each.data.double()
    for optimizer in found.optimizers:
        for state in optimizer.state.values():
            for key, value in state.items():
                if isinstance(value, torch.Tensor) and value.ndim and value.is_floating_point():
                    state[key] = value.double()
    try:
        yield
    finally:
        for each, value in zip(rounded, data, strict=True):
            each.data = value
        torch.set_default_dtype(before)


def _tensor(tensor: torch.Tensor) -> Callable[[], None]:
    value = tensor.detach().clone()

    def restore() -> None:
        tensor.detach().copy_(value)

    return restore


def _container(container: Any) -> Callable[[], None]:
    content = copy.copy(container)

    def restore() -> None:
        container.clear()
        (container.extend if isinstance(container, list | deque) else container.update)(content)

    return restore


def _tensors(modules: list[nn.Module]) -> Callable[[], None]:
    """Gives modules other tensors with the same values; returns what puts their own back."""
    owners = [inner for module in modules for inner in module.modules()]
    parameters = {
        id(p): (p, p.data, p.grad, p.requires_grad) for m in modules for p in m.parameters()
    }
    buffers = [(owner, dict(owner._buffers)) for owner in {id(o): o for o in owners}.values()]
    for parameter, data, gradient, _ in parameters.values():
        parameter.grad = None
        parameter.data = data.clone()
        parameter.grad = None if gradient is None else gradient.clone()
    for owner, tensors in buffers:
        for name, buffer in tensors.items():
            owner._buffers[name] = None if buffer is None else buffer.clone()

    def restore() -> None:
        for parameter, data, gradient, is_trained in parameters.values():
            parameter.grad = None
            parameter.data = data
            parameter.grad = gradient
            parameter.requires_grad_(is_trained)
        for owner, tensors in buffers:
            owner._buffers.clear()
            owner._buffers.update(tensors)

    return restore


def _optimizer(optimizer: Any) -> Callable[[], None]:
    state = {parameter: copy.deepcopy(slots) for parameter, slots in optimizer.state.items()}
    groups = list(optimizer.param_groups)
    values = [
        {name: copy.deepcopy(value) for name, value in group.items() if name != "params"}
        for group in groups
    ]
    trained = [list(group["params"]) for group in groups]
    schedule = getattr(optimizer, "schedule", None)

    def restore() -> None:
        optimizer.state.clear()
        optimizer.state.update(state)
        optimizer.param_groups[:] = groups
        for group, before, parameters in zip(groups, values, trained, strict=True):
            group["params"][:] = parameters
            for name in [name for name in group if name not in before and name != "params"]:
                del group[name]
            group.update(before)
        if schedule is not None:
            optimizer.schedule = schedule

    return restore


def _holder(holder: Any) -> Callable[[], None]:
    """Returns what puts back what an object or a function holds: numbers, and the same objects."""
    found = _attributes(holder)
    values = {name: _copied(value) for name, value in found.items()}
    cells: list[tuple[Any, Any]] = []
    names: dict[str, Any] = {}
    if isinstance(holder, FunctionType):
        given = ((cell, _content(cell)) for cell in holder.__closure__ or ())
        cells = [(cell, _copied(content)) for cell, content in given if content is not _UNSET]
        known = holder.__globals__
        names = {name: _copied(known[name]) for name in _names(holder.__code__) if name in known}

    def restore() -> None:
        for name in _attributes(holder).keys() - values.keys():
            del vars(holder)[name]
        if values:
            vars(holder).update(values)
        for cell, content in cells:
            cell.cell_contents = content
        if names:
            holder.__globals__.update(names)

    return restore


def _copied(value: Any) -> Any:
    return copy.copy(value) if isinstance(value, _COPIED) else value
