"""Changes of a port's loss, optimizer and schedule that Keras's configuration suggests."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from torch import nn

from parity.data.probe_inputs import AVERAGE, constraint_of, short_name
from parity.halves.torch.check.facts import write_schedule
from parity.halves.torch.check.fixes.made import changed_port, inner_loss
from parity.halves.torch.check.layers import forced_pass
from parity.halves.torch.check.loss import Loss, write_confident_loss
from parity.halves.torch.check.optimizer import write_optimizer
from parity.halves.torch.factories import call_factory
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.ladder.comparers import loss as level
from parity.ladder.comparers import optimizer as optimizer_module
from parity.ladder.comparers import schedule as schedule_module
from parity.ladder.items import FAIL, Outcome
from parity.programs.check_spec import CheckSpec
from parity.traces.facts import known
from parity.traces.trace import CheckWriter, PortTrace, PortWriter
from torch_impl import losses, optim, regularizers, schedule
from torch_impl.constraints import CONSTRAINTS
from torch_impl.layouts import joined_parameters
from torch_impl.losses.configuration import LOSSES
from torch_impl.schedule.callbacks import monitor_of

# --- Tries changes of what a port trains with, which its layers do not contain --------------------
#
# Suggestions go in, each with a text for the user. The first that ends the difference comes out.


MOST_TRIALS = 24  # of one level

Together = tuple["Suggestion", ...]


@dataclass(frozen=True)
class Suggestion:
    """A change of a port.

    Attributes:
        text: for the user.
        change: as `made.changed_port` takes it.
        takes: names of what it sets; two that set the same are not made together.
    """

    text: str
    change: Mapping[str, Any]
    takes: frozenset[str] = field(default_factory=frozenset)


class Written:
    """What a stage has written, as the comparers of the ladder read a trace.

    Args:
        writer: of that stage.
        facts: of the port.
        raised: errors of the port, by stage; None: none.
    """

    def __init__(
        self,
        writer: PortWriter,
        facts: Mapping[str, Any],
        raised: Mapping[str, str] | None = None,
    ) -> None:
        self._arrays, self.facts = writer.arrays, {**facts, "raised": raised or {}}

    def __contains__(self, key: str) -> bool:
        return key in self._arrays

    def __getitem__(self, key: str) -> Any:
        return self._arrays[key]

    def below(self, prefix: str) -> list[str]:
        """Returns what follows `prefix/` in the keys that start so."""
        start = prefix + "/"
        return sorted(key[len(start) :] for key in self._arrays if key.startswith(start))

    @property
    def as_trace(self) -> PortTrace:
        """The same, for functions that take a trace."""
        return cast("PortTrace", self)


def is_ended(outcome: Outcome) -> bool:
    """Whether a level was compared and nothing of it differs."""
    return bool(outcome.items) and not any(item.status == FAIL for item in outcome.items)


def first_that_ends(
    singles: Sequence[Suggestion],
    sets: Iterable[Together],
    ends: Callable[[Together], bool],
) -> tuple[Together, int]:
    """Tries suggestions, from the smallest change to the largest.

    Args:
        singles: the most likely first. Those that set numbers are tried first, one by one and in
            pairs, then the others, and in the end three numbers together.
        sets: more suggestions, after the singles.
        ends: whether a set ends the difference.

    Returns:
        The set that does, or an empty one; and how many were tried.
    """
    small = [one for one in singles if one.takes]
    whole = [(one,) for one in singles if not one.takes]
    order = itertools.chain(_of(small, 1), _of(small, 2), whole, sets, _of(small, 3))
    count = 0
    for some in order:
        if count == MOST_TRIALS:
            break
        count += 1
        try:
            if ends(some):
                return some, count
        except Exception:  # a change that the port's code cannot take
            continue
    return (), count


def _of(small: Sequence[Suggestion], count: int) -> Iterator[Together]:
    """Yields so many suggestions that set different numbers."""
    for some in itertools.combinations(small, count):
        if sum(len(one.takes) for one in some) == len(frozenset().union(*(o.takes for o in some))):
            yield some


def as_typed(value: Any) -> Any:
    """Returns a number as somebody has typed it: Keras keeps 0.05 as 0.05000000074505806."""
    if not isinstance(value, float) or not math.isfinite(value):
        return value
    short = float(np.format_float_positional(np.float32(value), unique=True, trim="0"))
    return short if float(np.float32(value)) == value else value


def code(value: Any) -> str:
    """Returns a value as code."""
    return repr(tuple(value)) if isinstance(value, list) else repr(value)


def listed(arguments: Mapping[str, Any]) -> str:
    """Returns arguments as code."""
    return ", ".join(f"{name}={code(value)}" for name, value in arguments.items())


def other_than_default(kind: type, config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments of a class that a configuration sets, in the order of the class."""
    return {
        name: config[name]
        for name, parameter in inspect.signature(kind).parameters.items()
        if config.get(name) is not None and config[name] != parameter.default
    }


