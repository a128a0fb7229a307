"""The facts of a port: its calls and their partners, its settings, and what it provides.

A port goes in; the facts by which structure is compared and causes are found come out, ready for
JSON.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from parity.halves.torch.call import Call
from parity.halves.torch.port.carrying import held_tensors
from parity.halves.torch.port.drawn_masks import replayed
from parity.halves.torch.port.dropped_axes import dropped_axes
from parity.halves.torch.port.inner_masks import inner_dropouts
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.unpaired import left_over, told_nodes, told_pairs
from parity.traces.trace import TraceWriter


def write_weights(port: PortUnderTest, writer: TraceWriter) -> None:
    """Writes the weights that the port holds otherwise than Keras, bit by bit.

    Those that it lacks are Keras's: see `carried_weight`.
    """
    for item in port.carried:
        key, value = f"weights/{item.name}", item.value()
        if key not in port.keras or not np.array_equal(port.keras[key], value):
            writer.put(key, value)


def write_facts(port: PortUnderTest, writer: TraceWriter) -> None:
    """Writes the facts of a port, with the pairs that were found."""
    nodes = port.keras.facts["nodes"]
    carried = {id(tensor) for item in port.carried for tensor in held_tensors(item.variable)}
    names = dict(port.module.named_parameters())
    told = told_pairs(port)
    writer.facts["nodes"] = told_nodes(port, told)
    writer.facts["pairs"] = [
        [nodes[row]["name"], port.nodes[column]["name"]] for row, column in told
    ]
    writer.facts["ends"] = {
        pair.node["name"]: [nodes[n]["name"] for n in (pair.ends.keras_first, pair.ends.keras_last)]
        for pair in port.all_pairs
    }
    writer.facts.update(left_over(port, told))
    writer.facts["replayed"] = replayed(port)
    writer.facts["dropped_axes"] = dropped_axes(port)
    writer.facts["inner_dropouts"] = inner_dropouts(port)
    writer.facts["carried_by"] = {item.name: item.how for item in port.carried}
    writer.facts["problems"] = port.problems
    writer.facts["fed"] = port.fed
    writer.facts["weights"] = {
        item.name: {"shape": list(item.variable.to_keras(item.variable.tensors).shape)}
        for item in port.carried
    }
    # A frozen parameter is a constant of the program: its values tell whether it is right.
    spread = {name for parts in port.cargo.spread.values() for name in parts}
    writer.facts["not_carried"] = [
        name
        for name, p in names.items()
        if p.requires_grad and id(p) not in carried and name not in spread
    ]
    writer.facts["spread"] = port.cargo.spread
    writer.facts["num_parameters"] = sum(p.numel() for p in port.module.parameters())
    writer.facts["num_paired_modules"] = len({id(i.variable.module) for i in port.carried})
    writer.facts["settings"] = {
        port.nodes[column]["name"]: _settings(port.calls[column]) for _, column in told
    }
    writer.facts["flattened"] = {
        pair.node["name"]: "channels_first" if pair.features is not None else "channels_last"
        for pair in port.all_pairs
        if pair.node["kind"] == "flatten"
    }
    built = port.built
    writer.facts["given"] = {
        name: getattr(built, name) is not None
        for name in ("loss", "optimizer", "scheduler", "early_stopping", "load", "train_step")
    }
    writer.facts["optimizer"] = optimizer_facts(built.optimizer)
    writer.facts["clips"] = built.before_step is not None
    writer.facts["schedulers"] = [_object_facts(scheduler) for scheduler in built.schedulers]
    writer.facts["scheduler_interval"] = built.scheduler_interval
    writer.facts["steps_per_epoch"] = built.steps_per_epoch
    stopping = built.early_stopping
    writer.facts["early_stopping"] = None if stopping is None else _object_facts(stopping)
    writer.facts["loss"] = None if built.loss is None else _object_facts(built.loss)


def _settings(call: Call) -> dict[str, Any]:
    """Returns the plain attributes of a module (eps, stride), or the arguments of a function."""
    module = call.module
    if module is None:
        rate = {} if call.rate is None else {"rate": call.rate}
        name = call.name.partition("(")[0]
        return {"class": f"torch.nn.functional.{name}", **call.arguments, **rate}
    found = _object_facts(module)
    # A subclass means by its attributes what torch's class does, unless it computes by itself.
    base: Any = next((kind for kind in type(module).__mro__ if _is_torchs(kind)), None)
    settings = {"class": found.pop("class"), **found}
    if base is not None:
        settings["base"] = base.__name__
        settings["computes_itself"] = type(module).forward is not base.forward
    return settings


def _is_torchs(kind: type) -> bool:
    """Whether a class is a layer of torch, and not only the base of all modules."""
    return kind.__module__.startswith("torch.nn.modules.") and kind is not torch.nn.Module


def _object_facts(value: Any) -> dict[str, Any]:
    name = getattr(value, "__qualname__", type(value).__qualname__)
    module = getattr(value, "__module__", type(value).__module__)
    plain = {
        key: _plain(item)
        for key, item in (vars(value) if hasattr(value, "__dict__") else {}).items()
        if not key.startswith("_") and _plain(item) is not None
    }
    return {"class": f"{module}.{name}", **plain}


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple) and all(
        isinstance(v, bool | int | float | str) for v in value
    ):
        return list(value)
    return None


def optimizer_facts(optimizer: torch.optim.Optimizer | None) -> dict[str, Any] | None:
    """Returns the class of an optimizer and the plain settings of its groups; None without one."""
    if optimizer is None:
        return None
    groups = [
        {key: _plain(value) for key, value in group.items() if _plain(value) is not None}
        for group in optimizer.param_groups
    ]
    kind = type(optimizer)
    bases = [base.__name__ for base in kind.__mro__ if base.__module__.startswith("torch.optim.")]
    return {
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "groups": groups,
        "base": next((name for name in bases if name != "Optimizer"), ""),
        "schedule": getattr(optimizer, "schedule", None) is not None,
    }
