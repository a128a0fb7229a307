"""Makes changes of a port that are given as plain values: of modules, loss, optimizer, schedule.

{"module": "conv1", "set": {"padding": [0, 0]}}         see `change.Change`
{"call": "leaky_relu()", "set": {"negative_slope": 0.3}}
{"loss": {"set": {"reduction": "mean"}}}                of the loss, or of that in a RegularizedLoss
{"loss": {"class": "Huber", "arguments": {"delta": 1.0}, "shape": [4, 3], "class_weight": null}}
{"penalty": {"weights": {"0.weight": ["L2", {"l2": 0.01}]}, "activities": {}}}
{"optimizer": {"set": {"eps": 1e-07}}}, {"optimizer": {"add": ["0.weight"]}}
{"optimizer": {"class": "Adam", "arguments": {"learning_rate": 0.001}, "keeps_before_step": true}}
{"frozen": ["lstm.bias_hh_l0"]}
{"scheduler": {"set": {"patience": 1}, "number": 0}}
{"scheduler": {"class": "ReduceLROnPlateau", "arguments": {}}}, the same of "early_stopping"
{"schedule": {"class": "ExponentialDecay", "arguments": {}}}
{"port": {"scheduler_interval": "step"}}
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from parity.halves.torch.check.fixes.change import (
    Change,
    called,
    change_from,
    change_modules,
    followed,
)
from parity.halves.torch.kinds import is_leaf, kind_of_function
from parity.halves.torch.port.portable import from_returned
from torch_impl import constraints, losses, optim, regularizers, schedule
from torch_impl.layouts import joined_parameters
from torch_impl.losses import sample_weights
from torch_impl.penalty import Penalty, RegularizedLoss
from torch_impl.port import Port

Plain = Mapping[str, Any]


def changed_port(port: Port, changes: Iterable[Plain]) -> Port:
    """Returns a port with some changes; its module and its optimizer are changed in place."""
    for change in changes:
        if "module" in change:
            change_modules(port.module, [change_from(change)], is_hidden=False)
        elif "call" in change:
            _change_call(port.module, change_from(change))
        else:
            ((name, given),) = change.items()
            port = _MADE[name](port, given)
    return port


# --- calls ---------------------------------------------------------------------------------------


def _change_call(root: nn.Module, change: Change) -> None:
    """Changes a call of a function in every pass of a network."""
    forward, depth = root.forward, [0]
    for child in root.modules():
        if child is not root and is_leaf(child):
            child.register_forward_pre_hook(lambda *_: depth.__setitem__(0, depth[0] + 1))
            child.register_forward_hook(lambda *_: depth.__setitem__(0, depth[0] - 1))

    def changed(*arguments: Any, **keywords: Any) -> Any:
        with _Calls(change, lambda: depth[0] == 0):
            return forward(*arguments, **keywords)

    root.forward = changed


class _Calls(TorchFunctionMode):
    """Changes the call of one name; the names are those of `recorded_calls`."""

    def __init__(self, change: Change, is_outside: Callable[[], bool]) -> None:
        super().__init__()
        self._change, self._is_outside = change, is_outside
        self._count = 0
        name, _, number = change.place.partition("#")
        self._name, self._number = name, int(number or 1)

    def __torch_function__(
        self, function: Any, types: Any, arguments: Any = (), keywords: Any = None
    ) -> Any:
        keywords = keywords or {}
        is_named = f"{getattr(function, '__name__', '')}()" == self._name
        if is_named and self._is_outside() and kind_of_function(function) is not None:
            self._count += 1
            if self._count == self._number:
                output = called([self._change], function, arguments, keywords)
                return followed([self._change], output)
        return function(*arguments, **keywords)


# --- the loss ------------------------------------------------------------------------------------


class KerasLoss(nn.Module):
    """Keras's loss of the outputs of a port, as a port's loss.

    Args:
        name: a class of `torch_impl.losses`.
        arguments: of its constructor.
        shape: of Keras's output, since the port may have its channels first.
        class_weight: the weight of each class; None for none.
    """

    def __init__(
        self,
        name: str,
        arguments: Plain,
        shape: Iterable[int],
        class_weight: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.loss: nn.Module = getattr(losses, name)(**arguments)
        self.shape = tuple(shape)
        self.class_weight = class_weight

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the loss of outputs as the port gives them, and labels as Keras gets them."""
        weighted = {}
        if self.class_weight is not None:
            by_label = {int(label): float(weight) for label, weight in self.class_weight.items()}
            weighted["sample_weight"] = sample_weights(target, by_label, output.dtype)
        value: torch.Tensor = self.loss(from_returned(output, self.shape), target, **weighted)
        return value