# --- Changes of a port's loss that Keras's loss and its regularisers suggest ----------------------


_LOSS_KEYS = ("loss/confident/value", "loss/confident/gradient", "loss/own")


def loss_fix(port: PortUnderTest, form: str, writer: PortWriter) -> tuple[Together, int] | None:
    """Returns what ends a difference of the loss, and how many changes were tried.

    Args:
        port: the port.
        form: of its output.
        writer: has the port's loss of given outputs.

    Returns:
        None if the loss agrees, or was not compared.
    """
    facts = writer.facts
    if port.built.loss is None or port.keras.facts["loss"] is None or port.outputs.names:
        return None
    written: PortWriter = CheckWriter(
        {key: writer.arrays[key] for key in _LOSS_KEYS if key in writer.arrays}
    )
    if not written.arrays or _agrees(port, written, facts):
        return None
    built = port.built

    def ends(some: Together) -> bool:
        port.built = changed_port(built, [one.change for one in some])
        try:
            return _agrees(port, _computed(port, form, facts), facts)
        finally:
            penalty = getattr(port.built.loss, "penalty", None)
            if penalty is not None and penalty is not getattr(built.loss, "penalty", None):
                penalty.remove()
            port.built = built

    singles = list(_settings(port))
    penalty, keras_loss = _penalty(port), _keras_loss(port, form)
    singles += [one for one in (penalty, keras_loss) if one is not None]
    singles += _huber(port, keras_loss)
    both = [(keras_loss, penalty)] if keras_loss is not None and penalty is not None else []
    more = [(one, penalty) for one in singles if one.takes and penalty is not None]
    return first_that_ends(singles, [*both, *more], ends)


def _agrees(port: PortUnderTest, writer: PortWriter, facts: Mapping[str, Any]) -> bool:
    return is_ended(level.of_probe(port.keras, Written(writer, facts).as_trace))


def _computed(port: PortUnderTest, form: str, facts: Mapping[str, Any]) -> PortWriter:
    """Returns the loss of given outputs, and that of Keras's outputs."""
    writer: PortWriter = CheckWriter()
    given = Loss(port, form)
    write_confident_loss(port, form, given, writer)
    found = forced_pass(port, "train", facts.get("style", ()), given)
    if found.loss is not None:
        writer.put("loss/own", found.loss)
    return writer


# --- suggestions ---------------------------------------------------------------------------------


def _settings(port: PortUnderTest) -> Iterator[Suggestion]:
    """Yields other settings of the port's own loss."""
    loss, config = inner_loss(port.built.loss), _config(port)
    is_sum = config.get("reduction") == "sum"
    delta = config.get("delta", 1.0)
    wanted = {
        "reduction": "sum" if is_sum else "mean",
        "label_smoothing": config.get("label_smoothing", 0.0),
        "weight": None,
        "pos_weight": None,
        "delta": delta,
        "beta": delta,
    }
    if type(loss).__module__.startswith("torch_impl."):
        wanted = {name: value for name, value in config.items() if name not in ("name", "dtype")}
    for name, value in wanted.items():
        if not hasattr(loss, name) or getattr(loss, name) is value:
            continue
        now = getattr(loss, name)
        if name in ("weight", "pos_weight") or now != value:
            kind = type(loss)
            first = "nn" if kind.__module__.startswith("torch.") else "torch_impl.losses"
            comment = f"  # now {now!r}" if not hasattr(now, "shape") else ""
            text = f"loss = {first}.{kind.__name__}(..., {name}={value!r}){comment}"
            yield Suggestion(text, {"loss": {"set": {name: value}}}, frozenset((name,)))


