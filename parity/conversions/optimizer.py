"""The state of Keras's optimizer in the optimizer of a port, so that a training goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from parity.conversions.proof import listed
from parity.conversions.state import Done
from parity.errors import InputError
from parity.files.atomic import atomic_path
from parity.halves.torch.factories import call_factory
from parity.halves.torch.port.carried import Carried
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.slots import set_slots, slots_by_rate, why_not_carried
from parity.weights.copied import OPTIMIZER, Copied
from torch_impl.keras_config.training import planned_rate
from torch_impl.optim.base import KerasOptimizer

# --------------------------------------------------------------------------------------------------
#
# How the equations of torch's own optimizers differ from Keras's, whatever their numbers are.
#
# A port's optimizer and the settings of Keras's go in; sentences come out. The IDs are those of the
# registry: `parity explain C11` shows both formulas.


_OF_ADAM = (
    "F2",
    "torch adds epsilon behind the correction of the second moment, Keras before it",
)
# Class of torch.optim -> ID, and what it does otherwise at each step.
_ALWAYS = {
    "Adam": _OF_ADAM,
    "AdamW": _OF_ADAM,
    "Adamax": ("F2", "torch adds epsilon to each gradient, Keras to the greatest of them"),
    "RMSprop": ("F4", "torch adds epsilon to the root, Keras under it"),
    "Adagrad": ("F8", "torch adds epsilon to the root, Keras under it"),
}


def notes_on_equations(optimizer: Any, config: Mapping[str, Any]) -> Iterator[str]:
    """Yields a sentence for each equation of a port's optimizer that is not Keras's.

    Args:
        optimizer: of the port. Of one of torch_impl, nothing is told: it has Keras's equations. Of
            a class of the user's, nothing is known.
        config: settings of Keras's optimizer.
    """
    kind = type(optimizer)
    if isinstance(optimizer, KerasOptimizer) or not kind.__module__.startswith("torch.optim."):
        return
    group = optimizer.param_groups[0]
    name = kind.__name__
    if name == "NAdam" and group.get("momentum_decay") != 1:
        text = f"torch's momentum_decay is {group['momentum_decay']:g}, that of Keras's rule is 1"
        yield _note("F14", text, name)
    if name in _ALWAYS:
        yield _note(*_ALWAYS[name], name)
    if name == "RMSprop" and group.get("momentum"):
        yield _note("F4", "torch's momentum holds steps without their rate, Keras's with it", name)
    if name == "SGD" and group.get("momentum"):
        text = "behind a change of the rate, torch's momentum has the new rate, Keras's the old one"
        yield _note("F5", text, name)
    if group.get("weight_decay") and name != "AdamW" and not group.get("decoupled_weight_decay"):
        theirs = "decouples it" if config.get("weight_decay") else "has none"
        text = f"torch's weight_decay is added to the gradients, Keras {theirs}"
        yield _note("C11", text, name)
    for setting, what in (
        ("gradient_accumulation_steps", "takes the mean gradient of several steps"),
        ("use_ema", "keeps an average of the weights"),
    ):
        if config.get(setting):
            yield f"Keras's optimizer {what} ({setting}={config[setting]}); the Port's does not"


def _note(identity: str, text: str, name: str) -> str:
    return f"{identity}: {text}; torch_impl.optim.{_KERAS.get(name, name)} computes as Keras does"


_KERAS = {"NAdam": "Nadam"}  # class of torch -> of torch_impl.optim


# --------------------------------------------------------------------------------------------------
#
# What the next step of a port would do otherwise than Keras's, whose optimizer it goes on with.


# Keras's name of a number -> where `param_groups` may have it.
_NUMBERS = {
    **{name: (name,) for name in ("momentum", "nesterov", "amsgrad", "centered", "weight_decay")},
    "epsilon": ("eps",),
    "rho": ("rho", "alpha"),
}
_BETAS = ("beta_1", "beta_2")
_CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")
_ROUNDING = 1e-6  # relative: a file may have a number rounded to float32


def trained_otherwise(
    port: PortUnderTest, items: Sequence[Carried], trainable: Sequence[str]
) -> list[str]:
    """Returns a sentence for each way in which the optimizer of a port trains other weights.

    Args:
        port: with an optimizer.
        items: the weights with a place.
        trainable: names of the weights that Keras trains.
    """
    assert port.built.optimizer is not None
    optimized = {id(p) for group in port.built.optimizer.param_groups for p in group["params"]}
    names = {id(p): name for name, p in port.module.named_parameters()}
    moved = {id(p) for p in port.module.parameters() if p.requires_grad and id(p) in optimized}
    left, frozen, twice, placed = [], [], [], set()
    for item in items:
        tensors = item.variable.tensors
        placed |= {id(tensor) for tensor in tensors}
        moving = [tensor for tensor in tensors if id(tensor) in moved]
        if item.name not in trainable:
            frozen += [item.name] if moving else []
        elif item.variable.is_computed:
            continue  # `why_not_carried` says that its slots have no place
        elif item.variable.gradient_of is not None:
            left += [] if moving else [item.name]
            twice += [names[id(tensor)] for tensor in moving[1:]]
        elif len(moving) < len(tensors):
            left.append(item.name)
    parts = {name for each in port.cargo.spread.values() for name in each}
    placed_names = parts | {name for key, name in names.items() if key in placed}
    more = [names[key] for key in names if key in moved and names[key] not in placed_names]
    return list(_sentences(left, frozen, twice, more))


def _sentences(
    left: Sequence[str], frozen: Sequence[str], twice: Sequence[str], more: Sequence[str]
) -> Iterator[str]:
    if left:
        yield (
            f"the Port's optimizer does not train {listed(left)}, which Keras trains: give it "
            "these parameters, with requires_grad"
        )
    if frozen:
        yield (
            f"the Port's optimizer trains {listed(frozen)}, which Keras does not train: freeze "
            "these parameters with requires_grad_(False)"
        )
    if twice:
        yield (
            f"{listed(twice)}: a second bias that is trained, where Keras has one bias, so that "
            f"a step moves the sum of the two twice: {_frozen(twice)}"
        )
    if more:
        yield (
            f"the Port's optimizer trains {listed(more)}, which Keras does not have: "
            f"{_frozen(more)}"
        )


def _frozen(names: Sequence[str]) -> str:
    rest = ", and so on" if len(names) > 1 else ""
    return f"freeze it with module.get_parameter({names[0]!r}).requires_grad_(False){rest}"


def scheduled_rate(config: Mapping[str, Any], steps: int) -> float | None:
    """Returns the rate of the next step by the schedule in an optimizer's settings.

    Args:
        config: the settings; their "learning_rate" is a schedule.
        steps: that were made.

    Returns:
        None if the schedule is not known.
    """
    try:
        return float(planned_rate(config["learning_rate"]).build()(steps, compiled=True))
    except (ValueError, TypeError, KeyError):
        return None


def notes_on_rate(
    port: PortUnderTest, config: Mapping[str, Any], rate: float | None
) -> Iterator[str]:
    """Yields a sentence if the rate of Keras or of the port follows a schedule.

    Args:
        port: with an optimizer.
        config: settings of Keras's optimizer.
        rate: Keras's of the next step; None: it is not known.
    """
    optimizer: Any = port.built.optimizer
    schedule = optimizer.schedule if isinstance(optimizer, KerasOptimizer) else None
    theirs, mine = config.get("learning_rate"), type(schedule).__name__
    if schedule is None and isinstance(theirs, Mapping):
        name = str(theirs.get("class_name"))[:60]
        if rate is None:
            has = f"it is not known here, so the Port keeps {optimizer.param_groups[0]['lr']:.6g}"
        else:
            has = f"the Port has that of the next step, {rate:.6g}"
        goes_on = "nothing changes it" if port.built.scheduler is None else "its scheduler goes on"
        yield f"Keras's rate follows {name}; {has}, and {goes_on}"
    elif schedule is not None and mine != _class_of(theirs):
        has = f"follows {_class_of(theirs)}" if isinstance(theirs, Mapping) else "is constant"
        yield f"Keras's rate {has}; the Port's follows {mine}"


def _class_of(rate: Any) -> str:
    """Returns the class of a schedule among settings; "" if the rate is a number."""
    return str(rate.get("class_name"))[:60] if isinstance(rate, Mapping) else ""


def notes_on_numbers(port: PortUnderTest, config: Mapping[str, Any]) -> Iterator[str]:
    """Yields a sentence for each number of Keras's optimizer that the port's has otherwise.

    Args:
        port: with an optimizer.
        config: settings of Keras's optimizer.
    """
    optimizer: Any = port.built.optimizer
    ours = _numbers_of(optimizer.param_groups[0])
    for name in (*_NUMBERS, *_BETAS):
        theirs = config.get(name) or 0.0
        if name not in config or name not in ours or not isinstance(theirs, bool | int | float):
            continue
        if not np.isclose(ours[name], float(theirs), rtol=_ROUNDING, atol=0):
            yield f"Keras's optimizer has {name}={theirs:g}; the Port's has {ours[name]:g}"
    common = optimizer.common if isinstance(optimizer, KerasOptimizer) else {}
    for name in _CLIPS:
        theirs = config.get(name)
        if theirs and not common.get(name) and port.built.before_step is None:
            yield f"Keras's optimizer has {name}={theirs:g}; the Port does not clip gradients"


def _numbers_of(group: Mapping[str, Any]) -> dict[str, float]:
    """Returns the numbers of a group of parameters by Keras's names."""
    found: dict[str, Any] = {
        name: group[key] for name, places in _NUMBERS.items() for key in places if key in group
    }
    found |= dict(zip(_BETAS, group.get("betas") or (), strict=False))
    return {
        name: float(value or 0.0)
        for name, value in found.items()
        if value is None or isinstance(value, bool | int | float)
    }


