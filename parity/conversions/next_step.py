"""What the next step of a port would do otherwise than Keras's, whose optimizer it goes on with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from parity.conversions.coverage import listed
from parity.halves.torch.port.carried import Carried
from parity.halves.torch.port.port_under_test import PortUnderTest
from torch_impl.keras_config.training import planned_rate
from torch_impl.optim.base import KerasOptimizer

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
    held = {id(p) for group in port.built.optimizer.param_groups for p in group["params"]}
    names = {id(p): name for name, p in port.module.named_parameters()}
    moved = {id(p) for p in port.module.parameters() if p.requires_grad and id(p) in held}
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


def told_of_rate(
    port: PortUnderTest, config: Mapping[str, Any], rate: float | None
) -> Iterator[str]:
    """Yields a sentence if the rate of Keras or of the port follows a schedule.

    Args:
        port: with an optimizer.
        config: settings of Keras's optimizer.
        rate: Keras's of the next step; None: it is not known.
    """
    optimizer: Any = port.built.optimizer
    own = optimizer.schedule if isinstance(optimizer, KerasOptimizer) else None
    theirs, mine = config.get("learning_rate"), type(own).__name__
    if own is None and isinstance(theirs, Mapping):
        name = str(theirs.get("class_name"))[:60]
        if rate is None:
            has = f"it is not known here, so the Port keeps {optimizer.param_groups[0]['lr']:.6g}"
        else:
            has = f"the Port has that of the next step, {rate:.6g}"
        goes_on = "nothing changes it" if port.built.scheduler is None else "its scheduler goes on"
        yield f"Keras's rate follows {name}; {has}, and {goes_on}"
    elif own is not None and mine != _class_of(theirs):
        has = f"follows {_class_of(theirs)}" if isinstance(theirs, Mapping) else "is constant"
        yield f"Keras's rate {has}; the Port's follows {mine}"


def _class_of(rate: Any) -> str:
    """Returns the class of a schedule among settings; "" if the rate is a number."""
    return str(rate.get("class_name"))[:60] if isinstance(rate, Mapping) else ""


def told_of_numbers(port: PortUnderTest, config: Mapping[str, Any]) -> Iterator[str]:
    """Yields a sentence for each number of Keras's optimizer that the port's has otherwise.

    Args:
        port: with an optimizer.
        config: settings of Keras's optimizer.
    """
    optimizer: Any = port.built.optimizer
    own = _numbers_of(optimizer.param_groups[0])
    for name in (*_NUMBERS, *_BETAS):
        theirs = config.get(name) or 0.0
        if name not in config or name not in own or not isinstance(theirs, bool | int | float):
            continue
        if not np.isclose(own[name], float(theirs), rtol=_ROUNDING, atol=0):
            yield f"Keras's optimizer has {name}={theirs:g}; the Port's has {own[name]:g}"
    common = optimizer.common if isinstance(optimizer, KerasOptimizer) else {}
    for name in _CLIPS:
        theirs = config.get(name)
        if theirs and not common.get(name) and port.built.before_step is None:
            yield f"Keras's optimizer has {name}={theirs:g}; the Port does not clip gradients"


def _numbers_of(group: Mapping[str, Any]) -> dict[str, float]:
    """Returns the numbers of a group of parameters by Keras's names."""
    found: dict[str, Any] = {
        name: group[own] for name, places in _NUMBERS.items() for own in places if own in group
    }
    found |= dict(zip(_BETAS, group.get("betas") or (), strict=False))
    return {
        name: float(value or 0.0)
        for name, value in found.items()
        if value is None or isinstance(value, bool | int | float)
    }