def _config(port: PortUnderTest) -> Mapping[str, Any]:
    config = known(port.keras.facts["loss"])["config"] or {}
    found = config.get("config")
    return found if isinstance(found, Mapping) else {}


def _keras_loss(port: PortUnderTest, form: str) -> Suggestion | None:
    """Returns Keras's loss; None if it is not known here."""
    facts = known(port.keras.facts["loss"])
    config = facts["config"] or {}
    name = config.get("class_name") or facts["name"]
    name = config["config"] if name == "function" else name
    if name not in LOSSES or form == "log":
        return None
    kind = LOSSES[name]
    given = other_than_default(kind, _config(port))
    if form == "linear" and "from_logits" in inspect.signature(kind).parameters:
        given["from_logits"] = True
    weights = facts["class_weight"]
    made = f"torch_impl.losses.{kind.__name__}({listed(given)})"
    text = f"loss = {made}"
    if weights is not None:
        by_label = {int(label): weight for label, weight in weights.items()}
        text = f"loss = {made}(output, y, sample_weight=sample_weights(y, {by_label}))"
    change = {
        "class": kind.__name__,
        "arguments": given,
        "shape": list(port.keras["forward/eval/output"].shape),
        "class_weight": weights,
    }
    assert hasattr(losses, kind.__name__)
    return Suggestion(text, {"loss": change})


def _huber(port: PortUnderTest, keras_loss: Suggestion | None) -> Iterator[Suggestion]:
    """Yields a Huber loss with the port's delta, which Keras's configuration does not have."""
    if keras_loss is None or keras_loss.change["loss"]["class"] != "Huber":
        return
    loss = inner_loss(port.built.loss)
    for name in ("beta", "delta"):
        delta = getattr(loss, name, None)
        if isinstance(delta, int | float):
            change = {**keras_loss.change["loss"], "arguments": {"delta": delta}}
            yield Suggestion(f"loss = nn.HuberLoss(delta={delta!r})", {"loss": change})


def _penalty(port: PortUnderTest) -> Suggestion | None:
    """Returns the penalties of Keras's layers; None if there are none, and none in the port."""
    names = {id(parameter): name for name, parameter in port.module.named_parameters()}
    weights: dict[str, Any] = {}
    nodes = {node["name"]: node for node in port.keras.facts["nodes"]}
    for item in port.carried:
        short = short_name(item.name).removesuffix("_kernel")
        config = nodes[item.node]["config"] if item.node in nodes else {}
        row = _regularizer(config.get(f"{short}_regularizer"))
        for tensor in item.variable.tensors if row is not None else ():
            if id(tensor) in names:
                weights[names[id(tensor)]] = row
    activities = {
        pair.call.name: row
        for pair in port.pairs
        if pair.call.module is not None
        and (row := _regularizer(pair.node["config"].get("activity_regularizer"))) is not None
    }
    if not (weights or activities or hasattr(port.built.loss, "penalty")):
        return None
    rows = ", ".join(f"{n!r}: {kind}({listed(given)})" for n, (kind, given) in weights.items())
    more = ", ".join(f"{n!r}: {kind}({listed(given)})" for n, (kind, given) in activities.items())
    arguments = f"module, {{{rows}}}" + (f", activities={{{more}}}" if more else "")
    text = f"loss = torch_impl.penalty.RegularizedLoss(loss, Penalty({arguments}))"
    return Suggestion(text, {"penalty": {"weights": weights, "activities": activities}})


