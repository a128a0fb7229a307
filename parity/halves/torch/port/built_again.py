"""A second port of the same factory, for a training of its own, without pairing it anew.

A port and its factory go in. Large networks are paired once: each weight of Keras has its place in
the module of the same name. What the first port holds is given back before.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch

from parity.halves.memory import free_memory
from parity.halves.torch.factories import call_factory
from parity.halves.torch.port.carried import LOAD, Carried
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.unwrapping import has_lazy, unwrapped
from parity.programs.check_spec import LARGE_MODEL
from torch_impl.layers import RecurrentDropout
from torch_impl.parametrized import keep_gradients


def built_again(
    port: PortUnderTest, factory: Callable[[], Any], seed: int, *, is_last: bool = False
) -> PortUnderTest:
    """Returns a port before its first step, with Keras's weights.

    Args:
        port: of the same factory.
        factory: of the port.
        seed: of the factory's random numbers.
        is_last: whether nothing is asked of the first port any more, and its memory is freed.
    """
    found = None
    if is_last:
        _forget_steps(port)
    if is_large(port) and not _has_own_state(port):
        with suppress(AttributeError, KeyError, ValueError):  # its structure is drawn, too
            found = _with_places_of(port, factory, seed)
    if found is None:
        found = PortUnderTest(factory, seed, port.keras, port.device)
    found.has_columns, found.turned_targets = port.has_columns, port.turned_targets
    shared = {id(p) for p in port.module.parameters()} & {id(p) for p in found.module.parameters()}
    if is_last and not shared:  # a factory may return the same module again
        port.module.to("meta")
        free_memory()
    return found


def is_large(port: PortUnderTest) -> bool:
    """Whether a port is so large that what it holds has to be given back."""
    return sum(parameter.numel() for parameter in port.module.parameters()) >= LARGE_MODEL


def forget_values(port: PortUnderTest) -> None:
    """Frees what the calls of a port were given and made, as large as several passes."""
    for call in port.calls:
        call.inputs, call.output = [x.to("meta") for x in call.inputs], call.output.to("meta")
        call.given, call.run = None, _gone
    port.nest = None
    free_memory()


def _forget_steps(port: PortUnderTest) -> None:
    """Frees gradients, slots, and the weights as they were built."""
    if port.built.optimizer is not None:
        port.built.optimizer.state.clear()
    for parameter in port.module.parameters():
        parameter.grad = None
    port.as_built = {}


def _gone(*_: Any) -> Any:
    raise RuntimeError("this port was given back")


def _has_own_state(port: PortUnderTest) -> bool:
    """Whether a port holds more than weights that modules of a name tell."""
    return (
        bool(port.keras.facts.get("stateful"))
        or bool(port.fused)
        or any(item.how == LOAD or item.variable.is_computed for item in port.carried)
        or any(isinstance(module, RecurrentDropout) for module in port.module.modules())
    )


def _with_places_of(port: PortUnderTest, factory: Callable[[], Any], seed: int) -> PortUnderTest:
    other = copy.copy(port)
    other.built = other.outputs.named(call_factory(factory, seed, port.dtype))
    other.built.module.to(port.device)
    other.module = unwrapped(other.built.module)
    if has_lazy(other.module):
        raise ValueError("the first batch decides the shapes")
    keep_gradients(other.module)
    paths = {id(module): path for path, module in port.module.named_modules()}

    def moved(item: Carried) -> Carried:
        module = other.module.get_submodule(paths[id(item.variable.module)])
        return replace(item, variable=replace(item.variable, module=module))

    other.cargo = replace(port.cargo, carried=[moved(item) for item in port.carried])
    with torch.no_grad():
        for item in other.carried:
            item.set(port.keras[f"weights/{item.name}"])
    return other
