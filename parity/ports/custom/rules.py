"""Custom regularisers, constraints, schedules and steps: stubs, and entries in a config."""

from __future__ import annotations

import copy
import keyword
import re
import textwrap
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from parity.ports.custom.facts import Facts, OwnFunction, StandIn
from parity.ports.custom.stubs import INDENT, PLACE, classes_of, place_of, quoted, raised
from parity.ports.form import Parameter
from parity.ports.program import attribute, distinct
from parity.ports.statements import CUSTOM
from parity.ports.wrapping import commented, docstring, head, wrapped
from torch_impl.constraints import Constraint
from torch_impl.keras_config.compiled import Compiled
from torch_impl.keras_config.graph import Config
from torch_impl.keras_config.planned import Planned
from torch_impl.regularizers import Regularizer

# --- Regularisers and constraints of the user's own: what stands for them, and their stubs --------


_CUT = "..."  # a value that was too long to be recorded begins so


class OwnRule:
    """A rule of the user's, which a layer of Keras has.

    Args:
        facts: of it.
        user: the layer and the setting that have it: "dense/kernel_regularizer".
    """

    def __init__(self, facts: Facts, user: str) -> None:
        self.facts, self.user = facts, user

    @property
    def name(self) -> str:
        """Its name in the source that is written."""
        return attribute(re.sub(r"\W", "_", self.facts["class"]))

    @property
    def settings(self) -> dict[str, str]:
        """Source of its numbers, by name."""
        values: Facts = self.facts["values"]
        return {key: text for key, text in values.items() if not text.startswith(_CUT)}

    @property
    def text(self) -> str:
        """The call that makes it."""
        given = ", ".join(f"{name}={text}" for name, text in self.settings.items())
        return f"{self.name}({given})"


class OwnRegularizer(OwnRule, Regularizer):
    """Stands for a regulariser of the user's, in a twin that is not trained."""

    is_layout_free = False

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Returns no penalty."""
        return x.sum() * 0.0


class OwnConstraint(OwnRule, Constraint):
    """Stands for a constraint of the user's, likewise."""

    def __call__(self, w: torch.Tensor) -> torch.Tensor:
        """Returns the weight as it is."""
        return w


def custom_rule(facts: Facts, user: str) -> OwnRegularizer | OwnConstraint:
    """Returns what stands for a rule of the user's: see `OwnRule`."""
    return (OwnConstraint if user.endswith("_constraint") else OwnRegularizer)(facts, user)


def rule_text(rules: Sequence[OwnRegularizer | OwnConstraint]) -> str:
    """Returns the source of a class.

    Args:
        rules: those of one class of the user's, all of them regularisers or all constraints.
    """
    first = rules[0]
    facts, place = first.facts, place_of(first.facts["source"])
    is_constraint = isinstance(first, OwnConstraint)
    base = "constraints.Constraint" if is_constraint else "regularizers.Regularizer"
    lines = [f"class {first.name}({base}):"]
    lines += docstring(f"Keras's {facts['class']}{place}; it is to be written.", "    ")
    if not is_constraint:
        lines += ["", "    is_layout_free = False  # weights come in Keras's layout"]
    if first.settings:
        names = "".join(f", {name}: Any" for name in first.settings)
        lines += ["", *head(f"    def __init__(self{names}) -> None:")]
        for name in first.settings:
            lines += wrapped(f"{INDENT}self.{name} = {name}")
    argument = "w" if is_constraint else "x"
    lines += ["", *head(f"    def __call__(self, {argument}: torch.Tensor) -> torch.Tensor:")]
    users = " or ".join(_user(rule) for rule in rules)
    if is_constraint:
        comment = f"{PLACE}: what replaces w, in Keras's layout, after a step: {users}."
    else:
        comment = f"{PLACE}: the penalty, one number; x is {users}."
    if any(rule.user.endswith("/activity_regularizer") for rule in rules):
        comment += " Outputs that are images have channels first."
    lines += commented(comment, INDENT)
    others = [f"self.{key} is an object of {kind} in Keras" for key, kind in facts["held"].items()]
    others += [
        f"self.{key} = {text}" for key, text in facts["values"].items() if key not in first.settings
    ]
    lines += [line for text in others for line in commented(text, INDENT)]
    lines += quoted(facts["source"])
    noun = "constraint" if is_constraint else "regulariser"
    lines += raised(f"{first.name}, the {noun}, is to be written: as Keras computes it{place}")
    return "\n".join(lines)


