"""The optimizer of a port alone: no loss and no data stand between it and Keras's.

Keras's gradients of every size go in; `optimizer/…` comes out: weights, slots and rates after some
steps. How a port makes a step is told here, for all stages that make some.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from parity.data import probe_inputs
from parity.traces.bundle import Bundle
from parity.traces.trace import TraceWriter
from torch_impl.harness.factories import Port
from torch_impl.harness.port.port_under_test import PortUnderTest

# Slot of a stock optimizer -> Keras's name of the same quantity.
_STOCK_SLOTS = {
    "Adam": {"exp_avg": "momentum", "exp_avg_sq": "velocity"},
    "AdamW": {"exp_avg": "momentum", "exp_avg_sq": "velocity"},
    "NAdam": {"exp_avg": "momentum", "exp_avg_sq": "velocity"},
    "RMSprop": {"square_avg": "velocity"},
    "Adagrad": {"sum": "accumulator"},
    "Adadelta": {"square_avg": "accumulated_grad", "acc_delta": "accumulated_delta_var"},
}


def write_optimizer(port: PortUnderTest, writer: TraceWriter) -> None:
    """The optimizer alone, fed with Keras's gradients of every size."""
    optimizer, bundle = port.built.optimizer, port.bundle
    assert optimizer is not None
    trained = {n: e["shape"] for n, e in bundle.facts["weights"].items() if e["trainable"]}
    seed = int(bundle.spec["seed"])
    given = given_rates(bundle, "optimizer/learning_rate")
    rates = []
    for step in range(1, probe_inputs.NUM_OPTIMIZER_STEPS + 1):
        if step == probe_inputs.CUT_BEFORE:
            cut(port)
        port.set_gradients(
            {n: probe_inputs.gradient(seed, step, n, shape) for n, shape in trained.items()}
        )
        rates.append(make_step(port, given[step - 1] if given else None))
        if step in probe_inputs.OPTIMIZER_STEPS:
            weights = port.weights()
            for name in trained:
                if name in weights:
                    value = probe_inputs.sampled(weights[name])
                    writer.put(f"optimizer/{step}/weights/{name}", value)
            for slot, name, value in _slots(port):
                if f"optimizer/{step}/{slot}/{name}" in bundle:
                    writer.put(f"optimizer/{step}/{slot}/{name}", probe_inputs.sampled(value))
    writer.put("optimizer/learning_rate", np.array(rates, dtype=np.float64))


def _slots(port: PortUnderTest) -> Iterator[tuple[str, str, np.ndarray]]:
    """(Keras's slot, weight, value), for weights that are one tensor."""
    optimizer = port.built.optimizer
    assert optimizer is not None
    stock = _STOCK_SLOTS.get(type(optimizer).__name__, {})
    for pair, name, variable in port.variables():
        if len(variable.tensors) != 1:
            continue
        (parameter,) = variable.tensors
        if hasattr(optimizer, "slots"):
            slots = optimizer.slots(parameter)
        else:
            state = optimizer.state.get(parameter, {})
            slots = {stock[key]: value for key, value in state.items() if key in stock}
        for slot, value in slots.items():
            if value.shape == parameter.shape:
                array = variable.to_keras((value,)).detach().cpu().numpy().copy(order="C")
                yield slot, name, pair.to_keras(name, array)


def cut(port: PortUnderTest) -> None:
    """Cuts the learning rate, where no schedule of Keras's sets it."""
    assert port.built.optimizer is not None
    if port.bundle.facts["schedule"]["kind"] is None:
        for group in port.built.optimizer.param_groups:
            group["lr"] *= probe_inputs.CUT_FACTOR


def make_step(port: PortUnderTest, given: float | None) -> float:
    """Makes a step with the gradients that are there; returns the rate at which it was made.

    Args:
        port: whose port steps.
        given: the rate, where a schedule of Keras's gives it: schedules have a level of their own.
    """
    built = port.built
    if built.before_step is not None:
        built.before_step(built.module)
    if given is not None:
        _set_rate(built.optimizer, given)
        return step_optimizer(built)
    rate = step_optimizer(built)
    if built.scheduler_interval == "step":
        for scheduler in built.schedulers:
            scheduler.step()
    return rate


def _set_rate(optimizer: Any, rate: float) -> None:
    """Sets the rate, that of groups with another one in proportion."""
    if getattr(optimizer, "schedule", None) is not None:
        optimizer.schedule = None
    first = optimizer.param_groups[0]["lr"]
    for group in optimizer.param_groups:
        group["lr"] = rate * (group["lr"] / first if first else 1.0)


def given_rates(bundle: Bundle, key: str) -> list[float] | None:
    """Returns the rates of Keras's steps where a schedule gives them; None without one."""
    is_scheduled = bundle.facts["schedule"]["kind"] is not None
    return bundle[key].tolist() if is_scheduled else None


def step_optimizer(port: Port) -> float:
    """Makes a step of the optimizer alone; returns the rate at which it was made."""
    assert port.optimizer is not None
    before = float(port.optimizer.param_groups[0]["lr"])
    port.optimizer.step()
    # A schedule inside of the optimizer sets the rate in the step itself.
    has_schedule = getattr(port.optimizer, "schedule", None) is not None
    return float(port.optimizer.param_groups[0]["lr"]) if has_schedule else before