def _labels(y: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(y))


def _loss(port: Port, given: Plain) -> Port:
    if "class" in given:
        keras_loss = KerasLoss(
            given["class"], given["arguments"], given["shape"], given.get("class_weight")
        )
        return replace(port, loss=keras_loss, target=_labels)
    return replace(port, loss=with_settings(port.loss, given["set"]))


def inner_loss(loss: Any) -> Any:
    """Returns the loss without its penalties."""
    return loss.loss if isinstance(loss, RegularizedLoss) else loss


def with_settings(loss: Any, settings: Plain) -> Any:
    """Returns a copy of a loss with other settings; its tensors are the same."""
    other = copy.copy(loss)
    if isinstance(loss, RegularizedLoss):
        other._modules = {**loss._modules, "loss": with_settings(loss.loss, settings)}
        return other
    for holder in ("_buffers", "_modules", "_parameters"):
        if hasattr(loss, holder):
            vars(other)[holder] = dict(getattr(loss, holder))
    for name, value in settings.items():
        setattr(other, name, value)
    return other


def _penalty(port: Port, given: Plain) -> Port:
    weights, activities = (
        {name: getattr(regularizers, kind)(**arguments) for name, (kind, arguments) in rows.items()}
        for rows in (given["weights"], given["activities"])
    )
    assert port.loss is not None
    penalty = Penalty(port.module, weights, activities)
    inner: Any = inner_loss(port.loss)
    return replace(port, loss=RegularizedLoss(_as_module(inner), penalty))


def _as_module(loss: Any) -> nn.Module:
    if isinstance(loss, nn.Module):
        return loss

    class Called(nn.Module):
        def forward(self, *given: Any) -> Any:
            return loss(*given)

    return Called()


# --- the optimizer -------------------------------------------------------------------------------


def _optimizer(port: Port, given: Plain) -> Port:
    optimizer = port.optimizer
    assert optimizer is not None
    if "class" in given:
        parameters = [p for p in port.module.parameters() if p.requires_grad]
        made = getattr(optim, given["class"])(parameters, **given["arguments"])
        if given.get("joins"):
            made.join_norms(joined_parameters(port.module))
        if names := given.get("excluded"):
            made.exclude_from_weight_decay([port.module.get_parameter(name) for name in names])
        kept = port.before_step if given["keeps_before_step"] else None
        return replace(port, optimizer=made, before_step=kept, average=None)
    if "join" in given:
        assert isinstance(optimizer, optim.KerasOptimizer)
        optimizer.join_norms(joined_parameters(port.module))
    for name, (kind, arguments) in given.get("constraints", {}).items():
        rule = getattr(constraints, kind)(**arguments)
        constraints.constrain(port.module, optimizer, {name: rule})
    if "add" in given:
        parameters = [port.module.get_parameter(name) for name in given["add"]]
        optimizer.add_param_group({"params": parameters})
    for name, value in given.get("set", {}).items():
        for group in optimizer.param_groups:
            if name in group:
                group[name] = tuple(value) if isinstance(value, list) else value
    return port


def _frozen(port: Port, names: Iterable[str]) -> Port:
    for name in names:
        port.module.get_parameter(name).requires_grad_(False)
    return port


# --- the schedule --------------------------------------------------------------------------------


def _scheduler(port: Port, given: Plain) -> Port:
    if "class" in given:
        made = getattr(schedule, given["class"])(port.optimizer, **given["arguments"])
        return replace(port, scheduler=made)
    scheduler = port.schedulers[given["number"]]
    for name, value in given["set"].items():
        setattr(scheduler, name, value)
    return port


def _early_stopping(port: Port, given: Plain) -> Port:
    made = getattr(schedule, given["class"])(port.module, **given["arguments"])
    return replace(port, early_stopping=made)


def _schedule(port: Port, given: Plain) -> Port:
    rates = getattr(schedule, given["class"])(**given["arguments"])
    if isinstance(port.optimizer, optim.KerasOptimizer):
        port.optimizer.schedule = rates
        return replace(port, scheduler=None)
    assert port.optimizer is not None
    made = schedule.as_lambda_lr(port.optimizer, rates)
    return replace(port, scheduler=made, scheduler_interval="step")


def _port(port: Port, given: Plain) -> Port:
    return replace(port, **given)


_MADE: dict[str, Callable[[Port, Any], Port]] = {
    "loss": _loss,
    "penalty": _penalty,
    "optimizer": _optimizer,
    "frozen": _frozen,
    "scheduler": _scheduler,
    "early_stopping": _early_stopping,
    "schedule": _schedule,
    "port": _port,
}
