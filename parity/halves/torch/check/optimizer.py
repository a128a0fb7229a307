"""The optimizer of a port alone, without loss and data.

Keras's gradients of every size go in; `optimizer/…` comes out: weights, slots and rates after some
steps. The other stages that make steps call `make_step` of this file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch

from parity.data import probe_inputs
from parity.data.probe_inputs import AVERAGE
from parity.halves.torch.check.compared_entries import compared_entries
from parity.halves.torch.port.carried import LOAD, Carried
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.slots import STOCK_SLOTS
from parity.halves.torch.step_rate import step_of
from parity.traces.trace import Trace, TraceWriter
from torch_impl.optim.averages import averaged
from torch_impl.schedule.stepping import begin_epoch

# (seed, number of the step, name and shape of the weight) -> its gradient
Gradients = Callable[[int, int, str, Sequence[int]], np.ndarray]


def write_optimizer(port: PortUnderTest, writer: TraceWriter, *, is_brief: bool = False) -> None:
    """Feeds Keras's gradients to the optimizer, and writes what its steps change.

    Args:
        port: before its first step.
        writer: receives weights, slots and rates.
        is_brief: whether only the entries that are compared make steps, where that is the same.
    """
    keras = port.keras
    trained = {n: e["shape"] for n, e in keras.facts["weights"].items() if e["trainable"]}
    _set_back(port, trained)
    with compared_entries(port, trained) if is_brief else nullcontext(port) as stepped:
        made = probe_inputs.gradient if stepped is port else probe_inputs.gradient_of_step
        _write_steps(stepped, trained, made, writer)


def _write_steps(
    port: PortUnderTest, trained: Mapping[str, Any], made: Gradients, writer: TraceWriter
) -> None:
    keras = port.keras
    seed = int(keras.spec["seed"])
    given = given_rates(keras, "optimizer/learning_rate")
    begin_training(port)
    rates = []
    for step in range(1, probe_inputs.NUM_OPTIMIZER_STEPS + 1):
        if step == probe_inputs.CUT_BEFORE:
            cut(port)
        port.set_gradients(trained, partial(_gradient, trained, made, seed, step))
        rates.append(make_step(port, given[step - 1] if given else None))
        if step in probe_inputs.OPTIMIZER_STEPS:
            found = {item.name: item for item in port.carried}
            for name in trained:
                if name in found:
                    writer.put(f"optimizer/{step}/weights/{name}", found[name].of_step())
            for slot, item, value in _slots(port):
                if (key := f"optimizer/{step}/{slot}/{item.name}") in keras:
                    writer.put(key, item.of_step(value))
            for item, value in _averages(port):
                if item.name in trained:
                    writer.put(f"optimizer/{step}/{AVERAGE}/{item.name}", item.of_step(value))
    writer.put("optimizer/learning_rate", np.array(rates, dtype=np.float64))


def _gradient(
    shapes: Mapping[str, Any], made: Gradients, seed: int, step: int, name: str
) -> np.ndarray:
    return made(seed, step, name, shapes[name])


def _set_back(port: PortUnderTest, names: Collection[str]) -> None:
    """Gives the port Keras's weights again, which its code may have set in a pass.

    Such as a masked convolution does. What its own `load` holds in another form stays.
    """
    for item in port.carried:
        if item.name not in names or item.how == LOAD or item.variable.is_computed:
            continue
        weight = port.keras[f"weights/{item.name}"]
        if not np.array_equal(item.value(), weight):
            item.set(weight)


def _slots(port: PortUnderTest) -> Iterator[tuple[str, Carried, torch.Tensor]]:
    """Yields (Keras's slot, weight, tensor) for weights that are one tensor in torch."""
    optimizer = port.built.optimizer
    assert optimizer is not None
    stock = STOCK_SLOTS.get(type(optimizer).__name__, {})
    for item in port.carried:
        variable = item.variable
        if len(variable.tensors) != 1 or variable.is_computed:
            continue
        (parameter,) = variable.tensors
        if hasattr(optimizer, "slots"):
            slots = optimizer.slots(parameter)
        else:
            state = optimizer.state.get(parameter, {})
            slots = {stock[key]: value for key, value in state.items() if key in stock}
        for slot, value in slots.items():
            if value.shape == parameter.shape and slot != AVERAGE:
                yield slot, item, value


def _averages(port: PortUnderTest) -> Iterator[tuple[Carried, torch.Tensor]]:
    """Yields what stands in the place of each weight after a training that ends now.

    That is its average, wherever the port keeps one. Without one it is the weight, which is told
    only where Keras keeps an average.
    """
    built = port.built
    kept: dict[int, torch.Tensor] = {}
    if built.average is not None and int(built.average.n_averaged):
        kept = {id(p): mean for p, mean in averaged(built.average, built.module)}
    is_of_keras = bool(port.keras.facts["optimizer"]["config"].get("use_ema"))
    for item in port.carried:
        variable = item.variable
        if len(variable.tensors) != 1 or variable.is_computed:
            continue
        (parameter,) = variable.tensors
        own: dict[str, Any] = getattr(built.optimizer, "slots", lambda _: {})(parameter)
        mean = kept.get(id(parameter), own.get(AVERAGE))
        if mean is not None or is_of_keras:
            yield item, parameter if mean is None else mean


def begin_training(port: PortUnderTest) -> None:
    """Lets schedulers set the rate of the first epoch that do so before its first step."""
    for scheduler in port.built.schedulers:
        begin_epoch(scheduler, 0)


def cut(port: PortUnderTest) -> None:
    """Cuts the learning rate, unless a Keras schedule sets it."""
    assert port.built.optimizer is not None
    if port.keras.facts["schedule"]["kind"] is None:
        for group in port.built.optimizer.param_groups:
            group["lr"] *= probe_inputs.CUT_FACTOR


def make_step(port: PortUnderTest, given: float | None) -> float:
    """Makes a step with the present gradients; returns the learning rate of that step.

    The gradients are those of the loss. An optimizer that divides by its `loss_scale_factor` gets
    them multiplied, as in a training.

    Args:
        port: makes the step.
        given: the rate, if a Keras schedule sets it; schedules have a level of their own.
    """
    built = port.built
    assert built.optimizer is not None
    if factor := getattr(built.optimizer, "common", {}).get("loss_scale_factor"):
        for group in built.optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad = parameter.grad * factor
    if built.before_step is not None:
        built.before_step(built.module)
    rate = step_of(built.optimizer, given)
    if given is None and built.scheduler_interval == "step":
        for scheduler in built.schedulers:
            scheduler.step()
    return rate


def given_rates(keras: Trace, key: str) -> list[float] | None:
    """Returns the rates of Keras's steps if a schedule sets them, else None."""
    is_scheduled = keras.facts["schedule"]["kind"] is not None
    return keras[key].tolist() if is_scheduled else None
