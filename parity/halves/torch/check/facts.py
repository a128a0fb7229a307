"""The facts of a port: its calls and settings, its learning rates, and its initial weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from parity.data import draws, probe_inputs
from parity.data.probe_inputs import rule_sequences
from parity.halves.torch.call import Call
from parity.halves.torch.factories import call_factory
from parity.halves.torch.port.carrying import source_tensors
from parity.halves.torch.port.feeding import build_lazy, unwrapped
from parity.halves.torch.port.port_under_test import PortUnderTest, is_large
from parity.halves.torch.port.random_masks import dropped_axes, inner_dropouts, replayed
from parity.halves.torch.port.unpaired import left_over, recorded_nodes, recorded_pairs
from parity.halves.torch.step_rate import idle_step_of
from parity.ladder.rounding import dtype_of
from parity.programs.check_spec import CheckSpec
from parity.programs.settings import later_seed
from parity.traces.port_facts import PortFacts, PortOptimizer
from parity.traces.trace import KerasTrace, PortWriter
from torch_impl.port import Port
from torch_impl.schedule.callbacks import begin_epoch, monitor_of, takes_value

# --- The facts of a port: its calls and their partners, its settings, and what it provides --------
#
# A port goes in; the facts by which structure is compared and causes are found come out, ready for
# JSON.


def write_weights(port: PortUnderTest, writer: PortWriter) -> None:
    """Writes the weights that the port holds otherwise than Keras, bit by bit.

    Those that it lacks are Keras's: see `carried_weight`.
    """
    for item in port.carried:
        key, value = f"weights/{item.name}", item.value()
        if key not in port.keras or not np.array_equal(port.keras[key], value):
            writer.put(key, value)


def write_facts(port: PortUnderTest, writer: PortWriter) -> None:
    """Writes the facts of a port, with the pairs that were found."""
    nodes = port.keras.facts["nodes"]
    carried = {id(tensor) for item in port.carried for tensor in source_tensors(item.variable)}
    names = dict(port.module.named_parameters())
    pairs = recorded_pairs(port)
    writer.facts["nodes"] = recorded_nodes(port, pairs)
    writer.facts["pairs"] = [
        (nodes[row]["name"], port.nodes[column]["name"]) for row, column in pairs
    ]
    writer.facts["ends"] = {
        pair.node["name"]: [nodes[n]["name"] for n in (pair.ends.keras_first, pair.ends.keras_last)]
        for pair in port.all_pairs
    }
    writer.facts |= cast("PortFacts", left_over(port, pairs))
    writer.facts["replayed"] = replayed(port)
    writer.facts["dropped_axes"] = dropped_axes(port)
    writer.facts["inner_dropouts"] = inner_dropouts(port)
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
    writer.facts["settings"] = {
        port.nodes[column]["name"]: _settings(port.calls[column]) for _, column in pairs
    }
    built = port.built
    writer.facts["given"] = {
        "loss": built.loss is not None,
        "optimizer": built.optimizer is not None,
        "scheduler": built.scheduler is not None,
        "early_stopping": built.early_stopping is not None,
        "load": built.load is not None,
        "train_step": built.train_step is not None,
        "train_epoch": built.train_epoch is not None,
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


def optimizer_facts(optimizer: torch.optim.Optimizer | None) -> PortOptimizer | None:
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


# --- The learning rate of a port, by step and by epoch --------------------------------------------
#
# Schedulers are stepped as the port says, or get the metrics that Keras's callbacks got. The rates,
# and the epoch at which training stops, come out as `schedule/…`.


def write_schedule(
    spec: CheckSpec, factory: Callable[[], Any], keras: KerasTrace, writer: PortWriter
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
        deltas = probe_inputs.watched_deltas(keras.facts["schedule"]["callbacks"])
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
    spec: CheckSpec, factory: Callable[[], Any], keras: KerasTrace, writer: PortWriter
) -> None:
    """Writes what the rules of a port decide in the sequences that Keras's rules got."""
    callbacks = [each for each in keras.facts["schedule"]["callbacks"] if "monitor" in each]
    sequences = list(rule_sequences(spec.seed, callbacks).values())
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


# --- Initial weights that a factory draws, as samples of its distributions ------------------------
#
# A factory goes in; `init/…` comes out: the draws of several ports, stacked. There are more of them
# if a weight is small, as long as a port is built quickly.


# Of all ports that are built, so that the number of draws does not depend on the machine.
MOST_PARAMETERS, MOST_MODULES = 4_000_000, 5_000
MOST_TIME = 1.0  # seconds of the processor, for a factory that does more than build a module


def write_init(
    spec: CheckSpec, factory: Callable[[], Any], port: PortUnderTest, writer: PortWriter
) -> None:
    """Calls the factory as often as the smallest random weight needs, and writes its weights."""
    draws: dict[str, list[np.ndarray]] = {}
    paths = {id(module): path for path, module in port.module.named_modules()}
    started = time.process_time()
    for number in range(_num_ports(port) if spec.draws else 1):
        if number and time.process_time() - started > MOST_TIME:
            break
        if number == 0 and is_large(port):
            with port.kept():
                port.begin_as_built()
                found = list(_weights(port, port.module, paths))
        else:
            with _other_seeds(number):
                redrawn = unwrapped(call_factory(factory, spec.seed, port.dtype).module)
            build_lazy(redrawn, lambda: port.arguments("probe"))
            found = list(_weights(port, redrawn, paths))
        for name, array in found:
            draws.setdefault(name, []).append(array)
    for name, parts in draws.items():
        writer.put(f"init/{name}", np.stack(parts))


def _num_ports(port: PortUnderTest) -> int:
    facts = port.keras.facts
    wanted = 1
    for name, entry in facts["weights"].items():
        if not draws.is_constant(port.keras[f"init/{name}"]):
            kind = facts["initializers"].get(name, {}).get("class")
            most = draws.enough(kind)
            wanted = max(wanted, draws.num_draws(int(np.prod(entry["shape"])), most))
    num_parameters = sum(parameter.numel() for parameter in port.module.parameters())
    num_modules = sum(1 for _ in port.module.modules())
    most = min(MOST_PARAMETERS // max(num_parameters, 1), MOST_MODULES // num_modules)
    return max(1, min(wanted, most))


def _weights(
    port: PortUnderTest, module: nn.Module, paths: Mapping[int, str]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the weights of a module of the port by Keras's names, as far as they are judged."""
    initializers = port.keras.facts["initializers"]
    for item in port.carried:
        path = paths.get(id(item.variable.module))
        drawn = None if path is None else item.drawn_by(module, path)
        if drawn is not None:
            is_matrix = initializers.get(item.name, {}).get("class") == "Orthogonal"
            most = draws.MAX_MATRIX if is_matrix else draws.MAX_ENTRIES
            yield item.name, drawn.reshape(-1)[:most]


@contextmanager
def _other_seeds(number: int) -> Iterator[None]:
    """Adds a number to every seed that is set in the block, also to those in the user's code."""
    of_torch, of_numpy = torch.manual_seed, np.random.seed

    def manual_seed(seed: Any) -> Any:
        if torch.accelerator.is_available():
            return of_torch(later_seed(int(seed), number))
        # Torch writes down the stack for each kind of device that is not there, which takes longer
        # than many a factory.
        return torch.default_generator.manual_seed(later_seed(int(seed), number))

    def seed(value: Any = None) -> None:
        of_numpy(later_seed(value, number) if isinstance(value, int) else value)

    torch.manual_seed, np.random.seed = manual_seed, seed  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.manual_seed, np.random.seed = of_torch, of_numpy