def _regularizer(config: Any) -> list[Any] | None:
    """Returns the class and the arguments of a regulariser; None if it is not known here."""
    if not isinstance(config, Mapping) or not hasattr(regularizers, str(config.get("class_name"))):
        return None
    given = {name: value for name, value in config["config"].items() if name != "name"}
    return [config["class_name"], given]


# --- Changes of a port's optimizer that Keras's configuration suggests ----------------------------


# Keras's name of a number -> torch's in `param_groups`.
_IN_TORCH = {"learning_rate": "lr", "epsilon": "eps"}
_NUMBERS = (
    *("learning_rate", "epsilon", "rho", "momentum", "nesterov", "amsgrad", "centered"),
    *("beta_1", "beta_2", "weight_decay"),
)
_COMMON = ("clipnorm", "clipvalue", "global_clipnorm", "gradient_accumulation_steps")
_CLIPS = _COMMON[:3]
_AVERAGE = ("use_ema", "ema_momentum", "ema_overwrite_frequency")


def optimizer_fix(
    spec: CheckSpec, factory: Callable[[], Any], port: PortUnderTest, writer: PortWriter
) -> tuple[Together, int] | None:
    """Returns what ends a difference of the optimizer, and how many changes were tried.

    Args:
        spec: settings of the check.
        factory: builds the port.
        port: the port.
        writer: has what the optimizer made of given gradients.

    Returns:
        None if the optimizer agrees, or was not compared.
    """
    keras, facts = port.keras, writer.facts
    if port.built.optimizer is None or keras.facts["optimizer"] is None:
        return None
    steps = {key: a for key, a in writer.arrays.items() if key.startswith("optimizer/")}
    if not steps or _agrees_of_optimizer(port, CheckWriter(steps), facts):
        return None

    def ends(some: Together) -> bool:
        changes = [one.change for one in some]
        fresh = PortUnderTest(
            lambda: changed_port(call_factory(factory, spec.seed, port.dtype), changes),
            *(spec.seed, keras, spec.device),
        )
        tried: PortWriter = CheckWriter()
        write_optimizer(fresh, tried)
        needed = {key for key in steps if f"/{AVERAGE}/" not in key}  # Keras may keep none
        return tried.arrays.keys() >= needed and _agrees_of_optimizer(port, tried, facts)

    second = list(_second_biases(port))
    of_keras = list(_keras_optimizer(port))
    recorded = facts.get("optimizer")
    groups = (recorded and recorded["groups"]) or port.built.optimizer.param_groups
    limits = list(_constraints(port))
    singles = [*_missing(port), *_joined(port), *limits]
    singles += [*_numbers(port, groups[0]), *second, *of_keras]
    both = [(one, two) for one in second for two in of_keras]
    both += [(two, one) for one in limits for two in of_keras]
    return first_that_ends(singles, both, ends)


def _agrees_of_optimizer(port: PortUnderTest, writer: PortWriter, facts: Mapping[str, Any]) -> bool:
    return is_ended(optimizer_module.of_probe(port.keras, Written(writer, facts).as_trace))


# --- suggestions ---------------------------------------------------------------------------------


def _missing(port: PortUnderTest) -> Iterator[Suggestion]:
    """Yields the parameters that the optimizer does not have."""
    assert port.built.optimizer is not None
    optimized = {id(p) for group in port.built.optimizer.param_groups for p in group["params"]}
    names = [
        name
        for name, parameter in port.module.named_parameters()
        if parameter.requires_grad and id(parameter) not in optimized
    ]
    if names:
        few = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        kind = type(port.built.optimizer).__name__
        text = f"optimizer = {kind}(module.parameters(), ...)  # now without {few}"
        yield Suggestion(text, {"optimizer": {"add": names}})