# --- The state of Keras's optimizer in the optimizer of a port, so that a training goes on --------
#
# A file has the variables of the optimizer in the order in which Keras makes them: the number of
# steps, the rate unless it follows a schedule, and then slots in groups, each with the weights in
# Keras's order. The class and the settings of the optimizer say which groups there are.
#
# Source: keras 3.15 `optimizers/base_optimizer.py` and the `build` of each optimizer.


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
    compiled: Mapping[str, Any] | None,
    variables: Sequence[Mapping[str, Any]],
    weights: Sequence[str],
) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Returns slot -> weight -> key in the file, and name -> key of what is no slot.

    Args:
        compiled: what the model was compiled with.
        variables: of the optimizer, in their order.
        weights: those that Keras trains, in Keras's order.

    Raises:
        InputError: the file has no optimizer, or one that is not known.
    """
    entry = _entry(compiled)
    if not variables:
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
    keys = [str(each["key"]) for each in variables]
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
    if rate is None and arrays.keys() & {*slots_by_rate(port.built.optimizer)}:
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
            *notes_on_rate(port, config, rate),
            *notes_on_numbers(port, config),
            *notes_on_equations(port.built.optimizer, config),
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
    settings = compiled or {}
    return settings.get("optimizer") or settings.get("optimizer_config")


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
