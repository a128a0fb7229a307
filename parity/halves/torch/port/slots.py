"""The slots of a port's optimizer by Keras's names: read, and set from a state of Keras's.

What cannot be carried is told, and never guessed. An optimizer of the user's own may keep anything:
see `parity.halves.torch.program.elsewhere`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
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
# Those that a check does not read: (Keras's name, form). Keras's momentum has the rate inside.
_MORE_SLOTS = {
    "Adamax": {"exp_avg": ("momentum", "same"), "exp_inf": ("norm", "same")},
    "SGD": {"momentum_buffer": ("momentum", "negative, by rate")},
    "RMSprop": {
        "grad_avg": ("average_gradient", "same"),
        "momentum_buffer": ("momentum", "by rate"),
    },
}
# What Keras keeps for all weights together, by its name.
_COUNTER, _PRODUCT = "iterations", "u_product"
_COUNTERS = ("step", "mu_product", _PRODUCT)  # and torch's names of the same


# An optimizer of the user's own may keep Keras's value times one of these, by the rate of its step.
FORMS: dict[str, Callable[[float], float]] = {
    "same": lambda rate: 1.0,
    "negative": lambda rate: -1.0,
    "by rate": lambda rate: 1 / rate if rate else 0.0,
    "negative, by rate": lambda rate: -1 / rate if rate else 0.0,
}
Keys = Mapping[str, tuple[str, str]]  # key of the state -> (Keras's slot, form)


def slots_of(port: PortUnderTest, rate: float) -> dict[str, dict[str, np.ndarray]]:
    """Returns slot -> weight -> value, also of weights that torch splits.

    Args:
        port: after a step.
        rate: of that step.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    keys = known_keys(port.built.optimizer) or {}
    state: Any = port.built.optimizer.state  # type: ignore[union-attr]
    for item in port.carried:
        for slot, value in slots_in(state, keys, item, rate).items():
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
    known = known_keys(optimizer)
    if known is None:
        if not slots:
            return None
        return f"{kind} is an optimizer of your own, and nothing in it is near {', '.join(slots)}"
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


def slots_by_rate(optimizer: Any) -> list[str]:
    """Returns the slots of Keras that an optimizer of torch keeps divided by the rate."""
    known = (known_keys(optimizer) or {}).values()
    return [slot for slot, form in known if form.endswith("by rate")]


@torch.no_grad()
def set_slots(
    port: PortUnderTest,
    slots: Mapping[str, Mapping[str, np.ndarray]],
    others: Mapping[str, np.ndarray],
    rate: float,
) -> None:
    """Puts the state of Keras's optimizer into a known one of the port, which has none before.

    Args:
        port: for which `why_not_carried` says nothing.
        slots: Keras's: name -> weight -> value.
        others: what else Keras's optimizer keeps.
        rate: of the next step.
    """
    optimizer: Any = port.built.optimizer
    count, keys = int(others.get(_COUNTER, 0)), known_keys(optimizer)
    if keys is None:
        return
    # State of a parameter that it does not have, such as a frozen one, cannot be saved.
    optimized = {id(p) for group in optimizer.param_groups for p in group["params"]}
    is_keras = isinstance(optimizer, KerasOptimizer)
    for group in optimizer.param_groups:
        if is_keras:
            group["step"] = count
        if _PRODUCT in group:
            group[_PRODUCT] = float(others.get(_PRODUCT, 1.0))
    for item in port.carried:
        set_in(optimizer.state, keys, item, slots, rate, optimized)
    for state in () if is_keras else optimizer.state.values():
        if type(optimizer).__name__ != "SGD":
            state["step"] = torch.tensor(float(count))
        if type(optimizer).__name__ == "NAdam":
            state["mu_product"] = torch.tensor(float(others.get(_PRODUCT, 1.0)))


def set_in(
    state: Any,
    keys: Keys,
    item: Carried,
    slots: Mapping[str, Mapping[str, np.ndarray]],
    rate: float,
    optimized: Collection[int],
) -> None:
    """Sets the slots of one weight in what is kept of its tensors.

    Args:
        state: tensor of the port -> key -> what is kept of it, as optimizers have it.
        keys: which slots they are, and in which form.
        item: the weight.
        slots: Keras's: name -> weight -> value.
        rate: of the next step.
        optimized: ids of the tensors that have a state.
    """
    variable = item.variable
    for key, (slot, form) in keys.items():
        if item.name not in slots.get(slot, {}) or variable.is_computed:
            continue
        scale = FORMS[form](rate)
        value = np.array(slots[slot][item.name], np.float64) * scale  # no rounding by float32
        parts = variable.to_torch(torch.from_numpy(value))
        if variable.gradient_of is not None:
            parts = (parts[0],) * len(parts)  # two biases, each with the gradient of their sum
        for tensor, part in zip(variable.tensors, parts, strict=True):
            if id(tensor) not in optimized:
                continue
            kept = state[tensor]
            if key not in kept:
                kept[key] = torch.zeros_like(tensor, requires_grad=False)
            put(variable, kept[key], part.to(kept[key]))


def slots_in(state: Any, keys: Keys, item: Carried, rate: float) -> dict[str, np.ndarray]:
    """Returns the slots of a weight by Keras's names; the arguments are those of `set_in`."""
    variable = item.variable
    if variable.is_computed:
        return {}
    states = [state.get(tensor, {}) for tensor in variable.tensors]
    shapes = [tensor.shape for tensor in variable.tensors]
    found = {}
    for key, (slot, form) in keys.items():
        if any(key not in kept for kept in states):
            continue
        values = tuple(kept[key] for kept in states)
        if [value.shape for value in values] != shapes:
            continue
        if variable.gradient_of is not None:
            value = values[variable.attributes.index(variable.gradient_of)]
        else:
            value = variable.to_keras(values)
        found[slot] = to_array(value / (FORMS[form](rate) or 1.0))
    return found


def known_keys(optimizer: Any) -> dict[str, tuple[str, str]] | None:
    """Returns the same of an optimizer of torch or of `torch_impl.optim`; None of any other."""
    kind = type(optimizer)
    if isinstance(optimizer, KerasOptimizer):
        if not kind.__module__.startswith("torch_impl."):
            return None
        slots = {key: (name, "same") for name, key in optimizer.SLOTS.items()}
        return {**slots, **{key: (key, "same") for key in ("average", "gradient_accumulator")}}
    if not kind.__module__.startswith("torch.optim."):
        return None
    name = kind.__name__
    if name not in STOCK_SLOTS and name not in _MORE_SLOTS:
        return None
    read = {key: (slot, "same") for key, slot in STOCK_SLOTS.get(name, {}).items()}
    return {**read, **_MORE_SLOTS.get(name, {})}
