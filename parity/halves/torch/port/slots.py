"""The slots of a port's optimizer by Keras's names: read, and set from a state of Keras's.

What cannot be carried is told, and never guessed: an optimizer of the user's own may keep anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from torch_impl.optim.base import KerasOptimizer
from torch_impl.weights import put, to_array

if TYPE_CHECKING:
    from parity.halves.torch.port.carried import Carried
    from parity.halves.torch.port.port_under_test import PortUnderTest

# Slot of a stock optimizer -> Keras's name of the same quantity.
STOCK_SLOTS = {
    "Adam": {"exp_avg": "momentum", "exp_avg_sq": "velocity"},
    "AdamW": {"exp_avg": "momentum", "exp_avg_sq": "velocity"},
    "NAdam": {"exp_avg": "momentum", "exp_avg_sq": "velocity"},
    "RMSprop": {"square_avg": "velocity"},
    "Adagrad": {"sum": "accumulator"},
    "Adadelta": {"square_avg": "accumulated_grad", "acc_delta": "accumulated_delta_var"},
}
# Those that a check does not read: (Keras's name, whether torch keeps it divided by the rate).
_MORE_SLOTS = {
    "Adamax": {"exp_avg": ("momentum", False), "exp_inf": ("norm", False)},
    "SGD": {"momentum_buffer": ("momentum", True)},
    "RMSprop": {"grad_avg": ("average_gradient", False), "momentum_buffer": ("momentum", True)},
}
# What Keras keeps for all weights together, by its name.
_COUNTER, _PRODUCT = "iterations", "u_product"
_COUNTERS = ("step", "mu_product", _PRODUCT)  # and torch's names of the same


def slots_of(port: PortUnderTest, rate: float) -> dict[str, dict[str, np.ndarray]]:
    """Returns slot -> weight -> value, also of weights that torch splits.

    Args:
        port: after a step.
        rate: of that step.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    for item in port.carried:
        for slot, value in _slots(port.built.optimizer, item, rate).items():
            found.setdefault(slot, {})[item.name] = value
    return found


def counters_of(optimizer: Any) -> list[float]:
    """Returns what an optimizer counts or keeps for all weights together: steps, and products.

    Args:
        optimizer: of `torch_impl.optim` or of torch; of any other, nothing is known.
    """
    return [float(holder[name]) for holder, name in _counters(optimizer)]


def count_steps(optimizer: Any, number: int, others: Mapping[str, float]) -> None:
    """Counts steps that an optimizer has not made.

    Args:
        optimizer: of `torch_impl.optim` or of torch.
        number: of the steps.
        others: what Keras's optimizer keeps after them for all weights together, by name.
    """
    for holder, name in _counters(optimizer):
        if name == "step":
            holder[name] = holder[name] + number
        elif _PRODUCT in others:
            value, is_tensor = others[_PRODUCT], isinstance(holder[name], torch.Tensor)
            holder[name] = torch.full_like(holder[name], value) if is_tensor else value


def _counters(optimizer: Any) -> Iterator[tuple[Any, str]]:
    """Yields what has a number for all weights together, and its name there."""
    for holder in [*optimizer.param_groups, *optimizer.state.values()]:
        yield from ((holder, name) for name in _COUNTERS if _is_number(holder.get(name)))


def _is_number(value: Any) -> bool:
    """Whether a value is one number; an optimizer of the user's own may keep anything."""
    if isinstance(value, torch.Tensor):
        return value.numel() == 1
    return isinstance(value, int | float)


def why_not_carried(port: PortUnderTest, slots: Mapping[str, Any], others: Any) -> str | None:
    """Returns why the state of Keras's optimizer cannot be put into that of the port, or None.

    Args:
        port: with its optimizer.
        slots: Keras's, by name.
        others: names of what else Keras's optimizer keeps.
    """
    optimizer: Any = port.built.optimizer
    kind = type(optimizer).__name__
    known = _keys(optimizer)
    if known is None:
        has_state = any(map(bool, optimizer.state.values()))
        if not slots and not has_state:
            return None
        return f"{kind} is an optimizer of your own, and parity does not know what it keeps"
    names = {name for name, _ in known.values()}
    if missing := sorted(set(slots) - names):
        return f"Keras's optimizer keeps {', '.join(missing)}, for which {kind} has no place"
    if missing := sorted(set(others) - {_COUNTER, _PRODUCT}):
        return f"Keras's optimizer keeps {', '.join(missing)}, for which {kind} has no place"
    kept = {key for state in optimizer.state.values() for key in state if key != "step"}
    if unknown := sorted(kept - set(known) - {"mu_product"}):
        return f"{kind} keeps {', '.join(unknown)}, for which Keras's optimizer has no value"
    named = {name for values in slots.values() for name in values}
    places = {item.name for item in port.carried if not item.variable.is_computed}
    if left := sorted(named - places):
        return f"the slots of {left[0]} have no place in the port"
    return None


