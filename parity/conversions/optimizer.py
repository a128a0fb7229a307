"""The state of Keras's optimizer in the optimizer of a port, so that a training goes on.

A file has the variables of the optimizer in the order in which Keras makes them: the number of
steps, the rate unless it follows a schedule, and then slots in groups, each with the weights in
Keras's order. The class and the settings of the optimizer say which groups there are.

Source: keras 3.15 `optimizers/base_optimizer.py` and the `build` of each optimizer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from parity.conversions.done import Done
from parity.conversions.next_step import (
    scheduled_rate,
    told_of_numbers,
    told_of_rate,
    trained_otherwise,
)
from parity.conversions.other_equations import told_of_equations
from parity.errors import InputError
from parity.files.atomic import atomic_path
from parity.halves.torch.factories import call_factory
from parity.halves.torch.port.slots import divides_by_rate, set_slots, why_not_carried
from parity.weights.copied import Copied
from parity.weights.request import OPTIMIZER

_OF_KERAS_2 = "is_legacy_optimizer"  # among the settings
_ITERATIONS, _PRODUCT = "iterations", "u_product"


def _groups(kind: str, config: Mapping[str, Any]) -> list[tuple[str, ...]] | None:
    """Returns the slots of an optimizer, those together that a weight has one after the other."""
    known: dict[str, list[tuple[str, ...]]] = {
        "Adam": [("momentum", "velocity"), *([("velocity_hat",)] if config.get("amsgrad") else [])],
        "SGD": [("momentum",)] if config.get("momentum") else [],
        "RMSprop": [
            ("velocity",),
            *([("momentum",)] if config.get("momentum") else []),
            *([("average_gradient",)] if config.get("centered") else []),
        ],
        "Adagrad": [("accumulator",)],
        "Adadelta": [("accumulated_grad", "accumulated_delta_var")],
        "Adamax": [("momentum", "norm")],
        "Nadam": [("momentum", "velocity")],
        "Ftrl": [("accumulator", "linear")],
        "Lamb": [("momentum", "velocity")],
        "Lion": [("momentum",)],
    }
    known["AdamW"] = known["Adam"]
    found = known.get(kind)
    if found is None:
        return None
    before = [("average",)] if config.get("use_ema") else []
    if config.get("gradient_accumulation_steps"):
        before.append(("gradient_accumulator",))
    return before + found


def slots_of(
    compiled: Mapping[str, Any] | None, told: Sequence[Mapping[str, Any]], weights: Sequence[str]
) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Returns slot -> weight -> key in the file, and name -> key of what is no slot.

    Args:
        compiled: what the model was compiled with.
        told: the variables of the optimizer, in their order.
        weights: those that Keras trains, in Keras's order.

    Raises:
        InputError: the file has no optimizer, or one that is not known.
    """
    entry = _entry(compiled)
    if not told:
        raise InputError("the file has no state of an optimizer")
    if not isinstance(entry, Mapping) or not isinstance(entry.get("config"), Mapping):
        raise InputError(
            "the file does not say which optimizer its state is of; give the configuration of the "
            "compiled model with --config"
        )
    kind, config = str(entry.get("class_name")).removeprefix("Custom>"), entry["config"]
    # Before Keras 2.11, an optimizer had all slots of one name before those of the next.
    groups = None if "decay" in config else _groups(kind, config)
    if groups is None:
        raise InputError(f"the file has the state of {kind[:60]!r}, whose order is not known")
    keys = [str(each["key"]) for each in told]
    # Keras 2 keeps no rate among the variables, whatever it is.
    is_scheduled = isinstance(config.get("learning_rate"), Mapping) or _OF_KERAS_2 in config
    others = dict(zip([_ITERATIONS, *([] if is_scheduled else ["rate"])], keys, strict=False))
    left = keys[len(others) :]
    slots: dict[str, dict[str, str]] = {}
    for group in groups:
        for weight in weights:
            for slot in group:
                if not left:
                    raise InputError(f"the state of {kind} has too few variables in the file")
                slots.setdefault(slot, {})[weight] = left.pop(0)
    if kind == "Nadam":
        if not left:
            raise InputError("the state of Nadam lacks the product of its rates")
        others[_PRODUCT] = left.pop(0)
    if left:
        raise InputError(
            f"the state of {kind} has {len(left)} more variables than its settings say: {left[0]}"
        )
    return slots, others


