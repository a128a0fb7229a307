"""The learning rate of a port, by step and by epoch.

Schedulers are stepped as the port says, or get the metrics that Keras's callbacks got. The rates,
and the epoch at which training stops, come out as `schedule/…`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from parity.data import probe_inputs
from parity.data.rule_sequences import rule_sequences
from parity.halves.torch.factories import call_factory
from parity.halves.torch.step_rate import idle_step_of
from parity.ladder.rounding import dtype_of
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import Trace, TraceWriter
from torch_impl.port import Port
from torch_impl.schedule.stepping import begin_epoch, monitor_of, takes_value


def write_schedule(
    spec: CheckSpec, factory: Callable[[], Any], keras: Trace, writer: TraceWriter
) -> None:
    """Writes the learning rate of every step and of every epoch, if Keras changes it there."""
    if "schedule/steps" in keras:
        port = call_factory(factory, spec.seed, dtype_of(keras.facts))
        if port.optimizer is not None:
            writer.put("schedule/steps", _rates_by_step(port))
    if "schedule/stopped" in keras:
        port = call_factory(factory, spec.seed, dtype_of(keras.facts))
        if port.optimizer is None:
            return
        deltas = probe_inputs.told_apart(keras.facts["schedule"]["callbacks"])
        metrics = probe_inputs.metrics(spec.seed, deltas)
        is_compared = "schedule/epochs" in keras
        num_rates = len(keras["schedule/epochs"]) if is_compared else len(metrics["loss"])
        rates, stopped = _rates_by_epoch(port, metrics, num_rates)
        if "schedule/epochs" in keras:
            writer.put("schedule/epochs", np.array(rates, dtype=np.float64))
        writer.put("schedule/stopped", np.array(stopped))
    if "schedule/decisions" in keras:
        _write_decisions(spec, factory, keras, writer)


def _rates_by_step(port: Port) -> np.ndarray:
    """Returns the rate of each step."""
    assert port.optimizer is not None
    rates = {}
    steps = probe_inputs.SCHEDULE_STEPS
    for step in range(max(steps) + 1):
        rates[step] = idle_step_of(port.module, port.optimizer)
        is_epoch_end = (step + 1) % port.steps_per_epoch == 0
        if port.scheduler_interval == "step" or is_epoch_end:
            for scheduler in port.schedulers:
                scheduler.step()
    return np.array([rates[step] for step in steps], dtype=np.float64)


def _rates_by_epoch(
    port: Port,
    metrics: Mapping[str, np.ndarray],
    num_rates: int,
    mark: torch.Tensor | None = None,
) -> tuple[list[float], int]:
    """Returns the rates of the first epochs, and the epoch at which training stops, or -1.

    Args:
        port: fresh.
        metrics: of each epoch, by name.
        num_rates: in so many epochs its schedulers are stepped, and rates are read.
        mark: a weight that is set to the number of each epoch; None: none is.
    """
    assert port.optimizer is not None
    rates: list[float] = []

    def value_of(rule: Any) -> float:
        return float(metrics[monitor_of(rule, port.monitor)][epoch])

    for epoch in range(len(metrics["loss"])):
        rules = port.schedulers if epoch < num_rates else ()
        after = [scheduler for scheduler in rules if not begin_epoch(scheduler, epoch)]
        if epoch < num_rates:
            rates.append(idle_step_of(port.module, port.optimizer))
        for scheduler in after:
            if takes_value(scheduler):
                scheduler.step(value_of(scheduler))
                continue
            for _ in range(port.steps_per_epoch if port.scheduler_interval == "step" else 1):
                scheduler.step()
        if mark is not None:
            mark.fill_(epoch)
        stopping = port.early_stopping
        if stopping is not None and stopping.step(value_of(stopping)):
            return rates, epoch
    return rates, -1


def _write_decisions(
    spec: CheckSpec, factory: Callable[[], Any], keras: Trace, writer: TraceWriter
) -> None:
    """Writes what the rules of a port decide in the sequences that Keras's rules got."""
    told = [each for each in keras.facts["schedule"]["callbacks"] if "monitor" in each]
    sequences = list(rule_sequences(spec.seed, told).values())
    decisions, rows = [], []
    for sequence in sequences[: len(keras["schedule/decisions"])]:
        port = call_factory(factory, spec.seed, dtype_of(keras.facts))
        mark = _mark_of(port)
        num_epochs = len(sequence["loss"])
        num_rates = num_epochs if "schedule/rule_rates" in keras else 0
        rates, stopped = _rates_by_epoch(port, sequence, num_rates, mark)
        if hasattr(port.early_stopping, "restore"):
            port.early_stopping.restore()
        last = num_epochs - 1 if stopped < 0 else stopped
        decisions.append([stopped, last if mark is None else float(mark.flatten()[0])])
        rows.append(rates + [0.0] * (num_epochs - len(rates)))
    writer.put("schedule/decisions", np.array(decisions, dtype=np.float64))
    if "schedule/rule_rates" in keras:
        writer.put("schedule/rule_rates", np.array(rows))


def _mark_of(port: Port) -> torch.Tensor | None:
    """Returns the weight that is set to the number of the epoch, which a rule may restore."""
    found = (weight for weight in port.module.parameters() if weight.is_floating_point())
    return next((weight.data for weight in found if weight.numel()), None)
