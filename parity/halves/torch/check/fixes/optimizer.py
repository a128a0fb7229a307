"""Changes of a port's optimizer that Keras's configuration suggests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import nn

from parity.data.probe_inputs import AVERAGE
from parity.data.weight_names import constraint_of
from parity.halves.torch.check.fixes.made import changed_port
from parity.halves.torch.check.fixes.whole import (
    Suggestion,
    Together,
    Written,
    as_typed,
    code,
    first_that_ends,
    is_ended,
    listed,
    other_than_default,
)
from parity.halves.torch.check.optimizer import write_optimizer
from parity.halves.torch.factories import call_factory
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.ladder.comparers import optimizer as level
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import CheckWriter, TraceWriter
from torch_impl import optim
from torch_impl.constraints import CONSTRAINTS
from torch_impl.layouts import joined_parameters

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
    spec: CheckSpec, factory: Callable[[], Any], port: PortUnderTest, writer: TraceWriter
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
    if not steps or _agrees(port, CheckWriter(steps), facts):
        return None

    def ends(some: Together) -> bool:
        changes = [one.change for one in some]
        fresh = PortUnderTest(
            lambda: changed_port(call_factory(factory, spec.seed, port.dtype), changes),
            *(spec.seed, keras, spec.device),
        )
        tried = CheckWriter()
        write_optimizer(fresh, tried)
        needed = {key for key in steps if f"/{AVERAGE}/" not in key}  # Keras may keep none
        return tried.arrays.keys() >= needed and _agrees(port, tried, facts)

    second = list(_second_biases(port))
    own = list(_keras_optimizer(port))
    groups = (facts.get("optimizer") or {}).get("groups") or port.built.optimizer.param_groups
    limits = list(_constraints(port))
    singles = [*_missing(port), *_joined(port), *limits]
    singles += [*_numbers(port, groups[0]), *second, *own]
    both = [(one, two) for one in second for two in own]
    both += [(two, one) for one in limits for two in own]
    return first_that_ends(singles, both, ends)


def _agrees(port: PortUnderTest, writer: TraceWriter, facts: Mapping[str, Any]) -> bool:
    return is_ended(level.of_probe(port.keras, Written(writer, facts).as_trace))


# --- suggestions ---------------------------------------------------------------------------------


def _missing(port: PortUnderTest) -> Iterator[Suggestion]:
    """Yields the parameters that the optimizer does not have."""
    assert port.built.optimizer is not None
    held = {id(p) for group in port.built.optimizer.param_groups for p in group["params"]}
    names = [
        name
        for name, parameter in port.module.named_parameters()
        if parameter.requires_grad and id(parameter) not in held
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
    for name, value in _settings(port).items():
        if name in group and group[name] != value:
            kind = type(port.built.optimizer).__name__
            # A layer of Keras's names takes the rate under its own.
            is_keras = isinstance(port.built.optimizer, optim.KerasOptimizer)
            word = "learning_rate" if is_keras and name == "lr" else name
            text = f"optimizer = {kind}(..., {word}={code(value)})  # now {code(group[name])}"
            yield Suggestion(text, {"optimizer": {"set": {name: value}}}, frozenset((name,)))


def _settings(port: PortUnderTest) -> dict[str, Any]:
    """Returns Keras's numbers under all the names that a torch optimizer may have for them."""
    config = port.keras.facts["optimizer"]["config"]
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
    facts = port.keras.facts["optimizer"]
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
            told = f"\noptimizer.exclude_from_weight_decay([{few}])"
            yield Suggestion(text + note + told, {"optimizer": {**change, "excluded": small}})


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