def _user(rule: OwnRule) -> str:
    layer, _, setting = rule.user.rpartition("/")
    if setting == "activity_regularizer":
        return f"the output of {layer!r}"
    return f"the {setting.rpartition('_')[0]} of {layer!r}"


# --- The functions of `LearningRateScheduler` that the user has written, copied into train.py -----


_CALLBACK = "LearningRateScheduler"
_TYPES = ("int", "float")  # of the epoch, and of the rate before


class _Function(Parameter):
    """The name of a function, in the place of the function of a callback."""

    def __call__(self, epoch: int, rate: float) -> float:
        """Stands for the function, of which only the name is needed."""
        raise NotImplementedError(f"{self.name} is called in train.py alone")


def with_custom_rates(
    compiled: Compiled, facts: Mapping[str, Any], used_names: Collection[str]
) -> tuple[Compiled, list[str]]:
    """Returns what is compiled, whose callbacks know their functions, and the source of these.

    Args:
        compiled: of the trace of the Keras half.
        facts: of the same trace.
        used_names: names that the source has itself.
    """
    rates = iter(facts.get("own", {}).get("rates", []))
    callbacks, texts = [], list[str]()
    names = set(used_names)
    for kind, settings in compiled.callbacks:
        rate = next(rates, None) if kind == _CALLBACK else None
        if rate is not None:
            name = distinct(attribute(re.sub(r"\W", "_", rate["name"])), names)
            names.add(name)
            texts.append(rate_text(name, rate))
            settings = {**settings, "schedule": _Function(name)}
        callbacks.append((kind, settings))
    return replace(compiled, callbacks=callbacks), texts


def rate_text(name: str, facts: Facts) -> str:
    """Returns the source of a function.

    Args:
        name: of it.
        facts: of the Keras half.
    """
    parts = []
    for number, (parameter, default) in enumerate(facts["parameters"]):
        kind = f": {_TYPES[number]}" if number < len(_TYPES) and default is None else ""
        parts.append(f"{parameter}{kind}" if default is None else f"{parameter}={default}")
    lines = head(f"def {name}({', '.join(parts)}) -> float:")
    if place := place_of(facts["source"]):
        lines += commented(f"The code of the Keras program{place}.", "    ")
    lines += [f"    {key} = {value}" for key, value in facts["values"].items()]
    return "\n".join([*lines, textwrap.indent(facts["body"], "    ")])


# --------------------------------------------------------------------------------------------------
#
# The stub of a learning rate schedule of the user's own, with which an optimizer is planned.


def with_custom_schedule(
    compiled: Compiled,
    facts: Mapping[str, Any],
    used_names: Collection[str],
    *,
    plain: bool = False,
) -> tuple[Compiled, list[str]]:
    """Returns what is compiled, with the stub as the rate, and the source of the stub.

    Args:
        compiled: of the trace of the Keras half.
        facts: of the same trace.
        used_names: names that the source has itself.
        plain: whether the source imports nothing of `torch_impl`.

    Returns:
        If the schedule is Keras's, or a number: what is compiled as it was, and no source.
    """
    schedules = facts.get("own", {}).get("schedules", {})
    optimizer = compiled.optimizer
    if not schedules or not isinstance(optimizer, Mapping):
        return compiled, []
    ((name, schedule),) = schedules.items()
    known = attribute(re.sub(r"\W", "_", name))
    known = f"{known}_" if known in used_names else known
    config = {**optimizer["config"], "learning_rate": Parameter(f"{known}()")}
    changed = replace(compiled, optimizer={**optimizer, "config": config})
    return changed, [schedule_text(known, schedule, plain=plain)]


