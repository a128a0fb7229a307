"""The learning rate of a port, by step and by epoch.

Schedulers are stepped as the port says, or shown the metrics that Keras's callbacks were shown;
the rates, and the epoch at which training stops, come out as `schedule/…`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from parity.data import probe_inputs
from parity.programs.check_spec import CheckSpec
from parity.traces.bundle import Bundle
from parity.traces.trace import TraceWriter
from torch_impl.harness.check.optimizer import step_optimizer
from torch_impl.harness.factories import Port, call_factory
from torch_impl.schedule import LearningRateScheduler


def write_schedule(
    spec: CheckSpec, factory: Callable[[], Any], bundle: Bundle, writer: TraceWriter
) -> None:
    """The learning rate: of every step, and of every epoch, where Keras has what sets it."""
    if "schedule/steps" in bundle:
        port = call_factory(factory, spec.seed)
        if port.optimizer is not None:
            writer.put("schedule/steps", _rates_by_step(port))
    if "schedule/epochs" in bundle:
        port = call_factory(factory, spec.seed)
        if port.optimizer is None:
            return
        deltas = probe_inputs.told_apart(bundle.facts["schedule"]["callbacks"])
        rates, stopped = _rates_by_epoch(port, probe_inputs.metrics(spec.seed, deltas))
        writer.put("schedule/epochs", np.array(rates, dtype=np.float64))
        writer.put("schedule/stopped", np.array(stopped))


def _rates_by_step(port: Port) -> np.ndarray:
    """The rate of each step, no gradient having any effect."""
    rates = {}
    for parameter in port.module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    steps = probe_inputs.SCHEDULE_STEPS
    for step in range(max(steps) + 1):
        rates[step] = step_optimizer(port)
        is_epoch_end = (step + 1) % port.steps_per_epoch == 0
        if port.scheduler_interval == "step" or is_epoch_end:
            for scheduler in port.schedulers:
                scheduler.step()
    return np.array([rates[step] for step in steps], dtype=np.float64)


def _rates_by_epoch(port: Port, metrics: Mapping[str, np.ndarray]) -> tuple[list[float], int]:
    """The rate of each epoch, and the epoch at which training stops, or -1."""
    assert port.optimizer is not None
    watched = metrics[port.monitor]
    rates: list[float] = []
    for epoch, value in enumerate(map(float, watched)):
        after = [scheduler for scheduler in port.schedulers if not _begun(scheduler, epoch)]
        rates.append(float(port.optimizer.param_groups[0]["lr"]))
        port.optimizer.step()  # torch's schedulers ask for it
        for scheduler in after:
            if _takes_value(scheduler):
                scheduler.step(value)
                continue
            for _ in range(port.steps_per_epoch if port.scheduler_interval == "step" else 1):
                scheduler.step()
        if port.early_stopping is not None and port.early_stopping.step(value):
            return rates, epoch
    return rates, -1


def _begun(scheduler: Any, epoch: int) -> bool:
    """Lets a scheduler act that acts at the beginning of an epoch; tells whether it is one."""
    if hasattr(scheduler, "on_epoch_begin"):
        scheduler.on_epoch_begin(epoch)
    elif isinstance(scheduler, LearningRateScheduler):
        scheduler.step()
    else:
        return False
    return True


def _takes_value(scheduler: Any) -> bool:
    """Whether `step` has to be given the monitored metric."""
    parameters = list(inspect.signature(scheduler.step).parameters.values())
    return bool(parameters) and (
        parameters[0].name in ("metrics", "value", "metric")
        or parameters[0].default is inspect.Parameter.empty
    )
