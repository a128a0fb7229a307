"""Changes of a port's schedule and callbacks that those of Keras suggest."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from parity.halves.torch.check.fixes.made import changed_port
from parity.halves.torch.check.fixes.whole import (
    Suggestion,
    Together,
    Written,
    code,
    first_that_ends,
    is_ended,
    listed,
    other_than_default,
)
from parity.halves.torch.check.schedule import write_schedule
from parity.halves.torch.factories import call_factory
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.ladder.comparers import schedule as level
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import CheckWriter, TraceWriter
from torch_impl import optim, schedule
from torch_impl.schedule.stepping import monitor_of

Callback = Mapping[str, Any]


def schedule_fix(
    spec: CheckSpec, factory: Callable[[], Any], port: PortUnderTest, writer: TraceWriter
) -> tuple[Together, int] | None:
    """Returns what ends a difference of the rates, and how many changes were tried.

    Args:
        spec: settings of the check.
        factory: builds the port.
        port: the port.
        writer: has the rates of the port.

    Returns:
        None if the rates agree, or were not compared.
    """
    keras, facts = port.keras, writer.facts
    rates = {key: a for key, a in writer.arrays.items() if key.startswith("schedule/")}
    if port.built.optimizer is None or not rates:
        return None
    if is_ended(level.of_probe(keras, Written(CheckWriter(rates), facts).as_trace)):
        return None

    def ends(some: Together) -> bool:
        changes = [one.change for one in some]
        tried = CheckWriter()
        write_schedule(
            spec,
            lambda: changed_port(call_factory(factory, spec.seed, port.dtype), changes),
            keras,
            tried,
        )
        return is_ended(level.of_probe(keras, Written(tried, facts).as_trace))

    told = keras.facts["schedule"]
    by_class = {str(entry.get("class")): entry for entry in told["callbacks"]}
    plateau, stopping = (by_class.get(name) for name in ("ReduceLROnPlateau", "EarlyStopping"))
    small = list(_of_port(port, plateau or stopping))
    own = []
    if plateau is not None:
        small += _of_plateau(port, plateau)
        own.append(_callback("scheduler", plateau))
    if stopping is not None:
        own.append(_callback("early_stopping", stopping))
    if told["kind"] is not None:
        own += _of_steps(port, told)
    watched = [one for one in small if "monitor" in one.takes]
    pairs = [(one, two) for one in own for two in watched]
    both = [tuple(own)] if len(own) == 2 else []
    return first_that_ends([*small, *own], [*pairs, *both], ends)


# --- suggestions ---------------------------------------------------------------------------------


def _of_port(port: PortUnderTest, callback: Callback | None) -> Iterator[Suggestion]:
    """Yields what the port says of its schedulers."""
    is_by_step = port.keras.facts["schedule"]["kind"] is not None
    if is_by_step and port.built.schedulers and port.built.scheduler_interval == "epoch":
        yield _port("scheduler_interval", "step", "epoch")
    wanted = callback.get("monitor") if callback is not None else None
    rules = [*port.built.schedulers, port.built.early_stopping]
    now = monitor_of(rules[0], port.built.monitor)
    if isinstance(wanted, str) and wanted != now:
        yield _port("monitor", wanted, now)


def _port(name: str, value: str, now: str) -> Suggestion:
    text = f"Port(..., {name}={value!r})  # now {now!r}"
    return Suggestion(text, {"port": {name: value}}, frozenset((name,)))


def _of_plateau(port: PortUnderTest, callback: Callback) -> Iterator[Suggestion]:
    """Yields the settings of torch's ReduceLROnPlateau that give Keras's rates."""
    kinds = [type(scheduler).__name__ for scheduler in port.built.schedulers]
    if "ReduceLROnPlateau" not in kinds:
        return
    number = kinds.index("ReduceLROnPlateau")
    scheduler = port.built.schedulers[number]
    if type(scheduler).__module__.startswith("torch_impl."):
        for name in ("factor", "patience", "cooldown", "min_lr"):
            if name in callback:
                yield from _set(scheduler, number, {name: callback[name]})
        return
    patience, cooldown = (int(callback.get(name) or 0) for name in ("patience", "cooldown"))
    floor = [float(callback.get("min_lr") or 0.0)] * len(port.built.optimizer.param_groups)  # type: ignore[union-attr]
    # Torch waits for one bad epoch more than Keras, and a cooldown is one epoch longer.
    yield from _set(scheduler, number, {"patience": max(patience - 1, 0)})
    delta = abs(float(callback.get("min_delta") or 0.0))
    yield from _set(scheduler, number, {"threshold": delta, "threshold_mode": "abs"})
    yield from _set(scheduler, number, {"factor": callback.get("factor", 0.1)})
    yield from _set(scheduler, number, {"cooldown": max(cooldown - 1, 0)})
    yield from _set(scheduler, number, {"min_lrs": floor, "eps": 0.0})


def _set(scheduler: Any, number: int, wanted: Mapping[str, Any]) -> Iterator[Suggestion]:
    words = {"min_lrs": "min_lr"}
    new = {name: value for name, value in wanted.items() if getattr(scheduler, name, None) != value}
    if new:
        shown = {words.get(name, name): _one(value) for name, value in new.items()}
        now = {words.get(name, name): _one(getattr(scheduler, name, None)) for name in new}
        old = listed(now) if len(now) > 1 else code(next(iter(now.values())))
        text = f"scheduler = {type(scheduler).__name__}(..., {listed(shown)})  # now {old}"
        yield Suggestion(text, {"scheduler": {"set": new, "number": number}}, frozenset(new))


def _one(value: Any) -> Any:
    """Returns the only value of a list, which stands for all groups."""
    return value[0] if isinstance(value, list) and len(set(value)) == 1 else value


def _callback(place: str, callback: Callback) -> Suggestion:
    """Returns Keras's callback."""
    kind = getattr(schedule, str(callback["class"]))
    first, *names = inspect.signature(kind).parameters
    wanted = {**callback, "min_delta": abs(callback.get("min_delta") or 0.0)}
    given = other_than_default(kind, {name: wanted.get(name) for name in names})
    text = f"{place} = torch_impl.schedule.{kind.__name__}({_word(first)}, {listed(given)})"
    return Suggestion(text, {place: {"class": kind.__name__, "arguments": given}})


def _word(name: str) -> str:
    return "module" if name == "model" else name


def _of_steps(port: PortUnderTest, told: Mapping[str, Any]) -> Iterator[Suggestion]:
    """Yields Keras's function of the step."""
    kind = getattr(schedule, str(told["kind"]), None)
    if kind is None:
        return
    given = other_than_default(kind, told.get("config", {}))
    made = f"torch_impl.schedule.{kind.__name__}({listed(given)})"
    if isinstance(port.built.optimizer, optim.KerasOptimizer):
        name = type(port.built.optimizer).__name__
        text = f"optimizer = torch_impl.optim.{name}(..., learning_rate={made})  # and no scheduler"
    else:
        text = f"scheduler = torch_impl.schedule.as_lambda_lr(optimizer, {made})"
        text += "  # a step after each of the optimizer"
    yield Suggestion(text, {"schedule": {"class": kind.__name__, "arguments": given}})