def schedule_text(name: str, facts: Facts, *, plain: bool) -> str:
    """Returns the source of a schedule.

    Args:
        name: of the class.
        facts: of the Keras half.
        plain: whether it is called by an optimizer of plain torch, with the step alone.
    """
    place = place_of(facts["source"])
    lines = [f"class {name}:" if plain else f"class {name}(schedule.LearningRateSchedule):"]
    lines += docstring(f"Keras's {facts['class']}{place}; its rate is to be written.", "    ")
    values = {key: text for key, text in facts["values"].items() if key.isidentifier()}
    settings = {key: text for key, text in values.items() if not text.startswith(_CUT)}
    others = [f"self.{key} = {text}" for key, text in values.items() if key not in settings]
    others += [f"self.{key} is an object of {kind} in Keras" for key, kind in facts["held"].items()]
    if settings:
        lines += ["", *head("    def __init__(self) -> None:")]
        for key, text in settings.items():
            lines += wrapped(f"{INDENT}self.{key} = {text}")
    if plain:
        lines += ["", *head("    def __call__(self, step: int) -> float:")]
        what = "the rate of a step; step is the number of earlier steps, 0 at first"
    else:
        lines += ["", *head("    def _rate(self, step: Any, number: Any) -> Any:")]
        what = (
            "the rate of a step; step is the number of earlier steps, 0 at first, as a number of "
            "the type `number`, which is np.float32, in which Keras computes a rate, or np.float64"
        )
    lines += commented(f"{PLACE}: {what}.", INDENT)
    lines += [line for text in others for line in commented(text, INDENT)]
    lines += quoted(facts["source"])
    lines += raised(f"{name}, the schedule, is to be written: as Keras computes it{place}")
    return "\n".join(lines)


# --- The stub of a `train_step` of the user's own, which a port gives its training ----------------


@dataclass(frozen=True)
class OwnStep:
    """A stub in train.py.

    Attributes:
        source: of the function; "": the program trains as Keras does.
        given: the argument of `Port` for it.
    """

    source: str = ""
    given: str = ""


def custom_step(fit: Facts, class_name: str, data: str, *, has_optimizer: bool) -> OwnStep:
    """Returns the stub of a step.

    Args:
        fit: what the Keras half tells of `fit`, with "step".
        class_name: of the network.
        data: what a step gets, in words.
        has_optimizer: whether `build` makes one.
    """
    step = fit.get("step")
    if not step:
        return OwnStep()
    place = place_of(step["source"])
    given = ", optimizer: torch.optim.Optimizer" if has_optimizer else ""
    lines = head(f"def train_step(model: {class_name}{given}, data: Any) -> dict[str, Any]:")
    lines += docstring(f"Keras's {step['class']}.train_step{place}; it is to be written.", "    ")
    whose = "the optimizer" if has_optimizer else "optimizers, which build() has to make"
    lines += commented(
        f"{PLACE}: one step of training, with that of {whose}. It returns the numbers that Keras's "
        f"returns, by the same names. data is {data}, of a batch.",
        "    ",
    )
    lines += [line.removeprefix("    ") for line in quoted(step["source"], step["values"])]
    text = f"train_step is to be written: what {step['class']}.train_step does{place}"
    lines += [line.removeprefix("    ") for line in raised(text)]
    arguments = "model, optimizer" if has_optimizer else "model"
    return OwnStep("\n".join(lines), f"lambda data: train_step({arguments}, data)")


def about_step(fit: Facts, *, is_plain: bool) -> list[str]:
    """Returns sentences for those who read train.py of such a program, or README.md."""
    step = fit.get("step")
    if not step:
        return []
    place = place_of(step["source"])
    ported = "Of its training, what compile got is ported."
    if is_plain:
        return [f"The program makes its steps by {step['class']}.train_step{place}. {ported}"]
    return [
        f"The program makes its steps by {step['class']}.train_step{place}: here that is "
        f"train_step. {ported} The numbers of an epoch are means over its steps."
    ]


# --------------------------------------------------------------------------------------------------
#
# The user's own code in the config of a model: its entries know how it is written, and run.
#
# config + what the Keras half tells -> config that knows, stubs, what a twin runs in their place