def divides_by_rate(port: PortUnderTest, slots: Mapping[str, Any]) -> bool:
    """Whether the optimizer of a port keeps one of some slots of Keras divided by the rate."""
    known = (_keys(port.built.optimizer) or {}).values()
    return any(by_rate and slot in slots for slot, by_rate in known)


@torch.no_grad()
def set_slots(
    port: PortUnderTest,
    slots: Mapping[str, Mapping[str, np.ndarray]],
    others: Mapping[str, np.ndarray],
    rate: float,
) -> None:
    """Puts the state of Keras's optimizer into that of the port, which has none before.

    Args:
        port: for which `why_not_carried` says nothing.
        slots: Keras's: name -> weight -> value.
        others: what else Keras's optimizer keeps.
        rate: of the next step.
    """
    optimizer: Any = port.built.optimizer
    count = int(others.get(_COUNTER, 0))
    # State of a parameter that it does not have, such as a frozen one, cannot be saved.
    optimized = {id(p) for group in optimizer.param_groups for p in group["params"]}
    is_keras = isinstance(optimizer, KerasOptimizer)
    for group in optimizer.param_groups:
        if is_keras:
            group["step"] = count
        if _PRODUCT in group:
            group[_PRODUCT] = float(others.get(_PRODUCT, 1.0))
    for item in port.carried:
        _set(optimizer, item, slots, rate, optimized)
    for state in () if is_keras else optimizer.state.values():
        if type(optimizer).__name__ != "SGD":
            state["step"] = torch.tensor(float(count))
        if type(optimizer).__name__ == "NAdam":
            state["mu_product"] = torch.tensor(float(others.get(_PRODUCT, 1.0)))


def _set(
    optimizer: Any,
    item: Carried,
    slots: Mapping[str, Mapping[str, np.ndarray]],
    rate: float,
    optimized: Collection[int],
) -> None:
    """Sets the slots of one weight, in those tensors that the optimizer has, by their ids."""
    variable = item.variable
    for key, (slot, by_rate) in (_keys(optimizer) or {}).items():
        if item.name not in slots.get(slot, {}) or variable.is_computed:
            continue
        scale = _scale(optimizer, rate) if by_rate else 1.0
        parts = variable.to_torch(torch.from_numpy(np.array(slots[slot][item.name]) * scale))
        if variable.gradient_of is not None:
            parts = (parts[0],) * len(parts)  # two biases, each with the gradient of their sum
        for tensor, part in zip(variable.tensors, parts, strict=True):
            if id(tensor) not in optimized:
                continue
            state = optimizer.state[tensor]
            if key not in state:
                state[key] = torch.zeros_like(tensor, requires_grad=False)
            put(variable, state[key], part.to(state[key]))


def _slots(optimizer: Any, item: Carried, rate: float) -> dict[str, np.ndarray]:
    """Returns the slots of a weight by Keras's names."""
    variable = item.variable
    if variable.is_computed:
        return {}
    states = [optimizer.state.get(tensor, {}) for tensor in variable.tensors]
    shapes = [tensor.shape for tensor in variable.tensors]
    found = {}
    for key, (slot, by_rate) in (_keys(optimizer) or {}).items():
        if any(key not in state for state in states):
            continue
        values = tuple(state[key] for state in states)
        if [value.shape for value in values] != shapes:
            continue
        if variable.gradient_of is not None:
            value = values[variable.attributes.index(variable.gradient_of)]
        else:
            value = variable.to_keras(values)
        if by_rate:
            value = value / (_scale(optimizer, rate) or 1.0)
        found[slot] = to_array(value)
    return found


def _scale(optimizer: Any, rate: float) -> float:
    """Returns torch's slot for a slot of Keras of 1: Keras's momentum has the rate inside."""
    sign = -1.0 if type(optimizer).__name__ == "SGD" else 1.0
    return sign / rate if rate else 0.0


def _keys(optimizer: Any) -> dict[str, tuple[str, bool]] | None:
    """Returns key of the state -> (Keras's slot, whether by the rate); None if it is not known."""
    kind = type(optimizer)
    if isinstance(optimizer, KerasOptimizer):
        if not kind.__module__.startswith("torch_impl."):
            return None
        slots = {key: (name, False) for name, key in optimizer.SLOTS.items()}
        return {**slots, **{key: (key, False) for key in ("average", "gradient_accumulator")}}
    if not kind.__module__.startswith("torch.optim."):
        return None
    name = kind.__name__
    if name not in STOCK_SLOTS and name not in _MORE_SLOTS:
        return None
    read = {key: (slot, False) for key, slot in STOCK_SLOTS.get(name, {}).items()}
    return {**read, **_MORE_SLOTS.get(name, {})}
