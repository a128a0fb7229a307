"""What a port is, beside its numbers: its calls and their partners, its settings, what it gives.

A port goes in; the facts that structure and causes are told by come out, ready for JSON.
"""

from __future__ import annotations

from typing import Any

import torch

from parity.traces.trace import TraceWriter
from torch_impl.harness.calls import Call
from torch_impl.harness.port.port_under_test import PortUnderTest


def write_facts(port: PortUnderTest, writer: TraceWriter) -> None:
    """Writes what the port is, with the pairs that were found."""
    nodes = port.bundle.facts["nodes"]
    paired = {id(variable.module) for _, _, variable in port.variables()}
    carried = {id(tensor) for _, _, variable in port.variables() for tensor in variable.tensors}
    names = dict(port.module.named_parameters())
    writer.facts["nodes"] = port.nodes
    writer.facts["pairs"] = [
        [nodes[row]["name"], port.nodes[column]["name"]] for row, column in port.pairing.pairs
    ]
    writer.facts["ends"] = {
        pair.node["name"]: [nodes[n]["name"] for n in (pair.ends.keras_first, pair.ends.keras_last)]
        for pair in port.pairs
    }
    writer.facts["keras_left"] = [nodes[row]["name"] for row in port.pairing.keras_left]
    writer.facts["torch_left"] = [port.nodes[n]["name"] for n in port.pairing.torch_left]
    writer.facts["problems"] = port.problems
    writer.facts["fed"] = port.fed
    writer.facts["weights"] = {
        name: {"shape": list(array.shape)} for name, array in port.weights().items()
    }
    writer.facts["not_carried"] = [
        name for name, parameter in names.items() if id(parameter) not in carried
    ]
    writer.facts["num_parameters"] = sum(p.numel() for p in port.module.parameters())
    writer.facts["num_paired_modules"] = len(paired)
    writer.facts["settings"] = {
        port.nodes[column]["name"]: _settings(port.calls[column])
        for _, column in port.pairing.pairs
    }
    writer.facts["flattened"] = {
        pair.node["name"]: "channels_first" if pair.features is not None else "channels_last"
        for pair in port.pairs
        if pair.node["kind"] == "flatten"
    }
    built = port.built
    writer.facts["given"] = {
        name: getattr(built, name) is not None
        for name in ("loss", "optimizer", "scheduler", "early_stopping", "load")
    }
    writer.facts["optimizer"] = _optimizer_facts(built.optimizer)
    writer.facts["schedulers"] = [_object_facts(scheduler) for scheduler in built.schedulers]
    writer.facts["scheduler_interval"] = built.scheduler_interval
    writer.facts["loss"] = None if built.loss is None else _object_facts(built.loss)


def _settings(call: Call) -> dict[str, Any]:
    """The plain attributes of a module: eps, momentum, padding, stride."""
    if call.module is None:
        return {"rate": call.rate} if call.rate is not None else {}
    found = _object_facts(call.module)
    return {"class": found.pop("class"), **found}


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


def _optimizer_facts(optimizer: torch.optim.Optimizer | None) -> dict[str, Any] | None:
    if optimizer is None:
        return None
    groups = [
        {key: _plain(value) for key, value in group.items() if _plain(value) is not None}
        for group in optimizer.param_groups
    ]
    kind = type(optimizer)
    return {"class": f"{kind.__module__}.{kind.__qualname__}", "groups": groups}