_RESERVED = ("x", "torch", "nn", "F", "layers", "activations", "OPERATIONS", "with_mask")


@dataclass(frozen=True)
class Told:
    """A config that knows the user's own code.

    Attributes:
        config: of the model.
        custom: what its twin needs: see `from_keras_config`.
        functions: of the user's, each once.
        problems: a sentence for each part that cannot be written.
        refused: names of layers that are told there, of which a twin says the same.
    """

    config: dict[str, Any]
    custom: dict[str, Callable[..., Any]]
    functions: list[OwnFunction]
    problems: list[str]
    refused: list[str]


def with_custom_code(config: Config, custom: Facts) -> Told:
    """Returns a config whose entries know the user's own code.

    Args:
        config: `model.get_config()`.
        custom: facts of the user's own code.
    """
    prepared = Told(
        copy.deepcopy(dict(config)), {}, [], list(custom["problems"]), custom["refused"]
    )
    planned = classes_of(custom["layers"], prepared.problems)
    known: dict[Any, OwnFunction] = {}
    for name, facts in custom["layers"].items():
        prepared.problems.extend(
            f"layer {name!r} of class {facts['class']!r}: {problem}"
            for problem in facts["problems"]
        )
    for name, facts in custom["layers"].items():
        if facts["function"] is None:
            prepared.custom[name] = _standing_in(facts, planned.get(name))
        else:
            prepared.custom[name] = _known(known, facts["function"], name, StandIn(facts))
    for key, facts in custom["functions"].items():
        prepared.custom[key] = _known(known, facts, key.rpartition("/")[0], None)
    for entry in _entries(prepared.config):
        entry[CUSTOM] = prepared.custom
        for key, facts in custom["rules"].items():
            layer, _, setting = key.rpartition("/")
            if layer == entry["config"].get("name"):
                entry["config"][setting] = custom_rule(facts, key)
        if entry["class_name"] == "Lambda":
            _without_masks(entry)
    functions = {function.name: function for function in known.values()}
    prepared.functions.extend(functions.values())
    return prepared


def _standing_in(facts: Facts, written: Planned | None) -> Callable[..., Any]:
    return lambda entry: StandIn(facts, written)


def _known(
    known: dict[Any, OwnFunction], facts: Facts, layer: str, lambda_: StandIn | None
) -> OwnFunction:
    """Returns a function of the user's, of which several layers may have the same one.

    Args:
        known: gets it.
        facts: of it.
        layer: Keras's name of the layer that has it.
        lambda_: stands in for that layer, if it is a Lambda.
    """
    source, given = facts["source"], facts.get("arguments", {})
    same = [each for each in known.values() if each.number == facts["number"]]
    if same:
        name, users = same[0].name, same[0].users
    else:
        plain = facts["name"] if facts["name"].isidentifier() else f"function_of_{layer}"
        used_names = [*_RESERVED, *keyword.kwlist, *(each.name for each in known.values())]
        name, users = distinct(re.sub(r"\W", "_", plain), used_names), []
    users.append(f"layer {layer!r}")
    layout = "any layout: images have channels first" if lambda_ is None else "Keras's layout"
    number = facts["number"]
    found = OwnFunction(name, facts["name"], number, source, users, given, layout, lambda_)
    known[layer, lambda_ is None] = found
    return found


def _without_masks(entry: dict[str, Any]) -> None:
    """Takes the masks from the calls of a Lambda, whose function does not get them in Keras."""
    for node in entry.get("inbound_nodes", ()):
        if isinstance(node, dict):
            node.get("kwargs", {}).pop("mask", None)


def _entries(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in config["layers"]:
        yield from _of_entry(entry)


def _of_entry(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields an entry, and those of the layers that it applies, or that are in it as a model."""
    if "layers" in entry["config"]:
        yield from _entries(entry["config"])
        return
    yield entry
    for key in ("layer", "backward_layer"):
        inner = entry["config"].get(key)
        if isinstance(inner, dict) and "config" in inner:
            yield from _of_entry(inner)