def _numbers(port: PortUnderTest, group: Mapping[str, Any]) -> Iterator[Suggestion]:
    """Yields Keras's numbers for the optimizer that the port has.

    Args:
        port: the port.
        group: the settings with which it was built; steps may have changed its rate.
    """
    assert port.built.optimizer is not None
    for name, value in _settings_of_optimizer(port).items():
        if name in group and group[name] != value:
            kind = type(port.built.optimizer).__name__
            # A layer of Keras's names takes the rate under its own.
            is_keras = isinstance(port.built.optimizer, optim.KerasOptimizer)
            word = "learning_rate" if is_keras and name == "lr" else name
            text = f"optimizer = {kind}(..., {word}={code(value)})  # now {code(group[name])}"
            yield Suggestion(text, {"optimizer": {"set": {name: value}}}, frozenset((name,)))


def _settings_of_optimizer(port: PortUnderTest) -> dict[str, Any]:
    """Returns Keras's numbers under all the names that a torch optimizer may have for them."""
    config = known(port.keras.facts["optimizer"])["config"]
    found: dict[str, Any] = {}
    for name in _NUMBERS:
        value = as_typed(config.get(name))
        if name == "weight_decay":
            value = value or 0.0
        if isinstance(value, bool | int | float):
            found |= {name: value, _IN_TORCH.get(name, name): value}
    if "rho" in found:
        found["alpha"] = found["rho"]
    if "beta_1" in found and "beta_2" in found:
        found["betas"] = [found["beta_1"], found["beta_2"]]
    if port.keras.facts["schedule"]["kind"] is not None:
        found.pop("lr", None)
    return found


def _keras_optimizer(port: PortUnderTest) -> Iterator[Suggestion]:
    """Yields Keras's optimizer, in the place of the port's clipping where Keras clips by itself."""
    facts = known(port.keras.facts["optimizer"])
    kind = getattr(optim, facts["class"], None)
    if kind is None:
        return
    config = {name: as_typed(value) for name, value in facts["config"].items()}
    rate = config.get("learning_rate")
    if not isinstance(rate, int | float):  # a schedule, which has a level of its own
        assert port.built.optimizer is not None
        rate = as_typed(float(port.built.optimizer.param_groups[0]["lr"]))
    given = {"learning_rate": rate, **other_than_default(kind, {**config, "learning_rate": None})}
    common = (*_COMMON, *_AVERAGE) if config.get("use_ema") else _COMMON
    given |= {name: config[name] for name in common if config.get(name)}
    text = f"optimizer = torch_impl.optim.{facts['class']}(module.parameters(), {listed(given)})"
    if joins := kind.takes_norms(given) and bool(joined_parameters(port.module)):
        text += f"\n{_JOINED}"
    clips = any(given.get(name) for name in _CLIPS)
    has_step = port.built.before_step is not None
    for keeps in (True, False) if has_step and not clips else (not has_step,):
        note = "" if keeps or not has_step else "  # without clipping before the step"
        change = {"class": facts["class"], "arguments": given, "keeps_before_step": keeps}
        change |= {"joins": True} if joins else {}
        yield Suggestion(text + note, {"optimizer": change})
        # Keras's configuration does not say which weights it excludes.
        small = [n for n, p in port.module.named_parameters() if p.requires_grad and p.ndim < 2]
        if given.get("weight_decay") and small:
            few = ", ".join(f"module.get_parameter({name!r})" for name in small[:3])
            few += ", ..." if len(small) > 3 else ""
            statement = f"\noptimizer.exclude_from_weight_decay([{few}])"
            yield Suggestion(text + note + statement, {"optimizer": {**change, "excluded": small}})


def _constraints(port: PortUnderTest) -> Iterator[Suggestion]:
    """Yields Keras's constraints of the weights of paired modules, all together."""
    given: dict[str, tuple[str, dict[str, Any]]] = {}
    for pair in port.pairs:
        for weight in pair.node["weights"] if pair.call.module is not None else ():
            config = constraint_of(pair.node["config"], weight)
            kind = CONSTRAINTS.get(str(config["class_name"])) if config is not None else None
            if config is not None and kind is not None:
                settings = other_than_default(kind, config.get("config", {}))
                name = f"{pair.call.name.partition('#')[0]}.{weight.partition('.')[2]}"
                given[name] = kind.__name__, settings
    if given:
        rules = (
            f"{name!r}: torch_impl.constraints.{kind}({listed(settings)})"
            for name, (kind, settings) in given.items()
        )
        text = f"torch_impl.constraints.constrain(module, optimizer, {{{', '.join(rules)}}})"
        yield Suggestion(text, {"optimizer": {"constraints": given}})


