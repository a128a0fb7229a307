"""kept: the state of a port in the middle of its training, put back after a block as it was.

The tensors of module and optimizer, the random numbers, and the plain values that modules, rules
and functions of the user count with: a loss that counts its calls goes on where it was.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from torch_impl.port import Port

_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device)


@contextmanager
def kept(port: Port) -> Iterator[None]:
    """Puts a port back, after the block, into its present state.

    Everything is put back into the objects that have it, since code of the user may hold them.
    """
    restore = [_tensors(port), _optimizer(port.optimizer), *map(_plain, _objects(port))]
    random = torch.get_rng_state()
    try:
        yield
    finally:
        for each in restore:
            each()
        torch.set_rng_state(random)


@contextmanager
def in_float64(port: Port) -> Iterator[None]:
    """Makes everything float64 in the block; `kept` around it makes it what it was."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    for module in _modules(port):
        module.double()
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _tensors(port: Port) -> Callable[[], None]:
    """Gives a module other tensors with the same values; returns what puts its own back."""
    owners = [inner for module in _modules(port) for inner in module.modules()]
    parameters = {
        id(p): (p, p.data, p.grad, p.requires_grad) for m in _modules(port) for p in m.parameters()
    }
    buffers = [(owner, dict(owner._buffers)) for owner in {id(o): o for o in owners}.values()]
    for parameter, data, _, _ in parameters.values():
        parameter.grad = None
        parameter.data = data.clone()
    for owner, own in buffers:
        for name, buffer in own.items():
            owner._buffers[name] = None if buffer is None else buffer.clone()

    def restore() -> None:
        for parameter, data, gradient, is_trained in parameters.values():
            parameter.grad = None
            parameter.data = data
            parameter.grad = gradient
            parameter.requires_grad_(is_trained)
        for owner, own in buffers:
            owner._buffers.clear()
            owner._buffers.update(own)

    return restore


def _optimizer(optimizer: Any) -> Callable[[], None]:
    state = {parameter: copy.deepcopy(own) for parameter, own in optimizer.state.items()}
    groups = [
        {name: copy.deepcopy(value) for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]
    schedule = getattr(optimizer, "schedule", None)

    def restore() -> None:
        optimizer.state.clear()
        optimizer.state.update(state)
        for group, before in zip(optimizer.param_groups, groups, strict=True):
            for name in [name for name in group if name not in before and name != "params"]:
                del group[name]
            group.update(before)
        if schedule is not None:
            optimizer.schedule = schedule

    return restore


def _modules(port: Port) -> list[nn.Module]:
    """Returns the modules of a port whose tensors take part in a step."""
    found = (port.module, port.loss, port.validation_loss)
    return [each for each in found if isinstance(each, nn.Module)]


def _objects(port: Port) -> list[Any]:
    """Returns what may count: modules, rules, and functions of the user."""
    found: list[Any] = [inner for module in _modules(port) for inner in module.modules()]
    found += [*port.schedulers, port.early_stopping]
    given = (port.loss, port.validation_loss, port.before_step, port.train_epoch, port.evaluate)
    for function in (*given, port.feed, port.target, port.output):
        found += [*_functions(function), getattr(function, "__self__", None)]
    return list({id(each): each for each in found if each is not None}.values())


def _functions(function: Any, depth: int = 3) -> Iterator[Any]:
    """Yields a function and those that it holds, as a decorated one does."""
    yield function
    for cell in getattr(function, "__closure__", None) or () if depth else ():
        if inspect.isfunction(content := _content(cell)):
            yield from _functions(content, depth - 1)


def _content(cell: Any) -> Any:
    """Returns what a variable of an outer function holds; a list, which is not plain, if unset."""
    try:
        return cell.cell_contents
    except ValueError:
        return []


def _plain(holder: Any) -> Callable[[], None]:
    """Returns what puts the plain values back that an object or a function holds."""
    values = _plain_values(getattr(holder, "__dict__", {}))
    cells: list[tuple[Any, Any]] = []
    if inspect.isfunction(holder):
        given = [(cell, _content(cell)) for cell in holder.__closure__ or ()]
        cells = [(cell, content) for cell, content in given if isinstance(content, _PLAIN)]

    def restore() -> None:
        if values:
            vars(holder).update(values)
        for cell, content in cells:
            cell.cell_contents = content

    return restore


def _plain_values(given: Any) -> dict[str, Any]:
    """Returns the plain values among attributes, and copies of lists and dictionaries of them."""
    found: dict[str, Any] = {}
    for name, value in dict(given).items():
        if isinstance(value, _PLAIN):
            found[name] = value
        elif type(value) in (list, tuple) and all(isinstance(each, _PLAIN) for each in value):
            found[name] = type(value)(value)
        elif type(value) is dict and all(isinstance(each, _PLAIN) for each in value.values()):
            found[name] = dict(value)
    return found