def write_optimizer(
    done: Done, copied: Copied, compiled: Mapping[str, Any] | None, folder: Path
) -> dict[str, Any]:
    """Puts the state into the optimizer of a port, and writes it.

    Args:
        done: the port with its weights.
        copied: the file.
        compiled: what its model was compiled with; None: it is not told.
        folder: receives `optimizer.pt`: what `optimizer.state_dict()` returns.

    Returns:
        What is told of it: the number of steps, the rate of the next step, the slots, and notes:
        what the next steps do otherwise than Keras's.

    Raises:
        InputError: the port has no optimizer, or none that can hold the state.
    """
    port = done.under_test
    if port is None:
        raise InputError("--optimizer needs the graph of the model; give it with --config")
    if port.built.optimizer is None:
        raise InputError("--optimizer: the factory returns no Port with an optimizer")
    slots, others = slots_of(compiled, copied.slots, done.trainable)
    arrays = {
        slot: {name: _read(copied, key, done.arrays[name].shape) for name, key in keys.items()}
        for slot, keys in slots.items()
    }
    numbers = {name: copied.arrays[f"slots/{key}"] for name, key in others.items()}
    config: Mapping[str, Any] = _entry(compiled)["config"]
    rate = _rate_of(config, numbers)
    if (why := why_not_carried(port, arrays, numbers)) is not None:
        raise InputError(f"--optimizer: {why}")
    if rate is None and divides_by_rate(port, arrays):
        raise InputError(
            f"--optimizer: {type(port.built.optimizer).__name__} keeps the momentum divided by the "
            "rate, and the schedule of Keras's rate is not known; use torch_impl.optim"
        )
    set_slots(port, arrays, numbers, rate or 0.0)
    if rate is not None:
        for group in port.built.optimizer.param_groups:
            group["lr"] = rate
    with atomic_path(folder / OPTIMIZER) as path:
        torch.save(_as_built(done), path)
    return {
        "steps": int(numbers[_ITERATIONS]),
        "rate": rate,
        "slots": sorted(slots),
        "notes": [
            *told_of_rate(port, config, rate),
            *told_of_numbers(port, config),
            *told_of_equations(port.built.optimizer, config),
        ],
    }


def problems_of_steps(done: Done) -> list[str]:
    """Returns why the next step of a port would not be Keras's, a sentence each.

    Args:
        done: the port with its weights; without an optimizer there is nothing to say.
    """
    port = done.under_test
    if port is None or port.built.optimizer is None:
        return []
    return trained_otherwise(port, done.items, done.trainable)


def _entry(compiled: Mapping[str, Any] | None) -> Any:
    """Returns what a model was compiled with as its optimizer, by the name of today or before."""
    told = compiled or {}
    return told.get("optimizer") or told.get("optimizer_config")


def _rate_of(config: Mapping[str, Any], numbers: dict[str, np.ndarray]) -> float | None:
    """Takes the rate of the next step out of the numbers; None: of a schedule not known."""
    stored, written = numbers.pop("rate", None), config.get("learning_rate")
    if stored is not None:
        return float(stored)
    if isinstance(written, Mapping):
        return scheduled_rate(config, int(numbers[_ITERATIONS]))
    return float(written) if isinstance(written, int | float) else None


def _read(copied: Copied, key: str, shape: tuple[int, ...]) -> np.ndarray:
    array = copied.arrays[f"slots/{key}"]
    if array.shape != shape:
        raise InputError(f"the slot {key} has the shape {array.shape}; its weight has {shape}")
    return array.astype(np.float64)


def _as_built(done: Done) -> dict[str, Any]:
    """Returns the state of the optimizer in the dtypes in which the factory makes the weights."""
    port = done.under_test
    assert port is not None
    assert port.built.optimizer is not None
    state: dict[str, Any] = port.built.optimizer.state_dict()
    native = call_factory(done.factory, 0, "float32").optimizer
    assert native is not None
    dtypes = [p.dtype for group in native.param_groups for p in group["params"]]
    for number, values in state["state"].items():
        for name, value in values.items():
            if isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim:
                values[name] = value.detach().cpu().to(dtypes[number])
    return state