_JOINED = "optimizer.join_norms(torch_impl.layouts.joined_parameters(module))"


def _joined(port: PortUnderTest) -> Iterator[Suggestion]:
    """Yields one norm for parameters that are one variable in Keras, such as biases of a GRU."""
    optimizer = port.built.optimizer
    if not isinstance(optimizer, optim.KerasOptimizer) or not joined_parameters(port.module):
        return
    if optimizer.takes_norms(optimizer.common):
        yield Suggestion(_JOINED, {"optimizer": {"join": True}})


def _second_biases(port: PortUnderTest) -> Iterator[Suggestion]:
    """Yields the second biases of recurrent modules, of which Keras has one."""
    names = [
        f"{path}.{name}" if path else name
        for path, module in port.module.named_modules()
        if isinstance(module, nn.LSTM | nn.RNN)
        for name, parameter in module.named_parameters(recurse=False)
        if name.startswith("bias_hh") and parameter.requires_grad
    ]
    if names:
        text = "\n".join(f"module.get_parameter({name!r}).requires_grad_(False)" for name in names)
        yield Suggestion(text, {"frozen": names})


# --- Changes of a port's schedule and callbacks that those of Keras suggest -----------------------


Callback = Mapping[str, Any]


def schedule_fix(
    spec: CheckSpec, factory: Callable[[], Any], port: PortUnderTest, writer: PortWriter
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
    if is_ended(schedule_module.of_probe(keras, Written(CheckWriter(rates), facts).as_trace)):
        return None

    def ends(some: Together) -> bool:
        changes = [one.change for one in some]
        tried: PortWriter = CheckWriter()
        write_schedule(
            spec,
            lambda: changed_port(call_factory(factory, spec.seed, port.dtype), changes),
            keras,
            tried,
        )
        return is_ended(schedule_module.of_probe(keras, Written(tried, facts).as_trace))

    recorded = keras.facts["schedule"]
    by_class = {str(entry.get("class")): entry for entry in recorded["callbacks"]}
    plateau, stopping = (by_class.get(name) for name in ("ReduceLROnPlateau", "EarlyStopping"))
    small = list(_of_port(port, plateau or stopping))
    of_keras = []
    if plateau is not None:
        small += _of_plateau(port, plateau)
        of_keras.append(_callback("scheduler", plateau))
    if stopping is not None:
        of_keras.append(_callback("early_stopping", stopping))
    if recorded["kind"] is not None:
        of_keras += _of_steps(port, recorded)
    watched = [one for one in small if "monitor" in one.takes]
    pairs = [(one, two) for one in of_keras for two in watched]
    both = [tuple(of_keras)] if len(of_keras) == 2 else []
    return first_that_ends([*small, *of_keras], [*pairs, *both], ends)


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


def _of_steps(port: PortUnderTest, recorded: Mapping[str, Any]) -> Iterator[Suggestion]:
    """Yields Keras's function of the step."""
    kind = getattr(schedule, str(recorded["kind"]), None)
    if kind is None:
        return
    given = other_than_default(kind, recorded.get("config", {}))
    made = f"torch_impl.schedule.{kind.__name__}({listed(given)})"
    if isinstance(port.built.optimizer, optim.KerasOptimizer):
        name = type(port.built.optimizer).__name__
        text = f"optimizer = torch_impl.optim.{name}(..., learning_rate={made})  # and no scheduler"
    else:
        text = f"scheduler = torch_impl.schedule.as_lambda_lr(optimizer, {made})"
        text += "  # a step after each of the optimizer"
    yield Suggestion(text, {"schedule": {"class": kind.__name__, "arguments": given}})
